"""A generator of simple faces whose attributes are known exactly from the code.

Each attribute has an axis in latent space. Its value is the standard normal score along that axis,
mapped by the normal distribution function to a whole number in [0, 255]. Whole thresholds divide
the values into levels. The image shows the value (skin, mouth, glasses, hat), and its bottom edge
contains it as a grey patch. So `ToyClassifier` predicts exactly what `ToyGenerator.levels` returns.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import multivariate_normal

from equipoise.core.attributes import Attribute, AttributeGrid
from equipoise.core.errors import InputError
from equipoise.core.seeds import Stream, generator_for
from equipoise.generators.base import StandardNormal, check_codes

DEFAULT_SHARES: dict[str, dict[str, float]] = {
    "skin_tone": {"dark": 0.70, "medium": 0.20, "light": 0.10},
    "smiling": {"no": 0.80, "yes": 0.20},
    "glasses": {"no": 0.75, "yes": 0.25},
}
"""Shares of the levels under the prior. Chosen by hand: unbalanced, the rarest cell has 1.7 %."""

PATCH = (4, 8)
"""Height and width in pixels of the grey patch of one attribute."""

_SIZE = 32
"""Height and width of images in pixels."""

_MOST_ATTRIBUTES = _SIZE // PATCH[1]


class ToyFaces:
    """What the toys' faces show: attributes, levels by thresholds of a value, and their drawing.

    Parameters
    ----------
    shares : mapping of str to mapping of str to float
        As for `ToyGenerator`.

    Raises
    ------
    InputError
        When there are no or more than 4 attributes, or shares break their rule.
    """

    space = "z"
    device = "cpu"
    pinned = ()
    image_shape = (3, _SIZE, _SIZE)
    digest: str

    def __init__(self, shares: Mapping[str, Mapping[str, float]]) -> None:
        if not 1 <= len(shares) <= _MOST_ATTRIBUTES:
            raise InputError("shares", "must hold 1 to 4 attributes", len(shares), "Remove some.")
        self.grid = AttributeGrid(
            tuple(Attribute(a, tuple(levels), len(levels) > 2) for a, levels in shares.items())
        )
        self.thresholds = tuple(_thresholds(a, levels) for a, levels in shares.items())

    def levels_of(self, values: NDArray[np.uint8]) -> NDArray[np.int8]:
        """Return the level of each value, shape (n, A), int8."""
        columns = [
            np.searchsorted(cuts, values[:, a], side="right")
            for a, cuts in enumerate(self.thresholds)
        ]
        return np.stack(columns, axis=1).astype(np.int8)

    def faces(self, values: NDArray[np.uint8], nuisance: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return images, shape (n, 3, 32, 32), uint8 RGB.

        Parameters
        ----------
        values : numpy.ndarray, shape (n, A), uint8
        nuisance : numpy.ndarray, shape (n, 5), float32
            Position and background.
        """
        shown = np.zeros((len(values), _MOST_ATTRIBUTES), np.float32)
        shown[:, : values.shape[1]] = values / np.float32(255)
        images = _draw(shown, nuisance)
        height, width = PATCH
        for a in range(values.shape[1]):
            images[:, :, -height:, a * width : (a + 1) * width] = values[:, a, None, None, None]
        return images


class ToyGenerator(ToyFaces):
    """Faces of 32x32 pixels with known attributes.

    Parameters
    ----------
    shares : mapping of str to mapping of str to float
        For each attribute (at most 4) the shares of its levels, in order, summing to 1. They are
        rounded to multiples of 1/255; `cell_shares` holds the exact joint shares.
    entanglement : float
        Cosine between the axes of any two attributes, in [0, 1).
    curvature : float
        Radians by which an attribute's axis rotates per unit of a nuisance value; with 0 the
        attributes are linear in the code. Marginal shares do not depend on it.
    dim : int
        Values in a code, at least 2 * attributes + 6.
    batch_size : int
        Codes per call.

    Raises
    ------
    InputError
        When a value breaks its rule.

    Examples
    --------
    >>> toy = ToyGenerator()
    >>> codes = toy.prior.codes(seed=0, start=0, stop=5)
    >>> toy.images(codes).shape, toy.levels(codes).shape
    ((5, 3, 32, 32), (5, 3))
    """

    name = "toy"

    def __init__(
        self,
        shares: Mapping[str, Mapping[str, float]] | None = None,
        *,
        entanglement: float = 0.3,
        curvature: float = 0.0,
        dim: int = 16,
        batch_size: int = 256,
    ) -> None:
        shares = DEFAULT_SHARES if shares is None else shares
        super().__init__(shares)
        count = len(shares)
        if not 0 <= entanglement < 1:
            raise InputError("entanglement", "must be in [0, 1)", entanglement, "Try 0.3.")
        if dim < 2 * count + 6:
            raise InputError("dim", f"must be at least {2 * count + 6}", dim, "Raise it.")
        self.entanglement = entanglement
        self.curvature = curvature
        self.dim = dim
        self.batch_size = batch_size
        self.prior = StandardNormal(dim)
        settings = [{a: dict(levels) for a, levels in shares.items()}, entanglement, curvature, dim]
        self.digest = hashlib.sha256(json.dumps(settings).encode()).hexdigest()
        basis = np.linalg.qr(generator_for(0, Stream.TOY_AXES).standard_normal((dim, dim)))[0].T
        self._basis = basis
        self._correlation = np.full((count, count), entanglement) + np.eye(count) * (
            1 - entanglement
        )
        self.axes: NDArray[np.float64] = np.linalg.cholesky(self._correlation) @ basis[:count]
        self._rotated, self._rotation = basis[count : 2 * count], basis[2 * count]
        self._nuisance = basis[2 * count + 1 :]

    def values(self, codes: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return each attribute's value in [0, 255], shape (n, A), uint8."""
        rows = check_codes(codes, self.dim).astype(np.float64)
        angle = self.curvature * _project(rows, self._rotation[None])
        scores = np.cos(angle) * _project(rows, self.axes)
        scores += np.sin(angle) * _project(rows, self._rotated)
        return np.asarray(np.rint(255 * ndtr(scores)).astype(np.uint8))

    def levels(self, codes: NDArray[np.float32]) -> NDArray[np.int8]:
        """Return the true level of each attribute, shape (n, A), int8."""
        return self.levels_of(self.values(codes))

    @cached_property
    def cell_shares(self) -> NDArray[np.float64]:
        """True shares of the K cells under the prior, shape (K,), accurate to about 1e-5."""
        cuts = [
            np.concatenate([[-np.inf], ndtri((k - 0.5) / 255), [np.inf]]) for k in self.thresholds
        ]
        nodes, weights = np.polynomial.hermite_e.hermegauss(41 if self.curvature else 1)
        shares = np.zeros(self.grid.size)
        for node, weight in zip(nodes, weights / weights.sum(), strict=True):
            # Given the angle, scores are jointly normal: axes correlate, rotated axes do not.
            cosine = np.cos(self.curvature * node) ** 2
            joint = cosine * self._correlation + (1 - cosine) * np.eye(len(cuts))
            normal = multivariate_normal(cov=joint, seed=0)
            for k, levels in enumerate(self.grid.levels):
                low = np.array([c[level] for c, level in zip(cuts, levels, strict=True)])
                high = np.array([c[level + 1] for c, level in zip(cuts, levels, strict=True)])
                shares[k] += weight * normal.cdf(high, lower_limit=low)
        return np.asarray(shares / shares.sum())

    def stem(self, codes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the codes in the toy's own basis, shape (n, dim), float32."""
        return np.asarray((check_codes(codes, self.dim) @ self._basis.T).astype(np.float32))

    def images(self, codes: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return images, shape (n, 3, 32, 32), uint8 RGB."""
        rows = check_codes(codes, self.dim)
        return self.faces(self.values(rows), rows @ self._nuisance[:5].T.astype(np.float32))


def _project(rows: NDArray[np.float64], axes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return rows @ axes.T, summed row by row, because matrix products round by batch size."""
    return np.asarray(np.einsum("nd,ad->na", rows, axes))


def _thresholds(attribute: str, levels: Mapping[str, float]) -> NDArray[np.int64]:
    """Return the lowest value of each level but the first."""
    shares = np.array(list(levels.values()), dtype=np.float64)
    cuts = np.rint(255 * shares.cumsum()[:-1] + 0.5).astype(np.int64)
    if abs(shares.sum() - 1) > 1e-9 or (np.diff([0, *cuts, 256]) < 1).any():
        raise InputError(
            f"shares of attribute {attribute!r}",
            "must sum to 1 with each at least 1/255",
            dict(levels),
            "Correct them.",
        )
    return cuts


_Y, _X = np.mgrid[0:_SIZE, 0:_SIZE].astype(np.float32)
_Floats = NDArray[np.float32]


def _soft(inside: _Floats) -> _Floats:
    """Return an antialiased mask in [0, 1] of a shape, from the signed distance to its edge."""
    return np.asarray(np.clip(inside + np.float32(0.5), 0, 1), dtype=np.float32)


def _per_image(column: _Floats) -> _Floats:
    """Return one number per image, shape (n,), as shape (n, 1, 1), to broadcast with pixels."""
    return np.asarray(column[:, None, None], dtype=np.float32)


def _paint(canvas: _Floats, mask: _Floats, colour: Sequence[float] | _Floats) -> None:
    """Blend one colour, or one per image, shape (n, 3), into the canvas under a mask."""
    rgb = np.broadcast_to(np.asarray(colour, np.float32), (len(canvas), 3))
    canvas += mask[:, None] * (rgb[:, :, None, None] - canvas)


def _draw(shown: _Floats, nuisance: _Floats) -> NDArray[np.uint8]:
    """Draw faces: skin, mouth, glasses and hat by `shown` (n, 4) in [0, 1], the rest at random."""
    sway = np.asarray(np.tanh(nuisance[:, :2]), dtype=np.float32)
    x = _X - np.float32(15.5) - 2 * _per_image(sway[:, 0])
    y = _Y - np.float32(13.5) - _per_image(sway[:, 1])
    canvas = np.empty((len(shown), 3, _SIZE, _SIZE), np.float32)
    canvas[:] = (110 + 50 * np.tanh(nuisance[:, 2:5]))[:, :, None, None]
    darkest, span = np.array([85, 50, 30], np.float32), np.array([150, 155, 145], np.float32)
    _paint(canvas, _soft(11 - np.hypot(x * np.float32(1.15), y)), darkest + shown[:, :1] * span)
    from_eye = np.hypot(np.abs(x) - 4, y + 2)
    _paint(canvas, _soft(np.float32(1.6) - from_eye), (25, 25, 25))
    curve = y - 6 + _per_image(shown[:, 1] - np.float32(0.5)) * (np.square(x) / 6 - 2)
    _paint(canvas, _soft(1 - np.abs(curve)) * _soft(6 - np.abs(x)), (170, 30, 50))
    rims = _soft(np.float32(0.8) - np.abs(from_eye - 3))
    _paint(canvas, rims * _per_image(shown[:, 2]), (15, 15, 15))
    hat = _soft(-8 - y) * _soft(9 - np.abs(x))
    _paint(canvas, hat * _per_image(shown[:, 3]), (200, 40, 60))
    return np.asarray(np.rint(np.clip(canvas, 0, 255)).astype(np.uint8))
