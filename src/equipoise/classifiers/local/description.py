"""The description of a model file in TOML. Errors name the field that breaks a rule."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from equipoise.classifiers.local.network import KINDS
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
"""The page that shows descriptions."""

SUFFIXES = {".onnx": "onnx", ".pt": "torchscript", ".pth": "torchscript", ".tflite": "tflite"}
"""Suffixes of model files, each with its format."""


@dataclass(frozen=True)
class ModelFile:
    """A model file and its preprocessing.

    Attributes
    ----------
    name, kind, file : str
        `file` is relative to the description; `kind` is one of `network.KINDS`.
    licence : str
        Empty where it is not given.
    caveats : tuple of str
        Full sentences.
    input : NetworkInput
    input_name : str
        Empty for the first input.
    """

    name: str
    kind: str
    file: str
    licence: str
    caveats: tuple[str, ...]
    input: NetworkInput
    input_name: str


@dataclass(frozen=True)
class Description:
    """A classifier: its file, and the meaning of its outputs."""

    model: ModelFile
    attributes: tuple[OutputReading, ...]


@dataclass(frozen=True)
class DescriptorDescription:
    """A model of descriptors: its file, and the number or name of the output that holds them."""

    model: ModelFile
    output: int | str


def read_description(path: Path) -> Description:
    """Return the description of a classifier in a TOML file.

    Raises
    ------
    InputError
        When the file cannot be read, or a field is missing, unknown, or breaks its rule.
    """
    file = Table(read_toml(path, f"{GUIDE} shows one."), guide=GUIDE)
    description = Description(
        _model(file, path), tuple(_attribute(table) for table in file.tables("attribute"))
    )
    names = [reading.attribute.name for reading in description.attributes]
    if len(set(names)) != len(names):
        raise file.error("attribute", "must have different names", ", ".join(names))
    file.done()
    return description


def read_descriptor_description(path: Path) -> DescriptorDescription:
    """Return the description of a model of descriptors in a TOML file.

    Raises
    ------
    InputError
        When the file cannot be read, or a field is missing, unknown, or breaks its rule.
    """
    file = Table(read_toml(path, f"{GUIDE} shows one."), guide=GUIDE)
    model, table = _model(file, path), file.table("descriptor")
    description = DescriptorDescription(model, _output(table))
    table.done()
    file.done()
    return description


def _model(file: Table, path: Path) -> ModelFile:
    caveats = file.sentences("caveats")
    table = file.table("input")
    input_name = table.text("name") if "name" in table else ""
    return ModelFile(
        file.text("name", path.stem),
        file.text("kind", choices=KINDS),
        file.text("file"),
        file.text("licence") if "licence" in file else "",
        caveats,
        _input(table),
        input_name,
    )


def _input(table: Table) -> NetworkInput:
    channels = table.text("channels", "rgb", CHANNELS)
    found = NetworkInput(
        _size(table),
        table.text("filter", "bilinear", FILTERS),
        table.number("crop", 0.0, 0, 1),
        table.number("scale", 255.0, 1e-6, 1e6),
        _by_channel(table, "mean", (0.0,), channels),
        _by_channel(table, "std", (1.0,), channels),
        channels,
        table.text("layout", "nchw", LAYOUTS),
        _dtype(table),
    )
    if min(found.std) <= 0:
        raise table.error("std", "must be above 0", found.std)
    table.done()
    return found


def _dtype(table: Table) -> str:
    found = table.text("dtype", "float32")
    if found not in TYPES:
        rule = f"must be {' or '.join(TYPES)}: other types are made of float32 as the file asks"
        raise table.error("dtype", rule, found)
    return found


def _size(table: Table) -> int | tuple[int, int]:
    """Read `size`: pixels per side, or height and width."""
    rule = "must be a whole number from 1 to 4096, or two: height and width"
    found = table.value("size", rule)
    sides = found if isinstance(found, list) and len(found) == 2 else [found]
    for side in sides:
        if not isinstance(side, int) or isinstance(side, bool) or not 1 <= side <= 4096:
            raise table.error("size", rule, found)
    return sides[0] if len(sides) == 1 else (sides[0], sides[1])


def _by_channel(
    table: Table, field: str, default: tuple[float, ...], channels: str
) -> tuple[float, ...]:
    found = table.numbers(field, default)
    most = 1 if channels == "grey" else 3
    if len(found) not in (1, most):
        raise table.error(field, "must be one number, or one per channel", found)
    return found


def _attribute(table: Table) -> OutputReading:
    score = "thresholds" in table
    attribute = named_attribute(table, score)
    output = _output(table)
    numbers = table.numbers("columns", ())
    if any(n < 0 or n != int(n) for n in numbers):
        raise table.error("columns", "must be whole numbers from 0", numbers)
    columns = tuple(int(n) for n in numbers)
    activation = table.text("activation", None, ACTIVATIONS)
    thresholds = cuts(table, attribute) if score else ()
    factor = table.number("factor", 1.0, 1e-6, 1e6) if score else 1.0
    levels: tuple[int, ...] = ()
    labels: tuple[str, ...] = ()
    if not score:
        names = level_names(table, attribute)
        alone = len(columns) == 1 and len(attribute.levels) == 2
        labels = table.texts("labels", attribute.levels[-1:] if alone else attribute.levels)
        known = (*attribute.levels, UNKNOWN_NAME)
        for label in labels:
            if names.get(label, label) not in known:
                raise table.error("labels", "must be levels, or mapped to them", label)
        meant = [names.get(label, label) for label in labels]
        levels = tuple(UNKNOWN if name == UNKNOWN_NAME else attribute.level(name) for name in meant)
        if len(levels) == 1 and (len(attribute.levels) != 2 or levels != (1,)):
            raise table.error("labels", "must be the last of two levels if only one", labels)
    if columns and len(columns) != (1 if score else len(levels)):
        raise table.error("columns", "must be one per label, and one for thresholds", columns)
    if activation == "softmax" and (score or len(levels) == 1):
        raise table.error("activation", "must be sigmoid or none for one column", activation)
    table.done()
    return OutputReading(attribute, output, columns, activation, levels, thresholds, factor, labels)


def _output(table: Table) -> int | str:
    output = table.value("output", "must be a number or a name", 0)
    if not isinstance(output, int | str) or isinstance(output, bool):
        raise table.error("output", "must be a number or a name", output)
    if isinstance(output, int) and output < 0:
        raise table.error("output", "must be at least 0", output)
    return output


def template(path: Path) -> str:
    """Return the text of a description that fits most models, as a start for a model file."""
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
