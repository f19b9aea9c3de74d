"""The one way in which images are brought to a network's input size."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

FILTERS = ("box", "nearest", "bilinear", "bicubic")


def resize(images: NDArray[np.uint8], size: int, filter: str = "box") -> torch.Tensor:
    """Return images of size x size pixels as float32 in [0, 255].

    Parameters
    ----------
    images : numpy.ndarray, shape (n, 3, height, width), uint8
    size : int
    filter : str
        One of `FILTERS`. By "box", each output pixel is the mean of the input area that it covers
        where the image shrinks (exact for whole factors), and a bilinear blend where it grows.
        "bilinear" and "bicubic" are antialiased where the image shrinks: Pillow's, but for its
        rounding to bytes.

    Returns
    -------
    torch.Tensor, shape (n, 3, size, size), float32
    """
    pixels = torch.from_numpy(np.ascontiguousarray(images)).float()
    height, width = pixels.shape[2:]
    if (height, width) == (size, size):
        return pixels
    if filter == "nearest":
        return torch.nn.functional.interpolate(pixels, (size, size), mode="nearest-exact")
    if filter == "bicubic":
        # Overshoot at edges is cut after each axis, as Pillow cuts it.
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
