"""Samplers and panels, opened as the options of a command say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from equipoise.core.settings import make_settings

if TYPE_CHECKING:
    from equipoise.classifiers import ClassifierPanel
    from equipoise.classifiers.models import Models
    from equipoise.labelling.image_shards import PanelAddress
    from equipoise.samplers.sampler import Sampler

Opened: TypeAlias = "tuple[Sampler, Models]"
"""A sampler with its generator and the panel that its labels came from."""


def panel_of(attributes: str | None, classifiers: list[str] | None) -> ClassifierPanel:
    """Return the panel for images of anybody."""
    return panel_address(attributes, classifiers).open()


def panel_address(
    attributes: str | None,
    classifiers: list[str] | None,
    device: str | None = None,
    *,
    mixed_devices: bool = False,
) -> PanelAddress:
    """Return the names by which `panel_of` opens its panel."""
    from equipoise.labelling.image_shards import PanelAddress

    given = {"attributes": attributes, "classifiers": classifiers, "device": device}
    named = make_settings({key: value for key, value in given.items() if value})
    return PanelAddress(named.attributes, named.classifiers, named.device, mixed_devices)


def open_sampler(
    path: Path,
    device: str | None,
    classifiers: list[str] | None = None,
    generator: str | None = None,
    *,
    mixed_devices: bool = False,
) -> Opened:
    """Return a sampler with its generator and the panel that its labels came from.

    `classifiers` and `generator` give the new places of the sampler's own.
    """
    from equipoise.samplers.file import load_sampler

    return open_saved(
        load_sampler(path), device, classifiers, generator, mixed_devices=mixed_devices
    )


def open_saved(
    saved: Sampler,
    device: str | None,
    classifiers: list[str] | None = None,
    generator: str | None = None,
    *,
    mixed_devices: bool = False,
) -> Opened:
    """Return a sampler that was just loaded as `open_sampler` does."""
    from equipoise.pipeline import open_models

    given = {"device": device, "classifiers": classifiers, "generator": generator}
    # Whether the labels of the run were mixed says nothing of what is made of the sampler.
    own = {**saved.settings, "mixed_devices": mixed_devices}
    settings = make_settings({**own, **{k: v for k, v in given.items() if v}})
    models = open_models(settings)
    sampler = saved.bound(models.generator)
    sampler.check_panel(models.panel)
    return sampler, models
