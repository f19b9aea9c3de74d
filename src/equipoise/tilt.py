"""Stage 5, ours: draws from the prior, tilted towards a cell by the latent classifier.

To draw cell k, codes come from the prior and are accepted with probability
min(1, (h_k(code) / c_k) ** beta), with h_k = P(k | code) by the latent classifier and beta the
sharpness. Every code is one of the prior's, so images keep the generator's quality by
construction. The ceiling c_k is a quantile of h over the cell's own codes: above it all are
accepted alike, which keeps the cell's ordinary members beside its clearest (docs/decisions/0004).
beta trades purity against closeness to the cell's own distribution.

Most candidates for a rare cell are hopeless; `equipoise.screen` drops them before the stem runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.calibrate import solve_weights
from equipoise.distances import frechet_distance, moments
from equipoise.errors import FileFormatError, InputError, TooFewSamples
from equipoise.generators.base import Generator
from equipoise.groups import UNKNOWN, Groups
from equipoise.labels import Labels
from equipoise.latent import LatentClassifier, latent_from_tensors
from equipoise.latent_fit import LatentFit
from equipoise.screen import Screen, fit_screen
from equipoise.seeds import Stream, generator_for
from equipoise.targets import Target
from equipoise.workers import batches, one_thread

CEILING = 0.7
"""Quantile of h over the cell's own codes from which on every code is accepted, c_k."""

BETAS = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0)
"""Sharpnesses that are tried when none is set."""

_SLACK = 1.25
_PILOT = 131_072
_PRINCIPAL = 16
_CHUNK = 256
_LARGEST_ROUND = 8192
_MOST_CANDIDATES = 50_000_000


@dataclass(frozen=True, eq=False)
class TiltSource:
    """Codes for requested cells, accepted from the prior. A `Source` of `equipoise.sampler`.

    Attributes
    ----------
    classifier : LatentClassifier
    beta : float
        Sharpness, above 0.
    ceilings : numpy.ndarray, shape (K,), float64
        c_k; infinite for a cell that cannot be requested.
    screen : Screen
        Drops hopeless candidates.
    acceptance : numpy.ndarray, shape (K,), float64
        Share of the prior's codes that each cell accepts.
    generator : Generator or None
        Gives the prior and the stem; None in a source that was just loaded.
    """

    classifier: LatentClassifier
    beta: float
    ceilings: NDArray[np.float64]
    screen: Screen
    acceptance: NDArray[np.float64]
    generator: Generator | None = None

    kind = "tilt"

    @property
    def cells(self) -> NDArray[np.bool_]:
        """Which cells can be requested, shape (K,)."""
        return np.isfinite(self.ceilings)

    def bound(self, generator: Generator) -> TiltSource:
        """Return the source with the generator that it draws from."""
        return replace(self, generator=generator)

    def block(
        self, seed: int, key: Sequence[int], requested: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Return one code for each requested cell; depends on (seed, key, requested) alone.

        Raises
        ------
        InputError
            When the source was loaded and not yet bound to its generator.
        TooFewSamples
            When a cell accepts too few candidates.
        """
        if self.generator is None:
            raise InputError(
                "generator",
                "must be given to draw from a tilt",
                None,
                "Load it as load_sampler(path, generator).",
            )
        codes = np.empty((len(requested), self.generator.dim), np.float32)
        # One compute thread, whose rounding is the same whoever calls.
        with one_thread():
            for k in np.unique(requested).tolist():
                rows = np.flatnonzero(requested == k)
                codes[rows] = self._accepted(self.generator, k, len(rows), seed, (*key, k))
        return codes

    def _accepted(
        self, generator: Generator, cell: int, count: int, seed: int, key: Sequence[int]
    ) -> NDArray[np.float32]:
        """Return the first `count` codes that the cell accepts from the candidates of this key."""
        rng = generator_for(seed, Stream.SOURCE, *key)
        source = int(rng.integers(2**62))
        wanted = int(count / max(self.acceptance[cell], 1e-9) * 1.1) + 64
        size = min(_LARGEST_ROUND, -(-wanted // _CHUNK) * _CHUNK)
        found: list[NDArray[np.float32]] = []
        have = start = 0
        while have < count:
            if start >= _MOST_CANDIDATES:
                raise TooFewSamples(
                    f"cell {self.classifier.groups.cells[cell]!r}",
                    f"must accept {count} of {_MOST_CANDIDATES:,} candidates",
                    have,
                    "Label more codes, or lower --beta.",
                )
            candidates = generator.prior.codes(source, start, start + size)
            start += size
            chances = rng.random(size)
            passed = np.flatnonzero(self.screen.passes(candidates, cell))
            for low in range(0, len(passed), _CHUNK):
                rows = passed[low : low + _CHUNK]
                h = self.classifier.log_probabilities(generator.stem(candidates[rows]))[:, cell]
                chosen = rows[chances[rows] < acceptance(h, self.ceilings[cell], self.beta)]
                found.append(candidates[chosen])
                have += len(chosen)
                if have >= count:
                    break
        return np.concatenate(found)[:count]

    def tensors(self) -> Mapping[str, NDArray[Any]]:
        """Return the arrays to store, by name."""
        own: dict[str, NDArray[Any]] = {
            "ceilings": self.ceilings,
            "acceptance": self.acceptance,
            **{f"screen.{name}": value for name, value in vars(self.screen).items()},
        }
        return {**own, **self.classifier.tensors()}

    def parameters(self) -> dict[str, object]:
        """Return the numbers to store beside the arrays, JSON values."""
        return {
            "beta": self.beta,
            "temperature": self.classifier.temperature,
            "stem_shape": list(self.classifier.stem_shape),
        }

    @classmethod
    def from_stored(
        cls,
        tensors: Mapping[str, NDArray[np.float32]],
        parameters: Mapping[str, object],
        groups: Groups,
        dim: int,
        where: str,
    ) -> TiltSource:
        """Rebuild from stored arrays and numbers, without a generator.

        Raises
        ------
        FileFormatError
            When an array is missing, of a wrong shape, or not finite.
        """
        cells = groups.size
        hidden = len(tensors["screen.bias1"]) if "screen.bias1" in tensors else 0
        shapes = {
            "ceilings": (cells,),
            "acceptance": (cells,),
            "screen.weight1": (dim, hidden),
            "screen.bias1": (hidden,),
            "screen.weight2": (hidden, cells),
            "screen.bias2": (cells,),
            "screen.least": (cells,),
        }
        for name, shape in shapes.items():
            found = tensors.get(name)
            if found is None or found.shape != shape or np.isnan(found).any():
                raise FileFormatError(
                    where,
                    f"must hold the array {name!r} of shape {shape}, without NaN",
                    "none" if found is None else found.shape,
                    "Make the sampler again.",
                )
        beta = float(str(parameters["beta"]))
        if not (np.isfinite(beta) and beta > 0) or not (tensors["ceilings"] > 0).all():
            raise FileFormatError(
                where, "must have beta and ceilings above 0", beta, "Make the sampler again."
            )
        screen = Screen(
            **{
                name.removeprefix("screen."): tensors[name]
                for name in shapes
                if name.startswith("screen.")
            }
        )
        return cls(
            latent_from_tensors(tensors, parameters, groups, where),
            beta,
            np.asarray(tensors["ceilings"], np.float64),
            screen,
            np.asarray(tensors["acceptance"], np.float64),
        )


def acceptance(
    log_h: NDArray[np.floating], ceiling: float | NDArray[np.float64], beta: float
) -> NDArray[np.float64]:
    """Return min(1, (h / ceiling) ** beta) from log h, any shape."""
    return np.exp(beta * np.minimum(log_h.astype(np.float64) - np.log(ceiling), 0.0))


@dataclass(frozen=True)
class FrontierPoint:
    """What one sharpness brings, estimated on held-out labelled codes before any draw.

    Attributes
    ----------
    beta : float
    purity : tuple of float
        Per cell; NaN where the target is 0.
    calls : float
        Generator calls per verified image.
    distance : float
        Squared Frechet distance, on stem features, between calibrated tilted draws and the
        labelled codes weighted to the target; lower is closer.
    """

    beta: float
    purity: tuple[float, ...]
    calls: float
    distance: float


@dataclass(frozen=True, eq=False)
class TiltFit:
    """A tilt with how its sharpness was chosen."""

    source: TiltSource
    frontier: tuple[FrontierPoint, ...]


def fit_tilt(
    generator: Generator,
    fit: LatentFit,
    codes: NDArray[np.float32],
    labels: Labels,
    target: Target,
    *,
    beta: float | None = None,
    seed: int = 0,
) -> TiltFit:
    """Choose the sharpness, and prepare ceilings and screens from fresh codes of the prior.

    Parameters
    ----------
    generator : Generator
    fit : LatentFit
        The latent classifier and its held-out word on the labelled codes.
    codes : numpy.ndarray, shape (n, dim), float32
        The labelled codes.
    labels : Labels
    target : Target
        Cells of target 0 cannot be requested.
    beta : float, optional
        Sharpness, above 0. By default the sharpest of `BETAS` whose distance on the frontier is
        at most `_SLACK` times the least one.
    seed : int
        Of the fresh codes.

    Raises
    ------
    InputError
        When beta is not above 0.
    """
    if beta is not None and not (np.isfinite(beta) and beta > 0):
        raise InputError("beta", "must be above 0", beta, "Leave it out.")
    frontier = trace_frontier(generator, fit, codes, labels, target)
    if beta is None:
        least = min(point.distance for point in frontier)
        beta = max(p.beta for p in frontier if p.distance <= _SLACK * least)
    pilot = generator.prior.codes(
        int(generator_for(seed, Stream.FIT, 3).integers(2**62)), 0, _PILOT
    )
    log_h = np.concatenate(
        [
            fit.classifier.log_probabilities(generator.stem(pilot[low:high]))
            for low, high in batches(0, _PILOT, _CHUNK)
        ]
    )
    wanted = target.shares > 0
    known = labels.cells != UNKNOWN
    one_hot = np.eye(target.groups.size)[labels.cells[known]]
    ceilings = np.where(wanted, _ceilings(fit.held_out[known], one_hot), np.inf)
    accepted = np.where(wanted, acceptance(log_h, np.where(wanted, ceilings, 1), beta), 0)
    screen = fit_screen(pilot, log_h, accepted, seed)
    source = TiltSource(fit.classifier, beta, ceilings, screen, accepted.mean(axis=0), generator)
    return TiltFit(source, frontier)


def trace_frontier(
    generator: Generator,
    fit: LatentFit,
    codes: NDArray[np.float32],
    labels: Labels,
    target: Target,
) -> tuple[FrontierPoint, ...]:
    """Estimate purity, calls and closeness at each sharpness of `BETAS` on labelled codes.

    Each labelled code stands for the prior; weighting it by what the tilt would accept, or by the
    target over its cell's share, gives tilted draws and the ideal without a single new image.
    """
    known = labels.cells != UNKNOWN
    cells, log_h = labels.cells[known], fit.held_out[known]
    wanted = np.flatnonzero(target.shares > 0)
    one_hot = np.eye(target.groups.size)[cells]
    ideal = (one_hot / one_hot.sum(axis=0).clip(1))[:, wanted] @ target.shares[wanted]
    features = _principal(generator, codes[known])
    reference = moments(features, ideal)
    ceilings = _ceilings(log_h, one_hot)
    points = []
    for beta in BETAS:
        accepted = acceptance(log_h[:, wanted], ceilings[wanted], beta)
        accepted /= accepted.sum(axis=0)
        confusion = accepted.T @ one_hot
        weights = solve_weights(confusion, target.shares)
        purity = np.full(target.groups.size, np.nan)
        purity[wanted] = confusion[np.arange(len(wanted)), wanted]
        calls = float((target.shares[wanted] / purity[wanted]).sum())
        distance = frechet_distance(moments(features, accepted @ weights), reference)
        points.append(FrontierPoint(beta, tuple(purity.tolist()), calls, distance))
    return tuple(points)


def _principal(generator: Generator, codes: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return stem features, pooled over space, on their first principal axes, whitened."""
    parts = []
    for low, high in batches(0, len(codes), 1024):
        features = generator.stem(codes[low:high])
        parts.append(features.mean(axis=tuple(range(2, features.ndim)), dtype=np.float64))
    pooled = np.concatenate(parts)
    mean, covariance = moments(pooled)
    values, axes = np.linalg.eigh(covariance)
    kept = slice(-_PRINCIPAL, None)
    return np.asarray((pooled - mean) @ axes[:, kept] / np.sqrt(values[kept]))


def _ceilings(log_h: NDArray[np.float32], one_hot: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the `CEILING` quantile of each cell's held-out h over the labelled codes of the cell.

    Infinite for a cell without labelled codes.
    """
    own = [log_h[one_hot[:, k] > 0, k] for k in range(log_h.shape[1])]
    return np.array([np.exp(np.quantile(h, CEILING)) if len(h) else np.inf for h in own])
