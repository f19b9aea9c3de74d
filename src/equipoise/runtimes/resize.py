"""Resizing of images to the input size of a network, done here for all classifiers."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

FILTERS = ("box", "nearest", "bilinear", "bicubic")
"""Filters of `resize`."""


def resize(images: NDArray[np.uint8], size: int, filter: str = "box") -> torch.Tensor:
    """Return images of size x size pixels.

    Parameters
    ----------
    images : numpy.ndarray, shape (n, 3, height, width), uint8
        RGB in [0, 255].
    size : int
        Pixels per side.
    filter : str
        One of `FILTERS`. With "box", each output pixel is the mean of the input area that it covers
        when the image shrinks (exact for whole factors), and a bilinear blend when it grows.
        "bilinear" and "bicubic" are antialiased when the image shrinks, and equal Pillow's but for
        its rounding to bytes.

    Returns
    -------
    torch.Tensor, shape (n, 3, size, size), float32, in [0, 255]
    """
    pixels = torch.from_numpy(np.ascontiguousarray(images)).float()
    height, width = pixels.shape[2:]
    if (height, width) == (size, size):
        return pixels
    if filter == "nearest":
        return torch.nn.functional.interpolate(pixels, (size, size), mode="nearest-exact")
    if filter == "bicubic":
        # Overshoot at edges is clipped after each axis, as in Pillow.
        for shape in ((height, size), (size, size)):
            pixels = torch.nn.functional.interpolate(
                pixels, shape, mode="bicubic", align_corners=False, antialias=True
            ).clamp(0, 255)
        return pixels
    if filter == "box" and height >= size and width >= size:
        return torch.nn.functional.interpolate(pixels, (size, size), mode="area")
    return torch.nn.functional.interpolate(
        pixels, (size, size), mode="bilinear", align_corners=False, antialias=True
    )
