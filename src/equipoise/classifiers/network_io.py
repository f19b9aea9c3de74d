"""What is done to an image before a network sees it, as a record that can be shown.

From a network's output to answers on an attribute.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit, softmax

from equipoise.classifiers.base import Prediction, by_probability, by_threshold
from equipoise.core.attributes import UNKNOWN, Attribute
from equipoise.core.errors import ModelOutputError
from equipoise.runtimes.resize import resize

CHANNELS = ("rgb", "bgr", "grey")
LAYOUTS = ("nchw", "nhwc")
TYPES = ("float32", "uint8")

# ITU-R BT.601 weights of red, green and blue in luma.
_LUMA = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)


@dataclass(frozen=True)
class NetworkInput:
    """How images become a network's input: cut, resize, order channels, scale.

    Attributes
    ----------
    size : int
        Pixels of a side.
    filter : str
        One of `equipoise.runtimes.resize.FILTERS`.
    crop : float
        Share of the shorter side that the middle square has, in (0, 1]; 0 squeezes the whole image.
    scale : float
        By which values in [0, 255] are divided first.
    mean, std : tuple of float
        One, or one a channel in the network's order: (value / scale - mean) / std.
    channels : str
        One of `CHANNELS`.
    layout : str
        One of `LAYOUTS`.
    dtype : str
        One of `TYPES`.
    """

    size: int
    filter: str = "bilinear"
    crop: float = 0.0
    scale: float = 255.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    channels: str = "rgb"
    layout: str = "nchw"
    dtype: str = "float32"

    def __str__(self) -> str:
        """Tell it in a sentence."""
        part = f"the middle square, {self.crop:.4g} of the shorter side, " if self.crop else ""
        text = f"{part}{self.size}x{self.size} pixels by the {self.filter} filter, {self.channels}"
        if self.dtype == "uint8":
            return f"{text}, {self.layout}, bytes."
        mean, std = (", ".join(f"{v:.4g}" for v in values) for values in (self.mean, self.std))
        return f"{text}, {self.layout}, divided by {self.scale:.4g}, less {mean}, over {std}."


def prepare(images: NDArray[np.uint8], wanted: NetworkInput) -> NDArray[Any]:
    """Return images as a network wants them.

    Parameters
    ----------
    images : numpy.ndarray, shape (n, 3, height, width), uint8
        RGB in [0, 255].

    Returns
    -------
    numpy.ndarray, shape (n, c, size, size) or (n, size, size, c), float32 or uint8

    Examples
    --------
    >>> white = np.full((1, 3, 8, 8), 255, np.uint8)
    >>> prepare(white, NetworkInput(4, mean=(0.5,), std=(0.5,), layout="nhwc")).shape
    (1, 4, 4, 3)
    """
    if wanted.crop:
        height, width = images.shape[2:]
        side = max(1, round(min(height, width) * wanted.crop))
        top, left = (height - side) // 2, (width - side) // 2
        images = images[:, :, top : top + side, left : left + side]
    pixels = resize(images, wanted.size, wanted.filter)
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


ACTIVATIONS = ("softmax", "sigmoid", "none")


@dataclass(frozen=True)
class OutputReading:
    """How one attribute is read from an output of shape (n, columns).

    Attributes
    ----------
    attribute : Attribute
    output : int or str
        Number or name of the output.
    columns : tuple of int
        Those that count, in order; all where it is empty.
    activation : str
        One of `ACTIVATIONS`; taken over the columns that count.
    levels : tuple of int
        The level of each column that counts, `UNKNOWN` for one that means abstention. Columns of
        one level add up. One column for two levels is the probability of the last.
    thresholds : tuple of float
        That cut the one column into levels; empty where columns are levels.
    """

    attribute: Attribute
    output: int | str = 0
    columns: tuple[int, ...] = ()
    activation: str = "none"
    levels: tuple[int, ...] = ()
    thresholds: tuple[float, ...] = ()

    @property
    def single(self) -> bool:
        """Whether one column tells the level."""
        return bool(self.thresholds) or len(self.levels) == 1


def read_output(output: NDArray[Any], wanted: OutputReading) -> Prediction:
    """Return the answers on one attribute.

    Parameters
    ----------
    output : numpy.ndarray, shape (n, columns)

    Raises
    ------
    ModelOutputError
        When there are fewer columns than the description counts, or more where it names none.

    Examples
    --------
    >>> smiling = OutputReading(Attribute("smiling", ("no", "yes")), activation="softmax",
    ...                         levels=(0, 1))
    >>> read_output(np.array([[3.0, 0.0], [0.0, 1.0]]), smiling).levels.tolist()
    [0, 1]
    """
    values = _activated(_counted(output, wanted), wanted.activation)
    if wanted.thresholds:
        return by_threshold(values[:, 0].astype(np.float32), wanted.thresholds)
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


def _counted(output: NDArray[Any], wanted: OutputReading) -> NDArray[np.float64]:
    """Return the columns that count, shape (n, columns), float64."""
    values = np.asarray(output, np.float64).reshape(len(output), -1)
    needed = 1 if wanted.single else len(wanted.levels)
    given = values.shape[1]
    if wanted.columns and max(wanted.columns) < given:
        return values[:, wanted.columns]
    if wanted.columns or given != needed:
        rule = f"columns to {max(wanted.columns)}" if wanted.columns else f"{needed} columns"
        raise ModelOutputError(
            f"output {wanted.output!r} for {wanted.attribute.name!r}",
            f"must have {rule}, one for each label",
            given,
            "Correct levels, labels or columns; docs/classifiers.md tells how.",
        )
    return values


def _activated(values: NDArray[np.float64], activation: str) -> NDArray[np.float64]:
    if activation == "softmax":
        return np.asarray(softmax(values, axis=1))
    if activation == "sigmoid":
        return np.asarray(expit(values))
    return values
