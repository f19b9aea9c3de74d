"""Stage 5, ours: draws from the prior, tilted towards a cell by the latent classifier.

To draw cell k, codes come from the prior and are accepted with probability
min(1, (h_k(code) / c_k) ** beta) * m_k(code), with h_k = P(k | code) by the latent classifier, beta
the sharpness and m_k a factor that keeps the images' mean (`equipoise.samplers.mean_matching`).
Every code is one of the prior's, so images keep the generator's quality by construction. The
ceiling c_k is a quantile of h over the cell's own codes: above it all are accepted alike, which
keeps the cell's ordinary members beside its clearest (docs/decisions/0004). beta trades purity
against closeness to the cell's own distribution.

Most candidates for a rare cell are hopeless: `equipoise.samplers.proposals` does not make most of
them, and drops others before the stem runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.core.attributes import AttributeGrid
from equipoise.core.errors import FileFormatError, InputError, InsufficientLabelsError
from equipoise.core.files import stored_array
from equipoise.core.parallel import batches, one_thread
from equipoise.core.seeds import Stream, generator_for
from equipoise.generators.base import Generator
from equipoise.samplers.latent_classifier import LatentClassifier, latent_from_tensors
from equipoise.samplers.mean_matching import MeanMatchingFactor
from equipoise.samplers.proposals import HalfSpaces, Prefilter

AVOIDANCE_POWER = 4.0
"""How much sharper cells of target 0 are avoided than wanted ones are sought."""

_VERIFIED = "verified."
"""Begins the names of stored arrays of the source for verified draws."""

_CHUNK = 256
_LEAST_CHUNK = 16
_LARGEST_ROUND = 8192
_LARGEST_VALUES = 2**26
"""Values of a round's candidates, at most, unless they would be less than a chunk: 256 MiB."""

_MOST_CANDIDATES = 50_000_000


@dataclass(frozen=True, eq=False)
class Tilt:
    """The rule by which each cell accepts codes.

    Attributes
    ----------
    beta : float
        Sharpness, above 0.
    ceilings : numpy.ndarray, shape (K,), float64
        c_k; infinite for a cell that cannot be requested.
    clearances : numpy.ndarray, shape (K,), float64
        Probability of no unwanted cell from which on codes are accepted in full, above 0.
    matching : MeanMatchingFactor
        The factor that keeps the images' mean.
    """

    beta: float
    acceptance_thresholds: NDArray[np.float64]
    avoidance_thresholds: NDArray[np.float64]
    matching: MeanMatchingFactor

    @property
    def cells(self) -> NDArray[np.bool_]:
        """Which cells can be requested, shape (K,)."""
        return np.isfinite(self.acceptance_thresholds)

    def log_acceptance(
        self, log_h: NDArray[np.floating], log_factors: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the logarithm of the probability that each cell accepts each code, (n, K)."""
        return log_acceptance(
            log_h, self.acceptance_thresholds, self.avoidance_thresholds, self.beta, log_factors
        )

    def of_stem(
        self, classifier: LatentClassifier, stem: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Return the log chances of codes with these stem features, shape (n, K)."""
        return self.log_acceptance(
            classifier.log_probabilities(stem), self.matching.log_factors(stem)
        )

    def evaluated(
        self, generator: Generator, classifier: LatentClassifier, codes: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Return the log chances of codes, shape (n, K), reading a few stems at a time."""
        return np.concatenate(
            [
                self.of_stem(classifier, generator.stem(codes[low:high]))
                for low, high in batches(0, len(codes), _CHUNK)
            ]
        )

    def tensors(self) -> Mapping[str, NDArray[Any]]:
        """Return the arrays to store, by name."""
        return {
            "acceptance_thresholds": self.acceptance_thresholds,
            "avoidance_thresholds": self.avoidance_thresholds,
            **self.matching.tensors(),
        }


@dataclass(frozen=True, eq=False)
class TiltSource:
    """Codes for requested cells, accepted from the prior.

    Attributes
    ----------
    classifier : LatentClassifier
    tilt : Tilt
    half_spaces : HalfSpaces
        Where each cell's candidates come from.
    screen : Prefilter
        Drops hopeless candidates.
    acceptance : numpy.ndarray, shape (K,), float64
        Share of the prior's codes that each cell accepts.
    generator : Generator or None
        Gives the prior and the stem; None in a source that was just loaded.
    for_verified : TiltSource or None
        Draws that are to be classified and kept where they came out, by the same classifier: each
        refused image costs more than many candidates, and what leaks in is thrown away.
    """

    classifier: LatentClassifier
    tilt: Tilt
    half_spaces: HalfSpaces
    prefilter: Prefilter
    acceptance: NDArray[np.float64]
    generator: Generator | None = None
    for_verified: TiltSource | None = None

    method = "tilt"

    @property
    def cells(self) -> NDArray[np.bool_]:
        """Which cells can be requested, shape (K,)."""
        return self.tilt.cells

    def bound(self, generator: Generator) -> TiltSource:
        """Return the source with the generator that it draws from."""
        other = self.for_verified
        return replace(self, generator=generator, for_verified=other and other.bound(generator))

    def chances(self, codes: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the probability that each cell accepts each code, shape (n, K)."""
        prefiltered = self.prefilter.log_upper_bounds(codes, slice(None))
        evaluated = self.tilt.evaluated(self._generator(), self.classifier, codes)
        chances = np.exp(np.minimum(evaluated, prefiltered))
        return np.asarray(np.where(self.half_spaces.contains(codes), chances, 0.0))

    def _generator(self) -> Generator:
        if self.generator is None:
            raise InputError(
                "generator",
                "must be given to draw from a tilt",
                None,
                "Load it as load_sampler(path, generator).",
            )
        return self.generator

    def block(
        self, seed: int, key: Sequence[int], requested: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Return one code for each requested cell; depends on (seed, key, requested) alone.

        Raises
        ------
        InputError
            When the source was loaded and not yet bound to its generator.
        InsufficientLabelsError
            When a cell accepts too few candidates.
        """
        generator = self._generator()
        codes = np.empty((len(requested), generator.dim), np.float32)
        # One compute thread, whose rounding is the same whoever calls.
        with one_thread():
            for k in np.unique(requested).tolist():
                rows = np.flatnonzero(requested == k)
                codes[rows] = self._accepted(generator, k, len(rows), seed, (*key, k))
        return codes

    def _accepted(
        self, generator: Generator, cell: int, count: int, seed: int, key: Sequence[int]
    ) -> NDArray[np.float32]:
        """Return the first `count` codes that the cell accepts from the candidates of this key."""
        rng = generator_for(seed, Stream.TILT_CANDIDATES, *key)
        source = int(rng.integers(2**62))
        rate = self.acceptance[cell] / self.half_spaces.prior_mass()[cell]
        wanted = int(count / max(rate, 1e-9) * 1.1) + 64
        most = max(min(_LARGEST_ROUND, _LARGEST_VALUES // generator.dim), _CHUNK)
        size = min(most, -(-wanted // _CHUNK) * _CHUNK)
        only = slice(cell, cell + 1)
        found: list[NDArray[np.float32]] = []
        have = evaluated = start = 0
        while have < count:
            if start >= _MOST_CANDIDATES:
                raise InsufficientLabelsError(
                    f"cell {self.classifier.grid.cells[cell]!r}",
                    f"must accept {count} of {_MOST_CANDIDATES:,} candidates",
                    have,
                    "Label more codes, or lower --beta.",
                )
            candidates = self.half_spaces.candidates(
                generator.prior.codes(source, start, start + size), cell, rng
            )
            start += size
            log_uniforms = np.log(rng.random(size))
            passed = np.flatnonzero(
                log_uniforms < self.prefilter.log_upper_bounds(candidates, only)[:, 0]
            )
            while len(passed) and have < count:
                rows, passed = np.split(passed, [_next(count - have, have, evaluated)])
                stem = generator.stem(candidates[rows])
                log_chance = self.tilt.of_stem(self.classifier, stem)[:, cell]
                chosen = rows[log_uniforms[rows] < log_chance]
                found.append(candidates[chosen])
                have += len(chosen)
                evaluated += len(rows)
        return np.concatenate(found)[:count]

    def tensors(self) -> Mapping[str, NDArray[Any]]:
        """Return the arrays to store, by name."""
        arrays = {**self._own_tensors(), **self.classifier.tensors()}
        if self.for_verified is not None:
            own = self.for_verified._own_tensors()
            arrays.update({_VERIFIED + name: array for name, array in own.items()})
        return arrays

    def _own_tensors(self) -> dict[str, NDArray[Any]]:
        """Return all arrays but the classifier's, by name."""
        return {
            "acceptance": self.acceptance,
            **self.tilt.tensors(),
            **self.half_spaces.tensors(),
            **self.prefilter.tensors(),
        }

    def parameters(self) -> dict[str, object]:
        """Return the numbers to store beside the arrays, JSON values."""
        other = self.for_verified
        return {
            "beta": self.tilt.beta,
            "verified_beta": other and other.tilt.beta,
            "temperature": self.classifier.temperature,
            "stem_shape": list(self.classifier.stem_shape),
        }

    @classmethod
    def from_stored(
        cls,
        tensors: Mapping[str, NDArray[np.float32]],
        parameters: Mapping[str, object],
        grid: AttributeGrid,
        dim: int,
        where: str,
    ) -> TiltSource:
        """Rebuild from stored arrays and numbers, without a generator.

        Raises
        ------
        FileFormatError
            When an array is missing, of a wrong shape, or not finite.
        """
        classifier = latent_from_tensors(tensors, parameters, grid, where)
        one_shot = _from_stored(classifier, tensors, parameters["beta"], grid, dim, where)
        # Files of earlier versions have one tilt for all draws.
        if parameters.get("verified_beta") is None:
            return one_shot
        own = {n.removeprefix(_VERIFIED): a for n, a in tensors.items() if n.startswith(_VERIFIED)}
        beta = parameters["verified_beta"]
        for_verified = _from_stored(classifier, own, beta, grid, dim, where)
        return replace(one_shot, for_verified=for_verified)


def _from_stored(
    classifier: LatentClassifier,
    tensors: Mapping[str, NDArray[np.float32]],
    beta: object,
    grid: AttributeGrid,
    dim: int,
    where: str,
) -> TiltSource:
    """Rebuild a source that shares its classifier."""
    cells = grid.size
    hidden = len(tensors["prefilter.bias1"]) if "prefilter.bias1" in tensors else 0
    shapes: dict[str, tuple[int, ...]] = {
        "acceptance_thresholds": (cells,),
        "avoidance_thresholds": (cells,),
        "acceptance": (cells,),
        "mean_matching.coefficients": classifier.stem_shape[:1],
        "mean_matching.offsets": (cells,),
        "half_space.normals": (cells, dim),
        "half_space.thresholds": (cells,),
        "prefilter.weight1": (dim, hidden),
        "prefilter.bias1": (hidden,),
        "prefilter.weight2": (hidden, cells),
        "prefilter.bias2": (cells,),
        "prefilter.log_margins": (cells,),
    }
    found = {name: stored_array(tensors, name, shape, where) for name, shape in shapes.items()}
    sharpness = float(str(beta))
    above = all(
        (found[name] > 0).all() for name in ("acceptance_thresholds", "avoidance_thresholds")
    )
    if not (np.isfinite(sharpness) and sharpness > 0 and above):
        raise FileFormatError(
            where, "must have beta and ceilings above 0", sharpness, "Make the sampler again."
        )
    prefilter = {
        n.removeprefix("prefilter."): a for n, a in found.items() if n.startswith("prefilter.")
    }
    matching = MeanMatchingFactor(
        found["mean_matching.coefficients"], np.asarray(found["mean_matching.offsets"], np.float64)
    )
    return TiltSource(
        classifier,
        Tilt(
            sharpness,
            np.asarray(found["acceptance_thresholds"], np.float64),
            np.asarray(found["avoidance_thresholds"], np.float64),
            matching,
        ),
        HalfSpaces(found["half_space.normals"], found["half_space.thresholds"]),
        Prefilter(**prefilter),
        np.asarray(found["acceptance"], np.float64),
    )


def _next(missing: int, have: int, evaluated: int) -> int:
    """Return how many candidates to judge next, when `have` of `evaluated` were accepted."""
    if not have:
        return _CHUNK
    needed = missing * evaluated / have
    return min(_CHUNK, int(1.1 * needed) + _LEAST_CHUNK)


def log_acceptance(
    log_h: NDArray[np.floating],
    acceptance_thresholds: NDArray[np.float64],
    avoidance_thresholds: NDArray[np.float64],
    beta: float,
    log_factors: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the logarithm of min(1, (h / ceiling) ** beta) times the factors.

    Codes that may be of a cell with an infinite ceiling are avoided by all other cells: their
    chance falls by min(1, (1 - h) / clearance) ** (`AVOIDANCE_POWER` * beta), h summed over
    such cells.

    Parameters
    ----------
    log_h : numpy.ndarray, shape (n, K)
    ceilings : numpy.ndarray, shape (K,)
        Above 0; a cell with an infinite one accepts nothing.
    clearances : numpy.ndarray, shape (K,)
        In (0, 1]; a tiny one avoids nothing.
    beta : float
    log_factors : numpy.ndarray, shape (n, K), or (1, K) where all codes share them

    Returns
    -------
    numpy.ndarray, shape (n, K), float64
    """
    exact = log_h.astype(np.float64)
    avoided = np.minimum(np.exp(exact[:, np.isinf(acceptance_thresholds)]).sum(axis=1), 1 - 1e-12)
    clear = np.minimum(np.log1p(-avoided)[:, None] - np.log(avoidance_thresholds), 0.0)
    sought = np.minimum(exact - np.log(acceptance_thresholds), 0.0)
    return np.asarray(beta * (sought + AVOIDANCE_POWER * clear) + log_factors)
