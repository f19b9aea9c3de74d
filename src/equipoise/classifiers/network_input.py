"""What is done to an image before a network sees it, as a record that can be shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from equipoise.classifiers.resize import resize

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
        One of `equipoise.classifiers.resize.FILTERS`.
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
