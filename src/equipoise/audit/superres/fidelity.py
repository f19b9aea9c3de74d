"""Fidelity of restored images: PSNR, SSIM, consistency with the low-resolution image, diversity.

Every measure is one float64 number per image.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from equipoise.audit.superres.models.bicubic import reduced

Images = NDArray[np.uint8]
Values = NDArray[np.float64]

BEST_PSNR = float(10 * np.log10(255**2 * 12))
"""PSNR of an image that differs by rounding alone, with mean square 1/12. It bounds the measure, so
that equal images have a finite value."""

# Window, standard deviation and stabilising constants of Wang et al. 2004.
_WINDOW, _WIDTH = 11, 1.5
_STABLE = ((0.01 * 255) ** 2, (0.03 * 255) ** 2)


def root_mean_square(images: Images, others: Images) -> Values:
    """Return the root of the mean squared difference of pixels, shape (n,), in [0, 255].

    Examples
    --------
    >>> root_mean_square(np.zeros((1, 3, 2, 2), np.uint8), np.full((1, 3, 2, 2), 5, np.uint8))
    array([5.])
    """
    apart = images.astype(np.float64) - others
    return np.asarray(np.sqrt(np.square(apart).mean(axis=(1, 2, 3))))


def psnr(images: Images, others: Images) -> Values:
    """Return the peak signal-to-noise ratio in decibels, shape (n,); higher is closer.

    10 log10(255^2 / mean squared difference of pixels), at most `BEST_PSNR`.
    """
    with np.errstate(divide="ignore"):
        found = 20 * np.log10(255 / root_mean_square(images, others))
    return np.asarray(np.minimum(found, BEST_PSNR))


def ssim(images: Images, others: Images) -> Values:
    """Return the mean structural similarity, shape (n,), in [-1, 1]; 1 is equal.

    Wang, Bovik, Sheikh and Simoncelli 2004, "Image quality assessment", equation 13, with their
    Gaussian window of 11 x 11 and standard deviation 1.5, K1 = 0.01, K2 = 0.03. It is the mean over
    windows that lie within the image, and over the three colours. NaN below 11 pixels.
    """
    if min(images.shape[2:]) < _WINDOW:
        return np.full(len(images), np.nan)
    one, other = (torch.from_numpy(rows).double() for rows in (images, others))
    mean, other_mean = _local_mean(one), _local_mean(other)
    variance = _local_mean(one.square()) - mean.square()
    other_variance = _local_mean(other.square()) - other_mean.square()
    covariance = _local_mean(one * other) - mean * other_mean
    low, high = _STABLE
    likeness = (2 * mean * other_mean + low) * (2 * covariance + high)
    most = (mean.square() + other_mean.square() + low) * (variance + other_variance + high)
    found: Values = (likeness / most).mean(dim=(1, 2, 3)).numpy()
    return found


def _local_mean(pixels: torch.Tensor) -> torch.Tensor:
    """Return the Gaussian mean of every window within the image."""
    offset = torch.arange(_WINDOW, dtype=torch.float64) - _WINDOW // 2
    weights = torch.exp(-offset.square() / (2 * _WIDTH**2))
    weights = (weights / weights.sum()).expand(3, 1, 1, -1)
    across = torch.nn.functional.conv2d(pixels, weights, groups=3)
    return torch.nn.functional.conv2d(across, weights.transpose(2, 3), groups=3)


def inconsistency(restored: Images, low: Images, factor: int) -> Values:
    """Return the distance of restored images, reduced again, from the low-resolution images.

    The root mean square over pixels, shape (n,), in [0, 255]. A model can reach about 0, because it
    has the low-resolution image.
    """
    return root_mean_square(reduced(restored, factor), low)


def diversity(tries: NDArray[np.uint8]) -> Values:
    """Return the mean distance between two restorations of an image, shape (n,), in [0, 255].

    Parameters
    ----------
    tries : numpy.ndarray, shape (n, R, 3, height, width), uint8
        R restorations per image; the result is NaN where R is 1.
    """
    one, other = np.triu_indices(tries.shape[1], 1)
    if not len(one):
        return np.full(len(tries), np.nan)
    return np.asarray(np.array([root_mean_square(t[one], t[other]).mean() for t in tries]))
