"""Any wanted mix of attributes from a pre-trained image generator, and proof of what came out.

The public names below are loaded when they are first used, so that importing is quick. No public
name may be that of a module of this package: importing the module would take its place.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from equipoise.classifiers import (
        Classifier,
        Panel,
        Reading,
        by_probability,
        by_threshold,
        open_panel,
    )
    from equipoise.collection import LabelTable, collect
    from equipoise.directions import fit_directions
    from equipoise.drawing import exact_counts, one_shot, verified
    from equipoise.errors import EquipoiseError
    from equipoise.export import write_draws
    from equipoise.flow import Balance, balance
    from equipoise.generators import Generator, StandardNormal, open_generator
    from equipoise.groups import Attribute, Groups
    from equipoise.hyperplanes import Directions
    from equipoise.labels import Labels
    from equipoise.measure.representation import Representation, represent
    from equipoise.mixture import Mixture, fit_mixture
    from equipoise.request import Request
    from equipoise.sampler import Sampler
    from equipoise.sampler_file import load_sampler, save_sampler
    from equipoise.settings import Settings
    from equipoise.shift import shift_codes
    from equipoise.targets import Target, parse_target

__version__ = "0.1.0"

_HOMES = {
    "flow": ("Balance", "balance"),
    "classifiers": (
        *("Classifier", "Panel", "Reading", "by_probability", "by_threshold"),
        "open_panel",
    ),
    "collection": ("LabelTable", "collect"),
    "directions": ("fit_directions",),
    "hyperplanes": ("Directions",),
    "drawing": ("exact_counts", "one_shot", "verified"),
    "errors": ("EquipoiseError",),
    "export": ("write_draws",),
    "generators": ("Generator", "StandardNormal", "open_generator"),
    "groups": ("Attribute", "Groups"),
    "labels": ("Labels",),
    "measure.representation": ("Representation", "represent"),
    "mixture": ("Mixture", "fit_mixture"),
    "request": ("Request",),
    "sampler": ("Sampler",),
    "sampler_file": ("load_sampler", "save_sampler"),
    "settings": ("Settings",),
    "shift": ("shift_codes",),
    "targets": ("Target", "parse_target"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Attribute",
    "Balance",
    "Classifier",
    "Directions",
    "EquipoiseError",
    "Generator",
    "Groups",
    "LabelTable",
    "Labels",
    "Mixture",
    "Panel",
    "Reading",
    "Representation",
    "Request",
    "Sampler",
    "Settings",
    "StandardNormal",
    "Target",
    "balance",
    "by_probability",
    "by_threshold",
    "collect",
    "exact_counts",
    "fit_directions",
    "fit_mixture",
    "load_sampler",
    "one_shot",
    "open_generator",
    "open_panel",
    "parse_target",
    "represent",
    "save_sampler",
    "shift_codes",
    "verified",
    "write_draws",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'equipoise' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"equipoise.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value
