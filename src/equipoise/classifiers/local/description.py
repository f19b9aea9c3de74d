"""The description of a model file, in TOML: each bad field is named."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from equipoise.classifiers.local.classifier import KINDS
from equipoise.classifiers.network_io import (
    ACTIVATIONS,
    CHANNELS,
    LAYOUTS,
    TYPES,
    NetworkInput,
    OutputReading,
)
from equipoise.classifiers.remote.description import cuts, level_names, named_attribute
from equipoise.core.attributes import UNKNOWN, UNKNOWN_NAME
from equipoise.core.files import read_toml
from equipoise.core.toml_tables import Table
from equipoise.runtimes.resize import FILTERS

GUIDE = "docs/classifiers.md"
SUFFIXES = {".onnx": "onnx", ".pt": "torchscript", ".pth": "torchscript", ".tflite": "tflite"}
"""Endings of model files, each with its kind."""


@dataclass(frozen=True)
class Description:
    """A model file, and how to ask it.

    Attributes
    ----------
    name, kind, file : str
        `file` is relative to the description; `kind` is one of `networks.KINDS`.
    licence : str
        Empty where it is not told.
    caveats : tuple of str
        Full sentences.
    input : NetworkInput
    input_name : str
        Empty for the first input.
    attributes : tuple of OutputReading
    """

    name: str
    kind: str
    file: str
    licence: str
    caveats: tuple[str, ...]
    input: NetworkInput
    input_name: str
    attributes: tuple[OutputReading, ...]


def read_description(path: Path) -> Description:
    """Return the description in a TOML file.

    Raises
    ------
    InputError
        When the file cannot be read, or a field is missing, unknown, or breaks its rule.
    """
    file = Table(read_toml(path, f"{GUIDE} shows one."), guide=GUIDE)
    caveats = file.sentences("caveats")
    fed = file.table("input")
    input_name = fed.text("name") if "name" in fed else ""
    description = Description(
        file.text("name", path.stem),
        file.text("kind", choices=KINDS),
        file.text("file"),
        file.text("licence") if "licence" in file else "",
        caveats,
        _input(fed),
        input_name,
        tuple(_attribute(table) for table in file.tables("attribute")),
    )
    names = [reading.attribute.name for reading in description.attributes]
    if len(set(names)) != len(names):
        raise file.error("attribute", "must have different names", ", ".join(names))
    file.done()
    return description


def _input(table: Table) -> NetworkInput:
    channels = table.text("channels", "rgb", CHANNELS)
    fed = NetworkInput(
        table.whole("size", None, 1, 4096),
        table.text("filter", "bilinear", FILTERS),
        table.number("crop", 0.0, 0, 1),
        table.number("scale", 255.0, 1e-6, 1e6),
        _by_channel(table, "mean", (0.0,), channels),
        _by_channel(table, "std", (1.0,), channels),
        channels,
        table.text("layout", "nchw", LAYOUTS),
        table.text("dtype", "float32", TYPES),
    )
    if min(fed.std) <= 0:
        raise table.error("std", "must be above 0", fed.std)
    table.done()
    return fed


def _by_channel(
    table: Table, field: str, default: tuple[float, ...], channels: str
) -> tuple[float, ...]:
    found = table.numbers(field, default)
    most = 1 if channels == "grey" else 3
    if len(found) not in (1, most):
        raise table.error(field, "must be one number, or one a channel", found)
    return found


def _attribute(table: Table) -> OutputReading:
    score = "thresholds" in table
    attribute = named_attribute(table, score)
    output = table.value("output", "must be a number or a name", 0)
    if not isinstance(output, int | str) or isinstance(output, bool):
        raise table.error("output", "must be a number or a name", output)
    if isinstance(output, int) and output < 0:
        raise table.error("output", "must be at least 0", output)
    numbers = table.numbers("columns", ())
    if any(n < 0 or n != int(n) for n in numbers):
        raise table.error("columns", "must be whole numbers from 0", numbers)
    columns = tuple(int(n) for n in numbers)
    activation = table.text("activation", None, ACTIVATIONS)
    thresholds = cuts(table, attribute) if score else ()
    levels: tuple[int, ...] = ()
    if not score:
        names = level_names(table, attribute)
        alone = len(columns) == 1 and len(attribute.levels) == 2
        labels = table.texts("labels", attribute.levels[-1:] if alone else attribute.levels)
        known = (*attribute.levels, UNKNOWN_NAME)
        for label in labels:
            if names.get(label, label) not in known:
                raise table.error("labels", "must be levels, or mapped to them", label)
        told = [names.get(label, label) for label in labels]
        levels = tuple(UNKNOWN if name == UNKNOWN_NAME else attribute.level(name) for name in told)
        if len(levels) == 1 and (len(attribute.levels) != 2 or levels != (1,)):
            raise table.error("labels", "must be the last of two levels where it is one", labels)
    if columns and len(columns) != (1 if score else len(levels)):
        raise table.error("columns", "must be as many as labels, and one for thresholds", columns)
    if activation == "softmax" and (score or len(levels) == 1):
        raise table.error("activation", "must be sigmoid or none for one column", activation)
    table.done()
    return OutputReading(attribute, output, columns, activation, levels, thresholds)


def template(path: Path) -> str:
    """Return a description to start from, for a model file."""
    kind = SUFFIXES.get(path.suffix, KINDS[0])
    layout = "nhwc" if kind == "tflite" else "nchw"
    return f"""name = "{path.stem}"
kind = "{kind}"
file = "{path.name}"

[input]
size = 224
filter = "bilinear"
scale = 255
mean = [0.485, 0.456, 0.406]
std = [0.229, 0.224, 0.225]
channels = "rgb"
layout = "{layout}"

[[attribute]]
name = "smiling"
levels = ["no", "yes"]
activation = "softmax"
"""
