"""Preprocessing of a network's input and interpretation of its outputs, as records.

Reports show the preprocessing. An output becomes a prediction by columns, activation, and levels or
thresholds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit, softmax

from equipoise.classifiers.base import Prediction, by_probability, by_threshold
from equipoise.core.attributes import UNKNOWN, Attribute
from equipoise.core.errors import ModelOutputError
from equipoise.runtimes.network_batches import NamedColumns
from equipoise.runtimes.resize import resize

CHANNELS = ("rgb", "bgr", "grey")
"""Orders of a network's input channels."""

LAYOUTS = ("nchw", "nhwc")
"""Orders of the axes: n images, c channels, height and width."""

TYPES = ("float32", "uint8")
"""Types of a network's input."""

ACTIVATIONS = ("softmax", "sigmoid", "none")
"""Functions that turn a network's output into probabilities."""

_LUMA = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
"""Weights of red, green and blue in luma (ITU-R BT.601)."""


@dataclass(frozen=True)
class NetworkInput:
    """How images become a network's input: crop, resize, channel order, scale.

    Attributes
    ----------
    size : int or tuple of int
        Pixels per side, or height and width.
    filter : str
        One of `equipoise.runtimes.resize.FILTERS`.
    crop : float
        Side of the central part of the input's aspect ratio (a square, for a square input), as a
        share of the largest such part, in (0, 1]; 0 uses the whole image and may change its aspect
        ratio.
    scale : float
        Divisor of values in [0, 255].
    mean, std : tuple of float
        One, or one per channel in the network's order: (value / scale - mean) / std.
    channels : str
        One of `CHANNELS`.
    layout : str
        One of `LAYOUTS`.
    dtype : str
        One of `TYPES`.
    """

    size: int | tuple[int, int]
    filter: str = "bilinear"
    crop: float = 0.0
    scale: float = 255.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    channels: str = "rgb"
    layout: str = "nchw"
    dtype: str = "float32"

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width."""
        return self.size if isinstance(self.size, tuple) else (self.size, self.size)

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """Return the input for images, as `prepare` does."""
        return prepare(images, self)

    def __str__(self) -> str:
        """Describe it in a sentence."""
        height, width = self.sides
        shape = "square" if height == width else "rectangle"
        whole = "the shorter side" if height == width else "the largest"
        part = f"the central {shape}, {self.crop:.4g} of {whole}, " if self.crop else ""
        text = f"{part}{height}x{width} pixels by the {self.filter} filter, {self.channels}"
        if self.dtype == "uint8":
            return f"{text}, {self.layout}, bytes."
        mean, std = (", ".join(f"{v:.4g}" for v in values) for values in (self.mean, self.std))
        return f"{text}, {self.layout}, divided by {self.scale:.4g}, less {mean}, over {std}."


def prepare(images: NDArray[np.uint8], wanted: NetworkInput) -> NDArray[Any]:
    """Return the input of a network for images.

    Parameters
    ----------
    images : numpy.ndarray, shape (n, 3, height, width), uint8
        RGB in [0, 255].
    wanted : NetworkInput

    Returns
    -------
    numpy.ndarray, shape (n, c, height, width) or (n, height, width, c), float32 or uint8

    Examples
    --------
    >>> white = np.full((1, 3, 8, 8), 255, np.uint8)
    >>> prepare(white, NetworkInput(4, mean=(0.5,), std=(0.5,), layout="nhwc")).shape
    (1, 4, 4, 3)
    """
    if wanted.crop:
        part = min(have / want for have, want in zip(images.shape[2:], wanted.sides, strict=True))
        high, wide = (max(1, round(part * side * wanted.crop)) for side in wanted.sides)
        top, left = (images.shape[2] - high) // 2, (images.shape[3] - wide) // 2
        images = images[:, :, top : top + high, left : left + wide]
    pixels = resize(images, wanted.sides, wanted.filter)
    if wanted.channels == "bgr":
        pixels = pixels.flip(1)
    elif wanted.channels == "grey":
        pixels = (pixels * _LUMA).sum(dim=1, keepdim=True)
    if wanted.dtype == "uint8":
        pixels = pixels.round().clamp(0, 255).to(torch.uint8)
    else:
        mean, std = (torch.tensor(v).view(1, -1, 1, 1) for v in (wanted.mean, wanted.std))
        pixels = (pixels / wanted.scale - mean) / std
    if wanted.layout == "nhwc":
        pixels = pixels.permute(0, 2, 3, 1)
    return pixels.contiguous().numpy()


@dataclass(frozen=True)
class OutputReading:
    """How an output of shape (n, columns) becomes the prediction of one attribute.

    Attributes
    ----------
    attribute : Attribute
    output : int or str
        Number or name of the output.
    columns : tuple of int
        Columns that are used, in order; empty for all.
    activation : str
        One of `ACTIVATIONS`; applied to the columns that are used.
    levels : tuple of int
        The level of each column that is used; `UNKNOWN` for a column that means abstention.
        Columns of one level are summed. One column for two levels is the probability of the last.
    thresholds : tuple of float
        Thresholds that divide a single column into levels; empty where columns are levels.
    factor : float
        By which a column that thresholds divide is multiplied, above 0: what a unit of it is worth.
    labels : tuple of str
        The model's labels of the columns, by which columns with names are found; empty where they
        are the levels.
    """

    attribute: Attribute
    output: int | str = 0
    columns: tuple[int, ...] = ()
    activation: str = "none"
    levels: tuple[int, ...] = ()
    thresholds: tuple[float, ...] = ()
    factor: float = 1.0
    labels: tuple[str, ...] = field(default=(), repr=False)

    @property
    def single(self) -> bool:
        """Whether a single column determines the level."""
        return bool(self.thresholds) or len(self.levels) == 1


def read_output(output: NDArray[Any] | NamedColumns, wanted: OutputReading) -> Prediction:
    """Return the prediction of one attribute.

    Parameters
    ----------
    output : numpy.ndarray, shape (n, columns), or NamedColumns
    wanted : OutputReading

    Raises
    ------
    ModelOutputError
        When there are fewer columns than described, or more where the description names none.

    Examples
    --------
    >>> smiling = OutputReading(Attribute("smiling", ("no", "yes")), activation="softmax",
    ...                         levels=(0, 1))
    >>> read_output(np.array([[3.0, 0.0], [0.0, 1.0]]), smiling).levels.tolist()
    [0, 1]
    """
    values = _activated(_used_columns(output, wanted), wanted.activation)
    if wanted.thresholds:
        return by_threshold((wanted.factor * values[:, 0]).astype(np.float32), wanted.thresholds)
    if wanted.single:
        return by_probability(np.concatenate([1 - values, values], axis=1).astype(np.float32))
    if wanted.activation == "sigmoid":
        values = values / values.sum(axis=1, keepdims=True)
    of_column = np.array(wanted.levels)
    shares = np.stack(
        [values[:, of_column == k].sum(axis=1) for k in range(len(wanted.attribute.levels))], axis=1
    )
    unknown = values[:, of_column == UNKNOWN].sum(axis=1)
    abstains = unknown > shares.max(axis=1)
    if (of_column == UNKNOWN).any():
        total = shares.sum(axis=1, keepdims=True)
        even = 1 / shares.shape[1]
        shares = np.divide(shares, total, out=np.full_like(shares, even), where=total != 0)
    ordered = wanted.attribute.ordered and shares.shape[1] > 2
    found = by_probability(
        shares.astype(np.float32), shares.argmax(axis=1).astype(np.float32) if ordered else None
    )
    levels = np.where(abstains, np.int8(UNKNOWN), found.levels)
    return Prediction(levels, found.probabilities, found.scores)


_SAME = 1e-3
"""How far rounding moves the sum of an image's probabilities; that of half precision too."""


def activation_fault(output: NDArray[Any] | NamedColumns, wanted: OutputReading) -> str:
    """Return why an activation does not go with an output, or "" where nothing speaks against it.

    Softmax or sigmoid of what is a probability already pulls all of them together, without an
    error: softmax of (0, 1) is (0.27, 0.73).

    Parameters
    ----------
    output : numpy.ndarray, shape (n, columns)
        Of at least 8 different images: fewer may lie in [0, 1] by chance.
    wanted : OutputReading

    Examples
    --------
    >>> shares = np.linspace([0.1, 0.9], [0.9, 0.1], 8)
    >>> wanted = OutputReading(Attribute("a", ("x", "y")), activation="softmax", levels=(0, 1))
    >>> activation_fault(shares, wanted)
    'the outputs are probabilities already, from 0.1 to 0.9: write activation = "none".'
    """
    every = _numbers(output.values if isinstance(output, NamedColumns) else output, wanted)
    values = _used_columns(output, wanted)
    low, high = float(values.min()), float(values.max())
    seen = f"from {low:.3g} to {high:.3g}"
    several = every.shape[1] > 1 and not wanted.thresholds
    if several and every.max() <= 0 and _close(np.exp(every).sum(axis=1), 1):
        if wanted.activation == "softmax" and not wanted.columns:
            return ""
        return f'the outputs are logarithms of probabilities, {seen}: write activation = "softmax".'
    if wanted.activation == "none":
        return ""
    if _are_probabilities(every) or _are_probabilities(values):
        return f'the outputs are probabilities already, {seen}: write activation = "none".'
    if several and every.min() >= 0 and _close(every.sum(axis=1), 100):
        return (
            f"the outputs are percentages already, {seen}: divide by 100 within the model, and "
            'write activation = "none".'
        )
    return ""


_SPREAD = 0.5
"""Range of values in [0, 1] above which they are taken for probabilities: logits that reach so far
also leave [0, 1], while those of a network that is barely trained may all lie in it. By hand."""


def _are_probabilities(values: NDArray[np.float64]) -> bool:
    """Return whether values, shape (n, columns), sum to 1 or go from near 0 to near 1."""
    if values.min() < -_SAME or values.max() > 1 + _SAME:
        return False
    several = values.shape[1] > 1
    return bool(np.ptp(values) >= _SPREAD) or (several and _close(values.sum(axis=1), 1))


def _close(values: NDArray[np.float64], expected: float) -> bool:
    return bool(np.abs(values - expected).max() <= _SAME * expected)


def _used_columns(
    output: NDArray[Any] | NamedColumns, wanted: OutputReading
) -> NDArray[np.float64]:
    """Return the columns that are used, shape (n, columns), float64."""
    columns = wanted.columns
    if isinstance(output, NamedColumns):
        if not columns and not wanted.thresholds:
            columns = _by_name(output.names, wanted)
        output = output.values
    values = _numbers(output, wanted)
    needed = 1 if wanted.single else len(wanted.levels)
    given = values.shape[1]
    if columns and max(columns) < given:
        return values[:, columns]
    if columns or given != needed:
        rule = f"columns to {max(columns)}" if columns else f"{needed} columns"
        last = wanted.attribute.levels[-1]
        alone = given == 1 and len(wanted.attribute.levels) == 2 and not columns
        raise ModelOutputError(
            f"output {wanted.output!r} for {wanted.attribute.name!r}",
            f"must have {rule}, one for each label",
            given,
            f"If the column is the probability of {last!r}, add `columns = [0]`; if of the other "
            "level, change the order of the levels too."
            if alone
            else "Correct levels, labels or columns, see docs/classifiers.md.",
        )
    return values


def _by_name(names: tuple[str, ...], wanted: OutputReading) -> tuple[int, ...]:
    """Return the columns of the labels, of an output whose columns have names."""
    labels = wanted.labels or wanted.attribute.levels
    if not set(labels) <= set(names) or (len(labels) < len(names) and not wanted.single):
        raise ModelOutputError(
            f"output {wanted.output!r} for {wanted.attribute.name!r}",
            f"must have the columns {', '.join(labels)[:200]}",
            ", ".join(names)[:200],
            "Name the model's columns in labels, and map them to levels.",
        )
    return tuple(names.index(label) for label in labels)


def _numbers(output: NDArray[Any], wanted: OutputReading) -> NDArray[np.float64]:
    """Return an output as numbers, shape (n, columns), float64."""
    try:
        return np.asarray(output, np.float64).reshape(len(output), -1)
    except (TypeError, ValueError) as error:
        raise ModelOutputError(
            f"output {wanted.output!r} for {wanted.attribute.name!r}",
            "must be numbers",
            f"values of type {np.asarray(output).dtype}",
            "Give the number or name of the output that holds probabilities.",
        ) from error


def _activated(values: NDArray[np.float64], activation: str) -> NDArray[np.float64]:
    if activation == "softmax":
        return np.asarray(softmax(values, axis=1))
    if activation == "sigmoid":
        return np.asarray(expit(values))
    return values
