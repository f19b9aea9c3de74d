"""Resizing of images to the input size of a network, done here for all classifiers."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

FILTERS = ("box", "nearest", "bilinear", "bicubic")
"""Filters of `resize`."""


def resize(
    images: NDArray[np.uint8], size: int | tuple[int, int], filter: str = "box"
) -> torch.Tensor:
    """Return images of another size.

    Parameters
    ----------
    images : numpy.ndarray, shape (n, 3, height, width), uint8
        RGB in [0, 255].
    size : int or tuple of int
        Pixels per side, or height and width.
    filter : str
        One of `FILTERS`. With "box", each output pixel is the mean of the input area that it covers
        when the image shrinks (exact for whole factors), and a bilinear blend when it grows.
        "bilinear" and "bicubic" are antialiased when the image shrinks, and equal Pillow's but for
        its rounding to bytes.

    Returns
    -------
    torch.Tensor, shape (n, 3, *size), float32, in [0, 255]
    """
    pixels = torch.from_numpy(np.ascontiguousarray(images)).float()
    height, width = pixels.shape[2:]
    high, wide = size if isinstance(size, tuple) else (size, size)
    if (height, width) == (high, wide):
        return pixels
    if filter == "nearest":
        return torch.nn.functional.interpolate(pixels, (high, wide), mode="nearest-exact")
    if filter == "bicubic":
        # Overshoot at edges is clipped after each axis, as in Pillow.
        for shape in ((height, wide), (high, wide)):
            pixels = torch.nn.functional.interpolate(
                pixels, shape, mode="bicubic", align_corners=False, antialias=True
            ).clamp(0, 255)
        return pixels
    if filter == "box" and height >= high and width >= wide:
        return torch.nn.functional.interpolate(pixels, (high, wide), mode="area")
    return torch.nn.functional.interpolate(
        pixels, (high, wide), mode="bilinear", align_corners=False, antialias=True
    )
