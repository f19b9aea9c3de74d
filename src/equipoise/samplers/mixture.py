"""Stage 4: a Gaussian mixture for each cell, which can be sampled for ever.

The last step of Tan, Shen and Zhou 2020 (arXiv 2012.04842, section 3). The fit is scikit-learn's;
the sampling is our own, since rows of `GaussianMixture.sample` come grouped by component and
repeat for a fixed `random_state`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.special import logsumexp
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

from equipoise.core.attributes import AttributeGrid
from equipoise.core.errors import FileFormatError, InputError, InsufficientLabelsError
from equipoise.core.seeds import Stream, generator_for
from equipoise.generators.base import Generator
from equipoise.samplers.sampler import Block

COMPONENTS_TRIED = (1, 2, 4)
"""Numbers of components that "bic" chooses among."""

REGULARISATION = 1e-4
"""Variance added along every axis, in squared units of code space: the shift puts all codes of a
cell on the same coordinate of each normal, which leaves no variance there to invert."""


@dataclass(frozen=True, eq=False)
class Mixture:
    """A Gaussian mixture over codes.

    Attributes
    ----------
    weights : numpy.ndarray, shape (C,), float64
        Sum to 1.
    means : numpy.ndarray, shape (C, dim), float64
    covariances : numpy.ndarray, shape (C, dim, dim), float64
        Positive definite.
    """

    weights: NDArray[np.float64]
    means: NDArray[np.float64]
    covariances: NDArray[np.float64]

    @cached_property
    def _factors(self) -> NDArray[np.float64]:
        return np.asarray(np.linalg.cholesky(self.covariances), dtype=np.float64)

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """Draw n independent codes, shape (n, dim), float32; components come in random order."""
        component = rng.choice(len(self.weights), size=n, p=self.weights)
        noise = rng.standard_normal((n, self.means.shape[1]))
        codes = np.empty_like(noise)
        for c, factor in enumerate(self._factors):
            rows = component == c
            codes[rows] = self.means[c] + noise[rows] @ factor.T
        return codes.astype(np.float32)

    def log_density(self, codes: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the natural logarithm of the density at each code, shape (n,)."""
        parts = []
        for mean, factor in zip(self.means, self._factors, strict=True):
            white = solve_triangular(factor, (codes - mean).T, lower=True)
            constant = np.log(np.diag(factor)).sum() + 0.5 * len(mean) * np.log(2 * np.pi)
            parts.append(-0.5 * np.square(white).sum(axis=0) - constant)
        return np.asarray(logsumexp(parts, axis=0, b=self.weights[:, None]))


def fit_mixture(
    codes: NDArray[np.float32],
    components: int | str = "bic",
    *,
    regularisation: float = REGULARISATION,
    seed: int = 0,
) -> Mixture:
    """Fit a Gaussian mixture with full covariances to codes.

    Parameters
    ----------
    codes : numpy.ndarray, shape (n, dim), float32
    components : int or "bic"
        Number of components, or the first of `COMPONENTS_TRIED` after which the Bayesian
        information criterion (Schwarz 1978) rises.
    regularisation : float
        Variance added along every axis.
    seed : int
        Of the initialisation.

    Raises
    ------
    InputError
        When `components` is neither a positive whole number nor "bic".
    InsufficientLabelsError
        When there are fewer codes than components, or fewer than 2.
    """
    if components != "bic" and (not isinstance(components, int) or components < 1):
        raise InputError(
            "components", "must be a whole number of at least 1, or 'bic'", components, "Pass 1."
        )
    tried: tuple[int, ...] = COMPONENTS_TRIED if components == "bic" else (int(components),)
    tried = tuple(count for count in tried if count == min(tried) or count < len(codes))
    least = max(2, min(tried))
    if len(codes) < least:
        raise InsufficientLabelsError(
            "mixture", f"needs at least {least} codes", len(codes), "Give it more codes."
        )
    rows = codes.astype(np.float64)
    state = int(generator_for(seed, Stream.MIXTURE_FIT).integers(2**32))
    best, criterion = None, np.inf
    # Its matrices are so small that threads cost several times what they give.
    with threadpool_limits(1):
        for count in tried:
            fit = GaussianMixture(
                count, reg_covar=regularisation, random_state=state, init_params="k-means++"
            ).fit(rows)
            if (found := float(fit.bic(rows))) >= criterion:
                break  # More components only cost more from here on.
            best, criterion = fit, found
    assert best is not None
    return Mixture(best.weights_, best.means_, best.covariances_)


@dataclass(frozen=True, eq=False)
class MixtureSource:
    """Codes for requested cells from one mixture a cell; None for a cell that is never asked for.

    A `LatentSource` of `equipoise.samplers.sampler`.
    """

    mixtures: tuple[Mixture | None, ...]

    method = "mixture"

    def for_verified(self, faithful: str | float | None = None) -> MixtureSource:
        """Return the source itself: a mixture has one kind of draws.

        Raises
        ------
        InputError
            When some faithfulness is asked for.
        """
        if faithful is not None:
            raise InputError(
                "faithful", "must be left out for a mixture", faithful, "Use a sampler of tilt."
            )
        return self

    @property
    def cells(self) -> NDArray[np.bool_]:
        """Which cells can be requested, shape (K,)."""
        return np.array([mixture is not None for mixture in self.mixtures])

    def block(self, seed: int, key: Sequence[int], requested: NDArray[np.int64]) -> Block:
        """Return one code for each requested cell; depends on (seed, key, requested) alone."""
        dim = next(m.means.shape[1] for m in self.mixtures if m is not None)
        codes = np.empty((len(requested), dim), np.float32)
        for k in np.unique(requested):
            mixture = self.mixtures[k]
            assert mixture is not None, "the sampler checks requests"
            rows = np.flatnonzero(requested == k)
            codes[rows] = mixture.sample(
                len(rows), generator_for(seed, Stream.MIXTURE_CODES, *key, int(k))
            )
        return Block(codes, np.ones(len(codes)), np.zeros(len(codes), np.int64))

    def bound(self, generator: Generator) -> MixtureSource:
        """Return the source as it is: a mixture draws without its generator."""
        return self

    def parameters(self) -> dict[str, Any]:
        """Return the numbers to store beside the arrays: none."""
        return {}

    def tensors(self) -> dict[str, NDArray[np.float64]]:
        """Return the arrays to store, by name."""
        return {
            f"{k}.{name}": getattr(mixture, name)
            for k, mixture in enumerate(self.mixtures)
            if mixture is not None
            for name in ("weights", "means", "covariances")
        }

    @classmethod
    def from_stored(
        cls,
        tensors: Mapping[str, NDArray[np.float64]],
        parameters: Mapping[str, Any],
        grid: AttributeGrid,
        dim: int,
        where: str,
    ) -> MixtureSource:
        """Rebuild from stored arrays; it has no parameters.

        Raises
        ------
        FileFormatError
            When an array is missing, of a wrong shape, or no distribution.
        """
        mixtures: list[Mixture | None] = []
        for k in range(grid.size):
            parts = [tensors.get(f"{k}.{name}") for name in ("weights", "means", "covariances")]
            if all(part is None for part in parts):
                mixtures.append(None)
                continue
            shapes = [None if part is None else part.shape for part in parts]
            count = shapes[0][0] if shapes[0] else 0
            good = count and shapes == [(count,), (count, dim), (count, dim, dim)]
            try:
                mixture = Mixture(*parts) if good else None  # type: ignore[arg-type]
                good = (
                    mixture is not None
                    and bool((mixture.weights >= 0).all())
                    and abs(mixture.weights.sum() - 1) < 1e-9
                    and bool(np.isfinite(mixture.means).all())
                    and bool(np.abs(mixture.means).max() < 1e6)
                )
                if good:
                    good = bool(np.isfinite(mixture._factors).all())  # type: ignore[union-attr]
            except np.linalg.LinAlgError:
                good = False
            if not good:
                raise FileFormatError(
                    where,
                    f"must hold a mixture of dimension {dim} for cell {k}",
                    f"arrays of shapes {shapes}",
                    "Make the sampler again.",
                )
            mixtures.append(mixture)
        return cls(tuple(mixtures))
