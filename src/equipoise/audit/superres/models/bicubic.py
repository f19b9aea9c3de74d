"""Bicubic interpolation: the reduction of all images, and the baseline among models.

Enlargement adds no detail, so every model should be better. The kernel is Keys' (1981) with
a = -0.5. For reduction it is widened by the factor, as in MATLAB's imresize, torch and Pillow;
Menon et al. 2020 (arXiv 2003.03808) use the same as their operator DS.
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from numpy.typing import NDArray

from equipoise.core.errors import InputError, check_count


class Bicubic:
    """Enlarges with Keys' cubic kernel (1981), a = -0.5.

    Parameters
    ----------
    factor : int
        Restored pixels per low-resolution pixel, in each direction.
    """

    name = "bicubic"
    deterministic = True
    caveats = ()
    pinned = ()

    def __init__(self, factor: int) -> None:
        self.factor = factor
        self.digest = hashlib.sha256(f"bicubic {factor}".encode()).hexdigest()

    def restore(
        self, low: NDArray[np.uint8], seed: int, index: NDArray[np.int64]
    ) -> NDArray[np.uint8]:
        """Return the enlarged images; seed and index are not used."""
        height, width = (self.factor * side for side in low.shape[2:])
        return to_bytes(resample(torch.from_numpy(low).float(), height, width))


FILTER = "bicubic with antialiasing"
"""Name of the reduction in records and digests."""


def reduce_pixels(pixels: torch.Tensor, factor: int) -> torch.Tensor:
    """Return float images, shape (n, 3, height, width), reduced by `factor`; differentiable.

    Values may slightly exceed the range of the input, because the kernel has negative parts.
    """
    return resample(pixels, pixels.shape[2] // factor, pixels.shape[3] // factor)


def resample(pixels: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Return float images resized by Keys' kernel, which is widened where they shrink."""
    return torch.nn.functional.interpolate(
        pixels, (height, width), mode="bicubic", align_corners=False, antialias=True
    )


def reduced(images: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Return images reduced by `factor` in each direction, rounded to bytes.

    Parameters
    ----------
    images : numpy.ndarray, shape (n, 3, height, width), uint8
    factor : int
        At least 2; divides height and width.

    Raises
    ------
    InputError
        When the factor breaks its rule.

    Examples
    --------
    >>> reduced(np.full((1, 3, 64, 64), 200, np.uint8), 4)[0, :, 0, 0].tolist()
    [200, 200, 200]
    """
    check_count("factor", factor, "Pass --factor 4.", least=2)
    height, width = images.shape[2:]
    if height % factor or width % factor:
        raise InputError(
            "factor",
            f"must divide the images' sides, {height} and {width}",
            factor,
            "Pass another --factor.",
        )
    return to_bytes(reduce_pixels(torch.from_numpy(images).float(), factor))


def to_bytes(pixels: torch.Tensor) -> NDArray[np.uint8]:
    """Round float images in [0, 255] to bytes; values outside are clipped."""
    found: NDArray[np.uint8] = pixels.round().clamp(0, 255).to(torch.uint8).contiguous().numpy()
    return found
