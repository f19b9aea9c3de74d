"""Tilted sampling, our method: codes of the prior, accepted as far as they may be of a cell.

To draw a cell, codes come from the prior, and the cell accepts each with a probability that depends
on P(cell | code) alone (`equipoise.samplers.acceptance`). Every code is one of the prior, so images
keep the quality of the generator, and the density of the draws relative to the prior is known: it
is the probability of acceptance.

Candidates take the folds of the latent classifier in turn, so that draws are a mixture over folds
and labelled codes, read by the networks of their own fold, stand for fresh ones.
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
from equipoise.samplers.acceptance import AcceptanceRule
from equipoise.samplers.latent_classifier import LatentClassifier, latent_from_tensors
from equipoise.samplers.proposals import HalfSpaces, Prefilter
from equipoise.samplers.sampler import Block

_VERIFIED = "verified."
"""Begins the names of stored arrays of the source for verified draws."""

_CHUNK = 256
_LEAST_CHUNK = 16
_LARGEST_ROUND = 8192
_LARGEST_VALUES = 2**26
"""Values of a round's candidates, at most, unless they would be less than a chunk: 256 MiB."""

_MOST_CANDIDATES = 50_000_000


@dataclass(frozen=True, eq=False)
class TiltSource:
    """Codes for requested cells, accepted from the prior.

    Attributes
    ----------
    classifier : LatentClassifier
    rule : AcceptanceRule
    half_spaces : HalfSpaces
        Where the candidates of each cell come from.
    prefilter : Prefilter
        Drops hopeless candidates.
    acceptance : numpy.ndarray, shape (K,), float64
        Share of the codes of the prior that each cell accepts.
    own_acceptance : numpy.ndarray, shape (K,), float64
        Share of the cell's own codes that it accepts; 1 where that is not known.
    weighted : bool
        Whether draws carry the weight `own_acceptance` / (probability of acceptance), under which
        averages over verified draws are those over the generator's own images of the cell.
    generator : Generator or None
        Gives the prior and the stage; None in a source that was just loaded.
    for_verified : TiltSource or None
        Draws that are to be classified and kept where they came out, by the same classifier.
    """

    classifier: LatentClassifier
    rule: AcceptanceRule
    half_spaces: HalfSpaces
    prefilter: Prefilter
    acceptance: NDArray[np.float64]
    own_acceptance: NDArray[np.float64]
    weighted: bool = False
    generator: Generator | None = None
    for_verified: TiltSource | None = None

    method = "tilt"

    @property
    def cells(self) -> NDArray[np.bool_]:
        """Which cells can be requested, shape (K,)."""
        return self.rule.cells

    def bound(self, generator: Generator) -> TiltSource:
        """Return the source with the generator that it draws from."""
        other = self.for_verified
        return replace(self, generator=generator, for_verified=other and other.bound(generator))

    def log_acceptance(
        self, codes: NDArray[np.float32], log_h: NDArray[np.floating]
    ) -> NDArray[np.float64]:
        """Return the log-probability that each cell accepts codes, half-spaces and all.

        Parameters
        ----------
        codes : numpy.ndarray, shape (n, dim), float32
        log_h : numpy.ndarray, shape (n, K)
            log P(cell | code) of these codes.

        Returns
        -------
        numpy.ndarray, shape (n, K), float64
            -inf for what is never accepted.
        """
        accepted = np.minimum(self.rule.log_acceptance(log_h), self._bounds(codes, slice(None)))
        return np.asarray(np.where(self.half_spaces.contains(codes), accepted, -np.inf))

    def acceptances(
        self, codes: NDArray[np.float32], folds: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return the probability that each cell accepts codes, each read by one fold.

        Parameters
        ----------
        codes : numpy.ndarray, shape (n, dim), float32
        folds : numpy.ndarray, shape (n,), int64
            The fold that reads each code; -1 for the mean over all folds.

        Returns
        -------
        numpy.ndarray, shape (n, K), float64
        """
        generator, parts = self._generator(), []
        with one_thread():
            for low, high in batches(0, len(codes), _CHUNK):
                rows = codes[low:high]
                log_h = self.classifier.by_fold(generator.stem(rows))
                by_fold = np.stack([np.exp(self.log_acceptance(rows, one)) for one in log_h])
                own = by_fold[folds[low:high], np.arange(len(rows))]
                unread = (folds[low:high] < 0)[:, None]
                parts.append(np.where(unread, by_fold.mean(axis=0), own))
        return np.concatenate(parts)

    def _bounds(self, codes: NDArray[np.float32], cells: slice) -> NDArray[np.float64]:
        """Return the upper bounds of the prefilter, nowhere below the floor of the rule."""
        bounds = self.prefilter.log_upper_bounds(codes, cells).astype(np.float64)
        with np.errstate(divide="ignore"):
            return np.asarray(np.maximum(bounds, np.log(self.rule.floor[cells])))

    def _generator(self) -> Generator:
        if self.generator is None:
            raise InputError(
                "generator",
                "must be given to draw from a tilt",
                None,
                "Load it as load_sampler(path, generator).",
            )
        return self.generator

    def block(self, seed: int, key: Sequence[int], requested: NDArray[np.int64]) -> Block:
        """Return one code for each requested cell.

        They depend on (seed, key, requested) alone.

        Raises
        ------
        InputError
            When the source was loaded and not yet bound to its generator.
        InsufficientLabelsError
            When a cell accepts too few candidates.
        """
        generator = self._generator()
        codes = np.empty((len(requested), generator.dim), np.float32)
        weights, folds = np.ones(len(requested)), np.zeros(len(requested), np.int64)
        # One compute thread, whose rounding is the same whoever calls.
        with one_thread():
            for k in np.unique(requested).tolist():
                rows = np.flatnonzero(requested == k)
                found, log_accepted, fold_of = self._accepted(
                    generator, k, len(rows), seed, (*key, k)
                )
                codes[rows], folds[rows] = found, fold_of
                if self.weighted:
                    weights[rows] = self.own_acceptance[k] * np.exp(-log_accepted)
        return Block(codes, weights, folds)

    def _accepted(
        self, generator: Generator, cell: int, count: int, seed: int, key: Sequence[int]
    ) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.int64]]:
        """Return the first `count` codes that the cell accepts of the candidates of this key.

        With them come the log-probabilities of their acceptance, and the folds that read them.
        """
        rng = generator_for(seed, Stream.TILT_CANDIDATES, *key)
        source = int(rng.integers(2**62))
        rate = self.acceptance[cell] / self.half_spaces.prior_mass()[cell]
        wanted = int(count / max(rate, 1e-9) * 1.1) + 64
        most = max(min(_LARGEST_ROUND, _LARGEST_VALUES // generator.dim), _CHUNK)
        size = min(most, -(-wanted // _CHUNK) * _CHUNK)
        only, folds = slice(cell, cell + 1), self.classifier.folds
        found: list[NDArray[np.float32]] = []
        logs: list[NDArray[np.float64]] = []
        readers: list[NDArray[np.int64]] = []
        have = evaluated = start = 0
        while have < count:
            if start >= _MOST_CANDIDATES:
                raise InsufficientLabelsError(
                    f"cell {self.classifier.grid.cells[cell]!r}",
                    f"must accept {count} of {_MOST_CANDIDATES:,} candidates",
                    have,
                    "Label more codes, or choose a lower --faithful.",
                )
            candidates = self.half_spaces.candidates(
                generator.prior.codes(source, start, start + size), cell, rng
            )
            fold_of = np.arange(start, start + size) % folds
            start += size
            log_uniforms = np.log(rng.random(size))
            bounds = self._bounds(candidates, only)[:, 0]
            passed = np.flatnonzero(log_uniforms < bounds)
            while len(passed) and have < count:
                rows, passed = np.split(passed, [_next(count - have, have, evaluated)])
                log_h = self.classifier.log_probabilities(
                    generator.stem(candidates[rows]), fold_of[rows]
                )
                accepted = np.minimum(self.rule.log_acceptance(log_h)[:, cell], bounds[rows])
                chosen = log_uniforms[rows] < accepted
                found.append(candidates[rows[chosen]])
                logs.append(accepted[chosen])
                readers.append(fold_of[rows[chosen]])
                have += int(chosen.sum())
                evaluated += len(rows)
        joined = (np.concatenate(parts)[:count] for parts in (found, logs, readers))
        return tuple(joined)  # type: ignore[return-value]

    def tensors(self) -> Mapping[str, NDArray[Any]]:
        """Return the arrays to store, by name."""
        arrays = {**self._own_tensors(), **self.classifier.tensors()}
        if self.for_verified is not None:
            own = self.for_verified._own_tensors()
            arrays.update({_VERIFIED + name: array for name, array in own.items()})
        return arrays

    def _own_tensors(self) -> dict[str, NDArray[Any]]:
        """Return all arrays but those of the classifier, by name."""
        return {
            "acceptance": self.acceptance,
            "own_acceptance": self.own_acceptance,
            **self.rule.tensors(),
            **self.half_spaces.tensors(),
            **self.prefilter.tensors(),
        }

    def parameters(self) -> dict[str, object]:
        """Return the numbers to store beside the arrays, JSON values."""
        other = self.for_verified
        return {
            "weighted": self.weighted,
            "verified_weighted": None if other is None else other.weighted,
            **self.classifier.parameters(),
        }

    @classmethod
    def from_stored(
        cls,
        tensors: Mapping[str, NDArray[np.float32]],
        parameters: Mapping[str, Any],
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
        weighted, other = bool(parameters["weighted"]), parameters["verified_weighted"]
        one_shot = _from_stored(classifier, tensors, weighted, dim, where)
        if other is None:
            return one_shot
        own = {n.removeprefix(_VERIFIED): a for n, a in tensors.items() if n.startswith(_VERIFIED)}
        return replace(
            one_shot, for_verified=_from_stored(classifier, own, bool(other), dim, where)
        )


def _from_stored(
    classifier: LatentClassifier,
    tensors: Mapping[str, NDArray[np.float32]],
    weighted: bool,
    dim: int,
    where: str,
) -> TiltSource:
    """Rebuild a source that shares its classifier."""
    cells = classifier.grid.size
    hidden = len(tensors["prefilter.bias1"]) if "prefilter.bias1" in tensors else 0
    shapes: dict[str, tuple[int, ...]] = {
        "acceptance": (cells,),
        "own_acceptance": (cells,),
        "rule.full": (cells,),
        "rule.power": (cells,),
        "rule.floor": (cells,),
        "half_space.normals": (cells, dim),
        "half_space.thresholds": (cells,),
        "prefilter.weight1": (dim, hidden),
        "prefilter.bias1": (hidden,),
        "prefilter.weight2": (hidden, cells),
        "prefilter.bias2": (cells,),
        "prefilter.log_margins": (cells,),
    }
    found = {name: stored_array(tensors, name, shape, where) for name, shape in shapes.items()}
    full, power, floor = (
        np.asarray(found[f"rule.{name}"], np.float64) for name in ("full", "power", "floor")
    )
    if not ((full > 0).all() and (power > 0).all() and ((floor >= 0) & (floor < 1)).all()):
        raise FileFormatError(
            where,
            "must have full and power above 0, and a floor in [0, 1)",
            "others",
            "Make the sampler again.",
        )
    prefilter = {
        n.removeprefix("prefilter."): a for n, a in found.items() if n.startswith("prefilter.")
    }
    return TiltSource(
        classifier,
        AcceptanceRule(full, power, floor),
        HalfSpaces(found["half_space.normals"], found["half_space.thresholds"]),
        Prefilter(**prefilter),
        np.asarray(found["acceptance"], np.float64),
        np.asarray(found["own_acceptance"], np.float64),
        weighted,
    )


def _next(missing: int, have: int, evaluated: int) -> int:
    """Return how many candidates to read next, when `have` of `evaluated` were accepted."""
    if not have:
        return _CHUNK
    needed = missing * evaluated / have
    return min(_CHUNK, int(1.1 * needed) + _LEAST_CHUNK)
