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

from equipoise.core.attributes import Groups
from equipoise.core.errors import FileFormatError, InputError, TooFewSamples
from equipoise.core.files import stored_array
from equipoise.core.parallel import batches, one_thread
from equipoise.core.seeds import Stream, generator_for
from equipoise.generators.base import Generator
from equipoise.samplers.latent_classifier import LatentClassifier, latent_from_tensors
from equipoise.samplers.mean_matching import Matching
from equipoise.samplers.proposals import HalfSpaces, Screen

AVOIDANCE = 4.0
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
    matching : Matching
        The factor that keeps the images' mean.
    """

    beta: float
    ceilings: NDArray[np.float64]
    clearances: NDArray[np.float64]
    matching: Matching

    @property
    def cells(self) -> NDArray[np.bool_]:
        """Which cells can be requested, shape (K,)."""
        return np.isfinite(self.ceilings)

    def log_chances(
        self, log_h: NDArray[np.floating], log_factors: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the logarithm of the probability that each cell accepts each code, (n, K)."""
        return log_chances(log_h, self.ceilings, self.clearances, self.beta, log_factors)

    def of_stem(
        self, classifier: LatentClassifier, stem: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Return the log chances of codes with these stem features, shape (n, K)."""
        return self.log_chances(classifier.log_probabilities(stem), self.matching.log_factors(stem))

    def judged(
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
            "ceilings": self.ceilings,
            "clearances": self.clearances,
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
    screen : Screen
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
    screen: Screen
    acceptance: NDArray[np.float64]
    generator: Generator | None = None
    for_verified: TiltSource | None = None

    kind = "tilt"

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
        screened = self.screen.ceilings(codes, slice(None))
        judged = self.tilt.judged(self._generator(), self.classifier, codes)
        chances = np.exp(np.minimum(judged, screened))
        return np.asarray(np.where(self.half_spaces.hold(codes), chances, 0.0))

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
        TooFewSamples
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
        rng = generator_for(seed, Stream.SOURCE, *key)
        source = int(rng.integers(2**62))
        rate = self.acceptance[cell] / self.half_spaces.mass()[cell]
        wanted = int(count / max(rate, 1e-9) * 1.1) + 64
        most = max(min(_LARGEST_ROUND, _LARGEST_VALUES // generator.dim), _CHUNK)
        size = min(most, -(-wanted // _CHUNK) * _CHUNK)
        only = slice(cell, cell + 1)
        found: list[NDArray[np.float32]] = []
        have = judged = start = 0
        while have < count:
            if start >= _MOST_CANDIDATES:
                raise TooFewSamples(
                    f"cell {self.classifier.groups.cells[cell]!r}",
                    f"must accept {count} of {_MOST_CANDIDATES:,} candidates",
                    have,
                    "Label more codes, or lower --beta.",
                )
            candidates = self.half_spaces.candidates(
                generator.prior.codes(source, start, start + size), cell, rng
            )
            start += size
            lots = np.log(rng.random(size))
            passed = np.flatnonzero(lots < self.screen.ceilings(candidates, only)[:, 0])
            while len(passed) and have < count:
                rows, passed = np.split(passed, [_next(count - have, have, judged)])
                stem = generator.stem(candidates[rows])
                log_chance = self.tilt.of_stem(self.classifier, stem)[:, cell]
                chosen = rows[lots[rows] < log_chance]
                found.append(candidates[chosen])
                have += len(chosen)
                judged += len(rows)
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
            **self.screen.tensors(),
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
        classifier = latent_from_tensors(tensors, parameters, groups, where)
        one_shot = _from_stored(classifier, tensors, parameters["beta"], groups, dim, where)
        # Files of earlier versions have one tilt for all draws.
        if parameters.get("verified_beta") is None:
            return one_shot
        own = {n.removeprefix(_VERIFIED): a for n, a in tensors.items() if n.startswith(_VERIFIED)}
        beta = parameters["verified_beta"]
        for_verified = _from_stored(classifier, own, beta, groups, dim, where)
        return replace(one_shot, for_verified=for_verified)


def _from_stored(
    classifier: LatentClassifier,
    tensors: Mapping[str, NDArray[np.float32]],
    beta: object,
    groups: Groups,
    dim: int,
    where: str,
) -> TiltSource:
    """Rebuild a source that shares its classifier."""
    cells = groups.size
    hidden = len(tensors["screen.bias1"]) if "screen.bias1" in tensors else 0
    shapes: dict[str, tuple[int, ...]] = {
        "ceilings": (cells,),
        "clearances": (cells,),
        "acceptance": (cells,),
        "matching.slope": classifier.stem_shape[:1],
        "matching.offsets": (cells,),
        "half_space.normals": (cells, dim),
        "half_space.thresholds": (cells,),
        "screen.weight1": (dim, hidden),
        "screen.bias1": (hidden,),
        "screen.weight2": (hidden, cells),
        "screen.bias2": (cells,),
        "screen.margins": (cells,),
    }
    found = {name: stored_array(tensors, name, shape, where) for name, shape in shapes.items()}
    sharpness = float(str(beta))
    above = all((found[name] > 0).all() for name in ("ceilings", "clearances"))
    if not (np.isfinite(sharpness) and sharpness > 0 and above):
        raise FileFormatError(
            where, "must have beta and ceilings above 0", sharpness, "Make the sampler again."
        )
    screen = {n.removeprefix("screen."): a for n, a in found.items() if n.startswith("screen.")}
    matching = Matching(found["matching.slope"], np.asarray(found["matching.offsets"], np.float64))
    return TiltSource(
        classifier,
        Tilt(
            sharpness,
            np.asarray(found["ceilings"], np.float64),
            np.asarray(found["clearances"], np.float64),
            matching,
        ),
        HalfSpaces(found["half_space.normals"], found["half_space.thresholds"]),
        Screen(**screen),
        np.asarray(found["acceptance"], np.float64),
    )


def _next(missing: int, have: int, judged: int) -> int:
    """Return how many candidates to judge next, when `have` of `judged` were accepted so far."""
    if not have:
        return _CHUNK
    needed = missing * judged / have
    return min(_CHUNK, int(1.1 * needed) + _LEAST_CHUNK)


def log_chances(
    log_h: NDArray[np.floating],
    ceilings: NDArray[np.float64],
    clearances: NDArray[np.float64],
    beta: float,
    log_factors: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the logarithm of min(1, (h / ceiling) ** beta) times the factors.

    Codes that may be of a cell with an infinite ceiling are avoided by all other cells: their
    chance falls by min(1, (1 - h) / clearance) ** (`AVOIDANCE` * beta), h summed over such cells.

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
    avoided = np.minimum(np.exp(exact[:, np.isinf(ceilings)]).sum(axis=1), 1 - 1e-12)
    clear = np.minimum(np.log1p(-avoided)[:, None] - np.log(clearances), 0.0)
    sought = np.minimum(exact - np.log(ceilings), 0.0)
    return np.asarray(beta * (sought + AVOIDANCE * clear) + log_factors)
