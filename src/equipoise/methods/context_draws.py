"""Images of every context with a wanted mix in each.

Candidates are drawn in rounds over all contexts, batch by batch on all cores. What is kept depends
on their order alone: not on the number of workers, nor on where a stopped drawing goes on.
"""

from __future__ import annotations

from collections.abc import Generator as GeneratorType
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from equipoise.classifiers.models import Models
from equipoise.core.attributes import UNKNOWN
from equipoise.core.errors import FileFormatError, InsufficientLabelsError
from equipoise.core.frames import cell_column
from equipoise.core.labels import Labels, to_columns
from equipoise.core.parallel import batches, ordered_map
from equipoise.core.progress import Execution
from equipoise.core.seeds import Stream, child_seed
from equipoise.generators.base import Staged, check_images, generate
from equipoise.methods.context_proposals import BY_PROMPT, ContextRequests, check_prompted
from equipoise.methods.context_refusal import EarlyRefusal
from equipoise.runtimes.devices import within_memory
from equipoise.samplers.statements import ATTEMPTS

_PART = 0.5
"""Part of the candidates of the prompt that are expected to be needed, which a round draws: little
is drawn in vain, and rounds are few. Chosen by hand."""

_LEAST_CANDIDATES = 2000
"""Candidates of a prompt that are drawn before a cell of it is given up."""

Numbers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class KeptDraws:
    """What a folder holds already, in order of drawing.

    Attributes
    ----------
    contexts, index, requested : numpy.ndarray, shape (n,), int64
    """

    contexts: Numbers
    index: Numbers
    requested: Numbers

    @classmethod
    def nothing(cls) -> KeptDraws:
        """Return what a fresh folder holds."""
        return cls(*(np.zeros(0, np.int64) for _ in range(3)))


@dataclass(frozen=True, eq=False)
class ContextImages:
    """A batch of kept images.

    Attributes
    ----------
    contexts : numpy.ndarray, shape (n,), int64
        Number of the context of each image.
    seeds : numpy.ndarray, shape (n,), int64
        Of the noise of each image's context.
    index : numpy.ndarray, shape (n,), int64
        Draw i of the context.
    requested : numpy.ndarray, shape (n,), int64
        Cells that were asked for.
    by_prompt : numpy.ndarray, shape (n,), bool
        Whether the prompt itself was drawn; the edit for the requested cell otherwise.
    images : numpy.ndarray, shape (n, channels, height, width), uint8
    labels : Labels
    calls : numpy.ndarray, shape (n,), float64
        Generator calls from the image kept before to this one, with those of refused images.
    """

    contexts: Numbers
    seeds: Numbers
    index: Numbers
    requested: Numbers
    by_prompt: NDArray[np.bool_]
    images: NDArray[np.uint8]
    labels: Labels
    calls: NDArray[np.float64]

    def rows(self) -> list[dict[str, Any]]:
        """Return a row of metadata for each image."""
        grid = self.labels.grid
        columns = {
            "seed": self.seeds,
            "index": self.index,
            "proposal": np.where(self.by_prompt, "prompt", "edit"),
            "requested": cell_column(grid, self.requested),
            "achieved": cell_column(grid, self.labels.cells),
            "calls": self.calls,
            **to_columns(self.labels),
        }
        found: list[dict[str, Any]] = pa.table(columns).to_pylist()
        return found


Drawn = GeneratorType[ContextImages, None, None]


@dataclass(frozen=True, eq=False)
class _Round:
    """Candidates of one round, context by context.

    Attributes
    ----------
    contexts, index, requested : numpy.ndarray, shape (m,), int64
        `requested` is -1 where the prompt itself is drawn.
    starts : numpy.ndarray, shape (C + 1,), int64
        First row of each context, and m.
    wanted : numpy.ndarray, shape (C, K), bool
        Cells that images of prompts are kept for.
    """

    contexts: Numbers
    index: Numbers
    requested: Numbers
    starts: Numbers
    wanted: NDArray[np.bool_]

    @classmethod
    def of(cls, requests: ContextRequests, missing: Numbers, drawn: Numbers) -> _Round:
        """Return the candidates for what is missing, shape (C, K), after so many, shape (C,)."""
        least = np.maximum(requests.purity, 1 / ATTEMPTS)
        waits = requests.by_prompt & (missing > 0)
        soonest = np.min(missing / least, axis=1, where=waits, initial=np.inf)
        own = np.ceil(np.where(waits.any(axis=1), _PART * soonest, 0)).astype(np.int64)
        edited = np.where(requests.by_prompt, 0, missing)
        cells = np.tile(np.arange(-1, missing.shape[1]), len(missing))
        times = np.column_stack([own, edited])
        starts = np.concatenate([[0], times.sum(axis=1).cumsum()])
        contexts = np.repeat(np.arange(len(missing)), np.diff(starts))
        index = np.arange(starts[-1]) - starts[contexts] + drawn[contexts]
        wanted = requests.by_prompt & (missing > 0)
        return cls(contexts, index, np.repeat(cells, times.ravel()), starts, wanted)

    @property
    def sizes(self) -> Numbers:
        """Candidates of each context, shape (C,)."""
        return np.diff(self.starts)


def draw_contexts(
    models: Models,
    requests: ContextRequests,
    seed: int = 0,
    *,
    refusal: EarlyRefusal | None = None,
    kept: KeptDraws | None = None,
    attempts: int = ATTEMPTS,
    execution: Execution = Execution(),
) -> Drawn:
    """Yield the requested images of all contexts, but those that are kept already.

    Images do not depend on where a drawing was stopped, or on the number of workers.

    Parameters
    ----------
    models : Models
        As those whose variants were labelled.
    requests : ContextRequests
    seed : int
        Of the noise. Draws of two contexts are independent.
    refusal : EarlyRefusal, optional
        Refuses candidates half-way, and states what that costs.
    kept : KeptDraws, optional
        What came of the same call before.
    attempts : int
        Rounds in which each missing image of an edit is drawn once, or images of a prompt for one
        that is wanted, after which a cell is given up.
    execution : Execution
        Progress counts kept images.

    Raises
    ------
    InsufficientLabelsError
        When verified draws of a cell do not come; the message names it and its context.
    FileFormatError
        When what is kept does not come of this call.
    """
    drawing = _Drawing(models, requests, seed, refusal, attempts)
    done = KeptDraws.nothing() if kept is None else kept
    total = int(requests.counts.sum())
    execution.progress("draw", len(done.index), total)
    while drawing.missing.any():
        candidates = drawing.next_round()
        rows = _rows_of(done, candidates, drawing.drawn)
        np.subtract.at(
            drawing.missing, (done.contexts[: len(rows)], done.requested[: len(rows)]), 1
        )
        if (drawing.missing < 0).any():
            raise _foreign()
        whole = len(rows) < len(done.index)
        done = KeptDraws(*(a[len(rows) :] for a in (done.contexts, done.index, done.requested)))
        if not whole:
            first = int(rows[-1]) + 1 if len(rows) else 0
            for part in drawing.draw(candidates, first, execution.workers):
                yield part
                execution.progress("draw", total - int(drawing.missing.sum()), total)
        drawing.drawn += candidates.sizes


def _rows_of(kept: KeptDraws, candidates: _Round, drawn: Numbers) -> Numbers:
    """Return the rows among the candidates of what is kept, as far as it comes of this round."""
    sizes = candidates.sizes
    if ((kept.contexts < 0) | (kept.contexts >= len(sizes))).any():
        raise _foreign()
    within = kept.index - drawn[kept.contexts]
    later = np.flatnonzero(within >= sizes[kept.contexts])
    count = int(later[0]) if len(later) else len(within)
    within, contexts = within[:count], kept.contexts[:count]
    rows = candidates.starts[contexts] + within
    if (within < 0).any() or (np.diff(rows) <= 0).any():
        raise _foreign()
    asked = candidates.requested[rows]
    if ((asked != BY_PROMPT) & (asked != kept.requested[:count])).any():
        raise _foreign()
    return rows


def _foreign() -> FileFormatError:
    return FileFormatError(
        "metadata of drawn images",
        "must have the rows that `equipoise balance-contexts` wrote, in their order",
        "others, or fewer",
        "Choose another --out.",
    )


class _Drawing:
    """Rounds of candidates, and what is missing after them.

    Attributes
    ----------
    missing : numpy.ndarray, shape (C, K), int64
        Images that are still to come.
    drawn : numpy.ndarray, shape (C,), int64
        Candidates of the rounds before.
    """

    def __init__(
        self,
        models: Models,
        requests: ContextRequests,
        seed: int,
        refusal: EarlyRefusal | None,
        attempts: int,
    ) -> None:
        grid = models.panel.grid
        proposals = "prompt" if requests.by_prompt.all() else "edits"
        self._generator, self._variants = check_prompted(models.generator, grid, proposals)
        self._panel, self._requests, self._attempts = models.panel, requests, attempts
        self._refusal = refusal
        sets = len(requests.counts)
        self._seeds = np.array(
            [child_seed(seed, Stream.CONTEXT_DRAWS, context) for context in range(sets)]
        )
        self.missing, self.drawn = requests.counts.copy(), np.zeros(sets, np.int64)
        self._rounds, self._own, self._pending = 0, np.zeros(sets, np.int64), 0.0

    def next_round(self) -> _Round:
        """Return the candidates of the next round, unless a cell is to be given up."""
        missing, by_prompt = self.missing, self._requests.by_prompt
        most = np.maximum(self._attempts * self._requests.counts, _LEAST_CANDIDATES)
        tried = np.where(by_prompt, self._own[:, None] >= most, self._rounds >= self._attempts)
        if (hopeless := np.argwhere((missing > 0) & tried)).size:
            c, k = hopeless[0]
            own = by_prompt[c, k]
            what = f"within {self._own[c]:,} images" if own else f"within {self._rounds:,} rounds"
            raise InsufficientLabelsError(
                f"cell {self._panel.grid.cells[k]!r} of context {self._generator.contexts[c]!r}",
                f"must come of its {'prompt' if own else 'edit'} {what}",
                f"{int(missing[c, k]):,} images missing",
                "Pass --proposals both, with more labels (--n) if it was that."
                if own
                else "Draw without --verified, or word it otherwise.",
            )
        found = _Round.of(self._requests, missing, self.drawn)
        self._rounds += 1
        np.add.at(self._own, found.contexts[found.requested == BY_PROMPT], 1)
        return found

    def draw(self, candidates: _Round, first: int, workers: int | None) -> Iterator[ContextImages]:
        """Yield what is kept of the candidates from row `first` on, until nothing is missing."""
        size = self._generator.batch_size

        def make(work: tuple[Numbers, NDArray[np.float32]]) -> _Classified:
            rows, codes = work
            passed, cost, images = self._made(candidates, rows, codes)
            labels = self._panel.predict(images) if len(images) else None
            return _Classified(rows, passed, cost, images, labels)

        # Batches begin where they would without a stop, as rounding may depend on them.
        work = (
            (np.arange(low, high), self._codes(candidates, low, high))
            for low, high in batches(first - first % size, len(candidates.index), size)
        )
        with closing(ordered_map(make, work, workers)) as results:
            for made in results:
                if found := self._keep(candidates, made, first):
                    yield found
                if not self.missing.any():
                    return

    def _made(
        self, candidates: _Round, rows: Numbers, codes: NDArray[np.float32]
    ) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.uint8]]:
        """Return which candidates are not refused half-way, the calls of each, and images."""
        generator, refusal = self._generator, self._refusal
        if refusal is None or not isinstance(generator, Staged):
            every = np.ones(len(rows), bool)
            return every, every.astype(np.float64), generate(generator, codes)
        place = (generator.name, generator.device)
        features, states = within_memory(*place, generator.begin, codes)
        passed = refusal.passes(
            features,
            candidates.index[rows],
            candidates.contexts[rows],
            candidates.requested[rows],
            candidates.wanted,
        )
        cost = np.where(passed, 1.0, refusal.stage / refusal.steps)
        if not passed.any():
            return passed, cost, np.empty((0, *generator.image_shape), np.uint8)

        def finished(states: NDArray[np.floating], codes: NDArray[np.float32]) -> NDArray[np.uint8]:
            return generator.carry_on(states, codes, refusal.stage)

        images = within_memory(*place, finished, states[passed], codes[passed])
        return passed, cost, check_images(generator, images, int(passed.sum()))

    def _codes(self, candidates: _Round, low: int, high: int) -> NDArray[np.float32]:
        contexts, index = candidates.contexts[low:high], candidates.index[low:high]
        parts = []
        for context in np.unique(contexts).tolist():
            own = index[contexts == context]
            seed, start, stop = int(self._seeds[context]), int(own[0]), int(own[-1]) + 1
            parts.append(self._generator.codes_of(seed, start, stop, context))
        codes = np.concatenate(parts)
        asked = candidates.requested[low:high]
        codes[:, -1] = np.where(asked == BY_PROMPT, 0, self._variants[asked])
        return codes

    def _keep(self, candidates: _Round, made: _Classified, first: int) -> ContextImages | None:
        """Return what is kept of a batch, in order, and count it; None where that is nothing."""
        by_prompt, verified = self._requests.by_prompt, self._requests.verified
        good, requested, calls = [], [], []
        achieved = np.full(len(made.rows), UNKNOWN)
        if made.labels is not None:
            achieved[made.passed] = made.labels.cells
        for i in np.flatnonzero(made.rows >= first).tolist():
            self._pending += made.cost[i]
            row, cell = made.rows[i], achieved[i]
            c, asked = candidates.contexts[row], candidates.requested[row]
            if asked == BY_PROMPT:
                wanted, asked = cell >= 0 and by_prompt[c, cell], cell
            else:
                wanted = cell == asked or not verified
            if made.passed[i] and wanted and self.missing[c, asked]:
                self.missing[c, asked] -= 1
                good.append(i)
                requested.append(asked)
                calls.append(self._pending)
                self._pending = 0.0
        if not good or made.labels is None:
            return None
        rows, chosen = made.rows[good], (np.cumsum(made.passed) - 1)[good]
        contexts = candidates.contexts[rows]
        return ContextImages(
            contexts,
            self._seeds[contexts],
            candidates.index[rows],
            np.array(requested, np.int64),
            candidates.requested[rows] == BY_PROMPT,
            made.images[chosen],
            made.labels.take(chosen),
            np.array(calls),
        )


@dataclass(frozen=True, eq=False)
class _Classified:
    """A batch of candidates, as made by a worker.

    Attributes
    ----------
    rows : numpy.ndarray, shape (m,), int64
        Rows of the round.
    passed : numpy.ndarray, shape (m,), bool
        Which were not refused half-way, p of them.
    cost : numpy.ndarray, shape (m,), float64
        Generator calls.
    images : numpy.ndarray, shape (p, channels, height, width), uint8
    labels : Labels or None
        Of the images; None without any.
    """

    rows: Numbers
    passed: NDArray[np.bool_]
    cost: NDArray[np.float64]
    images: NDArray[np.uint8]
    labels: Labels | None
