"""Priors other than the standard normal: of networks in files, and of StyleGANs.

Networks in files may have codes that are uniform in a cube or on a sphere. A StyleGAN may have
normal codes with a class each, and codes of w that its mapping network makes of those.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from equipoise.core.errors import InputError
from equipoise.core.parallel import one_thread
from equipoise.core.seeds import Stream, blocks, generator_for, normal_rows
from equipoise.generators.base import Prior, StandardNormal, check_codes

PRIORS = ("normal", "uniform", "spherical")
"""Names of priors that a network's options may give."""


@dataclass(frozen=True)
class Uniform:
    """Independent values, uniform in [-1, 1].

    Examples
    --------
    >>> bool(np.abs(Uniform(3).codes(seed=0, start=0, stop=100)).max() <= 1)
    True
    """

    dim: int

    def codes(self, seed: int, start: int, stop: int) -> NDArray[np.float32]:
        """Return codes [start, stop) of the seed, shape (stop - start, dim), float32.

        They are 2 Phi(x) - 1, where x are the standard normal values of the same seed.
        """
        return np.asarray(2 * ndtr(normal_rows(seed, start, stop, self.dim)) - 1, np.float32)

    def log_density(self, codes: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the natural logarithm of the density at each code, shape (n,); -inf outside."""
        inside = (np.abs(codes) <= 1).all(axis=1)
        return np.where(inside, -self.dim * np.log(2), -np.inf)


@dataclass(frozen=True)
class Spherical:
    """Codes uniform on the sphere of radius sqrt(dim).

    The "pixel norm" of progressive GANs projects codes onto it (Karras et al. 2018, arXiv
    1710.10196, section 4.2).
    """

    dim: int

    def codes(self, seed: int, start: int, stop: int) -> NDArray[np.float32]:
        """Return codes [start, stop) of the seed, shape (stop - start, dim), float32."""
        rows = normal_rows(seed, start, stop, self.dim)
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.asarray(rows * (np.sqrt(self.dim) / norms), np.float32)

    def log_density(self, codes: NDArray[np.float32]) -> None:
        """Return None: a distribution on a sphere has no density."""


def prior_of(name: str, dim: int) -> Prior:
    """Return the prior of a name in `PRIORS`, for codes of `dim` values."""
    kinds: dict[str, type[StandardNormal] | type[Uniform] | type[Spherical]] = {
        "normal": StandardNormal,
        "uniform": Uniform,
        "spherical": Spherical,
    }
    return kinds[name](dim)


_CHUNK = 128
"""Codes that are mapped in one call. It is fixed, because results round by the number of rows."""

_CACHED = 64
"""Chunks in the cache: with codes of 512 values, 16 MiB. Chosen by hand."""


@dataclass(frozen=True)
class ClassNormal:
    """Standard normal values followed by a class as a one-hot block.

    Attributes
    ----------
    normal_dim : int
        Normal values in a code.
    shares : tuple of float
        Probability of each class; they sum to 1.

    Examples
    --------
    >>> ClassNormal(2, (0.0, 1.0)).codes(seed=0, start=5, stop=6)[:, 2:].tolist()
    [[0.0, 1.0]]
    """

    normal_dim: int
    shares: tuple[float, ...]

    def codes(self, seed: int, start: int, stop: int) -> NDArray[np.float32]:
        """Return codes [start, stop) of the seed, shape (stop - start, dim), float32."""
        normal = StandardNormal(self.normal_dim).codes(seed, start, stop)
        drawn = _numbers(self.shares, seed, start, stop)
        one_hot = np.eye(len(self.shares), dtype=np.float32)[drawn]
        return np.concatenate([normal, one_hot], axis=1)

    def log_density(self, codes: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the log density of the normal values plus the log share of the class, (n,)."""
        with np.errstate(divide="ignore"):
            shares = np.log(self.shares)
        normal, one_hot = np.split(codes, [self.normal_dim], axis=1)
        density = StandardNormal(self.normal_dim).log_density(normal)
        return np.asarray(density + shares[one_hot.argmax(axis=1)], np.float64)


def _numbers(shares: tuple[float, ...], seed: int, start: int, stop: int) -> NDArray[np.int64]:
    """Return the numbers [start, stop) of the seed, drawn with these shares, (stop - start,)."""
    uniforms = [
        generator_for(seed, Stream.PRIOR_CLASS, block).random(rows.stop)[rows]
        for block, rows in blocks(start, stop)
    ]
    last = np.flatnonzero(shares)[-1]  # The sum may round to just under 1.
    drawn = np.concatenate([*uniforms, np.empty(0)])
    found = np.searchsorted(np.cumsum(shares), drawn, side="right")
    return np.asarray(np.minimum(found, last), np.int64)


@dataclass(frozen=True)
class ContextNormal:
    """Standard normal values, the number of a context, and that of a variant of it, which is 0.

    Attributes
    ----------
    normal_dim : int
        Normal values in a code.
    shares : tuple of float
        Probability of each context; they sum to 1.

    Examples
    --------
    >>> ContextNormal(2, (1.0,)).codes(seed=0, start=5, stop=6)[:, 2:].tolist()
    [[0.0, 0.0]]
    """

    normal_dim: int
    shares: tuple[float, ...]

    def codes(self, seed: int, start: int, stop: int) -> NDArray[np.float32]:
        """Return codes [start, stop) of the seed, shape (stop - start, normal_dim + 2), float32."""
        normal = StandardNormal(self.normal_dim).codes(seed, start, stop)
        context = _numbers(self.shares, seed, start, stop).astype(np.float32)
        return np.column_stack([normal, context, np.zeros_like(context)])

    def codes_of(
        self, seed: int, start: int, stop: int, context: int, variant: int = 0
    ) -> NDArray[np.float32]:
        """Return codes of one context and variant, with the seed's noise; shapes as `codes`."""
        codes = self.codes(seed, start, stop)
        codes[:, self.normal_dim :] = context, variant
        return codes

    def placed(
        self, codes: NDArray[np.float32], variants: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the context and the variant of each code, shapes (n,).

        Raises
        ------
        InputError
            When a code has another shape, is not finite, or names no context or variant.
        """
        rows = check_codes(codes, self.normal_dim + 2)
        found = []
        for name, column, count in (
            ("context", rows[:, -2], len(self.shares)),
            ("variant", rows[:, -1], variants),
        ):
            bad = (column != np.rint(column)) | (column < 0) | (column >= count)
            if bad.any():
                rule = f"must be a whole number in [0, {count})"
                got = float(column[bad][0])
                raise InputError(f"{name} of a code", rule, got, "Draw codes by codes_of.")
            found.append(column.astype(np.int64))
        return found[0], found[1]

    def log_density(self, codes: NDArray[np.float32]) -> None:
        """Return None: numbers of contexts and variants have no density."""


class Mapped:
    """Codes of another prior after a mapping, whose density is not known.

    Parameters
    ----------
    source : StandardNormal or ClassNormal
    mapping : callable
        From codes, shape (128, source dim), to codes, shape (128, dim), float32. It must compute on
        the CPU, so that codes do not depend on the generator's device.
    """

    def __init__(
        self,
        source: StandardNormal | ClassNormal,
        mapping: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    ) -> None:
        self._source, self._mapping = source, mapping
        self._chunk = lru_cache(maxsize=_CACHED)(self._compute_chunk)

    def codes(self, seed: int, start: int, stop: int) -> NDArray[np.float32]:
        """Return codes [start, stop) of the seed, shape (stop - start, dim), float32."""
        first = start // _CHUNK
        whole = [
            self._chunk(seed, number) for number in range(first, max(-(-stop // _CHUNK), first + 1))
        ]
        rows: NDArray[np.float32] = np.concatenate(whole)
        return rows[start - first * _CHUNK : stop - first * _CHUNK]

    def _compute_chunk(self, seed: int, number: int) -> NDArray[np.float32]:
        # One thread, because matrix products also round by the number of threads.
        with one_thread():
            rows = self._mapping(self._source.codes(seed, number * _CHUNK, (number + 1) * _CHUNK))
        rows.setflags(write=False)
        return rows

    def log_density(self, codes: NDArray[np.float32]) -> None:
        """Return None: the density of mapped codes has no closed form."""
