"""The one way in which images are brought to a network's input size."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray


def resize(images: NDArray[np.uint8], size: int) -> torch.Tensor:
    """Return images of size x size pixels as float32 in [0, 255].

    Each output pixel is the mean of the input area that it covers where the image shrinks (the
    box filter, exact for whole factors), and a bilinear blend where it grows.

    Parameters
    ----------
    images : numpy.ndarray, shape (n, 3, height, width), uint8

    Returns
    -------
    torch.Tensor, shape (n, 3, size, size), float32
    """
    pixels = torch.from_numpy(np.ascontiguousarray(images)).float()
    height, width = pixels.shape[2:]
    if (height, width) == (size, size):
        return pixels
    if height >= size and width >= size:
        return torch.nn.functional.interpolate(pixels, (size, size), mode="area")
    return torch.nn.functional.interpolate(
        pixels, (size, size), mode="bilinear", align_corners=False, antialias=True
    )
