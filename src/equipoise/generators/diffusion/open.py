"""Opens the diffusion model at an address."""

from __future__ import annotations

from dataclasses import replace

from equipoise.core.errors import InputError
from equipoise.generators.address import parse_address
from equipoise.generators.classes import class_shares
from equipoise.generators.diffusion.class_contexts import DiffusionClasses
from equipoise.generators.diffusion.generator import DiffusionGenerator, options_of
from equipoise.generators.diffusion.pipeline import CONSISTENCY, open_pipeline


def open_diffusion(
    text: str, *, device: str, batch_size: int | None
) -> DiffusionGenerator | DiffusionClasses:
    """Open the generator at an address such as "diffusers:FOLDER?steps=20&stem=4".

    With `contexts=classes` it is a `Prompted` one.

    Raises
    ------
    InputError
        When diffusers is not installed, or an option breaks its rule.
    FetchError, FileFormatError, ModelOutputError
        As `open_pipeline` and `DiffusionGenerator`.
    """
    address = parse_address(text)
    revision = dict(address.options).get("revision", "main")
    variant = dict(address.options).get("variant")
    pipeline = open_pipeline(str(address.file), revision, variant)
    options = options_of(address.options, pipeline.kind == CONSISTENCY)
    given = {"name": text, "device": device}
    if not options.contexts:
        return DiffusionGenerator(pipeline, options, **given, batch_size=batch_size)
    if not pipeline.classes:
        rule = "must be left out for a model without classes"
        raise InputError("contexts", rule, options.contexts, "Leave it out.")
    shares = class_shares(options.classes, pipeline.classes)
    first = replace(options, label=next(k for k, share in enumerate(shares) if share))
    drawn = DiffusionGenerator(pipeline, first, **given, batch_size=batch_size)
    return DiffusionClasses(drawn, shares)
