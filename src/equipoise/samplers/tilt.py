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
from equipoise.samplers.acceptance import AcceptanceRule, mode_name
from equipoise.samplers.latent_classifier import LatentClassifier, latent_from_tensors
from equipoise.samplers.proposals import HalfSpaces, Prefilter
from equipoise.samplers.sampler import Block

ONE_SHOT = "one-shot"
"""Name of the mode of one-shot draws."""

_CHUNK = 256
_LEAST_CHUNK = 16
_LARGEST_ROUND = 8192
_LARGEST_VALUES = 2**26
"""Values of a round's candidates, at most, unless they would be less than a chunk: 256 MiB."""

_MOST_CANDIDATES = 50_000_000


@dataclass(frozen=True, eq=False)
class Mode:
    """One way in which the cells accept candidates.

    Attributes
    ----------
    rule : AcceptanceRule
    log_margins : numpy.ndarray, shape (K,), float64
        What is added to the guesses of the prefilter.
    acceptance : numpy.ndarray, shape (K,), float64
        Share of the codes of the prior that each cell accepts.
    own_acceptance : numpy.ndarray, shape (K,), float64
        Share of the cell's own codes that it accepts; 1 where that is not known.
    weighted : bool
        Whether draws carry the weight `own_acceptance` / (probability of acceptance), under which
        averages over verified draws are those over the generator's own images of the cell.
    """

    rule: AcceptanceRule
    log_margins: NDArray[np.float64]
    acceptance: NDArray[np.float64]
    own_acceptance: NDArray[np.float64]
    weighted: bool = False

    def log_bounds(self, log_guesses: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return upper bounds of the log-probability of acceptance, shape (n, K)."""
        return self.rule.log_acceptance(log_guesses + self.log_margins)

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return the arrays to store, by name."""
        names = ("log_margins", "acceptance", "own_acceptance")
        return {**self.rule.tensors(), **{name: getattr(self, name) for name in names}}


@dataclass(frozen=True, eq=False)
class TiltSource:
    """Codes for requested cells, accepted from the prior.

    Attributes
    ----------
    classifier : LatentClassifier
    half_spaces : HalfSpaces
        Where the candidates of each cell come from.
    prefilter : Prefilter
        Drops hopeless candidates.
    modes : mapping of str to Mode
        `ONE_SHOT`, and those of verified draws by what `--faithful` calls them.
    mode : str
        The mode of these draws.
    verified_mode : str
        The mode of verified draws, where none is named.
    generator : Generator or None
        Gives the prior and the stage; None in a source that was just loaded.
    """

    classifier: LatentClassifier
    half_spaces: HalfSpaces
    prefilter: Prefilter
    modes: Mapping[str, Mode]
    mode: str = ONE_SHOT
    verified_mode: str = ONE_SHOT
    generator: Generator | None = None

    method = "tilt"

    @property
    def current(self) -> Mode:
        """The mode of these draws."""
        return self.modes[self.mode]

    @property
    def cells(self) -> NDArray[np.bool_]:
        """Which cells can be requested, shape (K,)."""
        return self.current.rule.cells

    def bound(self, generator: Generator) -> TiltSource:
        """Return the source with the generator that it draws from."""
        return replace(self, generator=generator)

    def for_verified(self, faithful: str | float | None = None) -> TiltSource:
        """Return the source of draws that are classified and kept where they came out.

        Parameters
        ----------
        faithful : str or float, optional
            Name of a mode, "exact" or "typical", or the number of one, such as .9.

        Raises
        ------
        InputError
            When there is no such mode.
        """
        name = self.verified_mode if faithful is None else mode_name(faithful)
        possible = [mode for mode in self.modes if mode != ONE_SHOT]
        if name not in self.modes or (faithful is not None and name not in possible):
            raise InputError(
                "faithful",
                f"must be one of those of the sampler, {', '.join(possible)}",
                name,
                "Leave it out, or make a sampler with this --faithful.",
            )
        return replace(self, mode=name)

    def log_acceptance(
        self, codes: NDArray[np.float32], log_h: NDArray[np.floating]
    ) -> NDArray[np.float64]:
        """Return the log-probability that each cell accepts codes, half-spaces and all.

        Parameters
        ----------
        codes : numpy.ndarray, shape (n, dim), float32
        log_h : numpy.ndarray, shape (..., n, K)
            log P(cell | code) of these codes, for example by several folds.

        Returns
        -------
        numpy.ndarray, shape (..., n, K), float64
            -inf for what is never accepted.
        """
        return np.minimum(self.current.rule.log_acceptance(log_h), self.log_bounds(codes))

    def log_bounds(self, codes: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return upper bounds of `log_acceptance` that need no stage, shape (n, K), float64."""
        bounds = self.current.log_bounds(self.prefilter.log_guesses(codes))
        return np.asarray(np.where(self.half_spaces.contains(codes), bounds, -np.inf))

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
        generator, parts = self.opened, []
        with one_thread():
            for low, high in batches(0, len(codes), _CHUNK):
                rows = codes[low:high]
                log_h = self.classifier.by_fold(generator.stem(rows))
                by_fold = np.exp(self.log_acceptance(rows, log_h))
                own = by_fold[folds[low:high], np.arange(len(rows))]
                unread = (folds[low:high] < 0)[:, None]
                parts.append(np.where(unread, by_fold.mean(axis=0), own))
        return np.concatenate(parts)

    @property
    def opened(self) -> Generator:
        """The generator.

        Raises
        ------
        InputError
            When the source was loaded and not yet bound to one.
        """
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
        generator, mode = self.opened, self.current
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
                if mode.weighted:
                    weights[rows] = mode.own_acceptance[k] * np.exp(-log_accepted)
        return Block(codes, weights, folds)

    def _accepted(
        self, generator: Generator, cell: int, count: int, seed: int, key: Sequence[int]
    ) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.int64]]:
        """Return the first `count` codes that the cell accepts of the candidates of this key.

        With them come the log-probabilities of their acceptance, and the folds that read them.
        """
        rng = generator_for(seed, Stream.TILT_CANDIDATES, *key)
        source = int(rng.integers(2**62))
        mode = self.current
        rate = mode.acceptance[cell] / self.half_spaces.prior_mass()[cell]
        wanted = int(count / max(rate, 1e-9) * 1.1) + 64
        most = max(min(_LARGEST_ROUND, _LARGEST_VALUES // generator.dim), _CHUNK)
        size = min(most, -(-wanted // _CHUNK) * _CHUNK)
        folds = self.classifier.folds
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
            bounds = mode.log_bounds(self.prefilter.log_guesses(candidates))[:, cell]
            passed = np.flatnonzero(log_uniforms < bounds)
            while len(passed) and have < count:
                rows, passed = np.split(passed, [_next(count - have, have, evaluated)])
                log_h = self.classifier.log_probabilities(
                    generator.stem(candidates[rows]), fold_of[rows]
                )
                accepted = np.minimum(mode.rule.log_acceptance(log_h)[:, cell], bounds[rows])
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
        modes = {
            f"{name}.{key}": array
            for name, mode in self.modes.items()
            for key, array in mode.tensors().items()
        }
        return {
            **modes,
            **self.half_spaces.tensors(),
            **self.prefilter.tensors(),
            **self.classifier.tensors(),
        }

    def parameters(self) -> dict[str, object]:
        """Return the numbers to store beside the arrays, JSON values."""
        return {
            "modes": {name: mode.weighted for name, mode in self.modes.items()},
            "mode": self.mode,
            "verified_mode": self.verified_mode,
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
        cells = grid.size
        hidden = len(tensors["prefilter.bias1"]) if "prefilter.bias1" in tensors else 0
        shapes: dict[str, tuple[int, ...]] = {
            "half_space.normals": (cells, dim),
            "half_space.thresholds": (cells,),
            "prefilter.weight1": (dim, hidden),
            "prefilter.bias1": (hidden,),
            "prefilter.weight2": (hidden, cells),
            "prefilter.bias2": (cells,),
        }
        found = {name: stored_array(tensors, name, shape, where) for name, shape in shapes.items()}
        modes = {
            str(name): _mode_from_stored(str(name), tensors, bool(weighted), cells, where)
            for name, weighted in dict(parameters["modes"]).items()
        }
        mode, verified_mode = str(parameters["mode"]), str(parameters["verified_mode"])
        if not {mode, verified_mode, ONE_SHOT} <= modes.keys():
            raise FileFormatError(
                where, "must hold the modes that it names", sorted(modes), "Make the sampler again."
            )
        return cls(
            latent_from_tensors(tensors, parameters, grid, where),
            HalfSpaces(found["half_space.normals"], found["half_space.thresholds"]),
            Prefilter(*(found[f"prefilter.{n}"] for n in ("weight1", "bias1", "weight2", "bias2"))),
            modes,
            mode,
            verified_mode,
        )


def _mode_from_stored(
    name: str,
    tensors: Mapping[str, NDArray[np.float32]],
    weighted: bool,
    cells: int,
    where: str,
) -> Mode:
    """Rebuild a mode, or refuse what is no rule of acceptance."""

    def array(key: str) -> NDArray[np.float64]:
        return np.asarray(stored_array(tensors, f"{name}.{key}", (cells,), where), np.float64)

    full, power, floor = array("rule.full"), array("rule.power"), array("rule.floor")
    if not ((full > 0).all() and (power > 0).all() and ((floor >= 0) & (floor < 1)).all()):
        raise FileFormatError(
            where,
            "must have full and power above 0, and a floor in [0, 1)",
            "others",
            "Make the sampler again.",
        )
    rule = AcceptanceRule(full, power, floor)
    margins, acceptance = array("log_margins"), array("acceptance")
    return Mode(rule, margins, acceptance, array("own_acceptance"), weighted)


def _next(missing: int, have: int, evaluated: int) -> int:
    """Return how many candidates to read next, when `have` of `evaluated` were accepted."""
    if not have:
        return _CHUNK
    needed = missing * evaluated / have
    return min(_CHUNK, int(1.1 * needed) + _LEAST_CHUNK)
