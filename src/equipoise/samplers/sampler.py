"""Stage 7, the artefact: draws codes of a wanted mix for ever."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers.models import Models
from equipoise.classifiers.panel import ClassifierPanel
from equipoise.core.attributes import AttributeGrid
from equipoise.core.errors import FileFormatError, InputError, check_count
from equipoise.core.notebook import as_html
from equipoise.core.numbers import estimate, percent
from equipoise.core.parallel import batches
from equipoise.core.seeds import BLOCK_ROWS, Stream, blocks, check_seed, generator_for
from equipoise.core.targets import Target
from equipoise.generators.base import Generator
from equipoise.samplers.acceptance import mode_name
from equipoise.samplers.statements import ModeStatement

_KEPT_BLOCKS, _KEPT_VALUES = 4, 2**26
"""Blocks of draws that are kept at least, and values of more than these: 256 MiB."""

_REMEDY = "Make the sampler again with `equipoise balance`."


class Block(NamedTuple):
    """Draws of one block.

    Attributes
    ----------
    codes : numpy.ndarray, shape (n, dim), float32
    weights : numpy.ndarray, shape (n,), float64
        Above 0; 1 where draws stand for themselves.
    folds : numpy.ndarray, shape (n,), int64
        Fold of the latent classifier that accepted the code; 0 where there is none.
    """

    codes: NDArray[np.float32]
    weights: NDArray[np.float64]
    folds: NDArray[np.int64]


class LatentSource(Protocol):
    """Where the codes of a requested cell come from.

    Attributes
    ----------
    method : str
        Names the method in a stored file.
    cells : numpy.ndarray, shape (K,), bool
        Which cells can be requested.
    """

    method: str

    @property
    def cells(self) -> NDArray[np.bool_]:
        """Which cells can be requested, shape (K,)."""
        ...

    def for_verified(self, faithful: str | float | None = None) -> LatentSource:
        """Return the source of draws that are kept only where they came out.

        Raises
        ------
        InputError
            When it has no draws of this faithfulness.
        """
        ...

    def block(self, seed: int, key: Sequence[int], requested: NDArray[np.int64]) -> Block:
        """Return one code for each requested cell; depends on (seed, key, requested) alone."""
        ...

    def bound(self, generator: Generator) -> LatentSource:
        """Return the source with the generator that it draws with, where it needs one."""
        ...

    def tensors(self) -> Mapping[str, NDArray[Any]]:
        """Return the arrays to store, by name."""
        ...

    def parameters(self) -> Mapping[str, Any]:
        """Return the numbers to store beside the arrays, JSON values."""
        ...


@dataclass(frozen=True, kw_only=True)
class GeneratorRef:
    """The generator that a sampler feeds."""

    name: str
    digest: str
    space: str
    dim: int

    @classmethod
    def of(cls, generator: Generator) -> GeneratorRef:
        """Describe a generator."""
        return cls(
            name=generator.name, digest=generator.digest, space=generator.space, dim=generator.dim
        )


@dataclass(frozen=True, eq=False)
class LatentBatch:
    """Codes with the cell that was asked for.

    Attributes
    ----------
    index : numpy.ndarray, shape (n,), int64
        Draw i of its seed and cell; below 0 a candidate that cells share, see
        `equipoise.samplers.shared`.
    codes : numpy.ndarray, shape (n, dim), float32
    requested : numpy.ndarray, shape (n,), int64
        Cell numbers.
    weights : numpy.ndarray, shape (n,), float64
        Above 0. Under them, averages over verified draws of a cell are those over the generator's
        own images of the cell, where the sampler is `exact`; 1 otherwise.
    folds : numpy.ndarray, shape (n,), int64
        Fold of the latent classifier that accepted the code; 0 where there is none.
    """

    index: NDArray[np.int64]
    codes: NDArray[np.float32]
    requested: NDArray[np.int64]
    weights: NDArray[np.float64]
    folds: NDArray[np.int64]

    @classmethod
    def concatenate(cls, parts: Sequence[LatentBatch]) -> LatentBatch:
        """Return the draws of several batches as one, in order."""
        return cls(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)))

    def take(self, rows: NDArray[np.int64]) -> LatentBatch:
        """Return some of the draws."""
        return LatentBatch(*(getattr(self, field.name)[rows] for field in fields(self)))


@dataclass(frozen=True, eq=False)
class Sampler:
    """Draws codes so that the images follow a target mix.

    Parameters
    ----------
    generator : GeneratorRef
        The generator that it was made for.
    target : Target
        What the images are to follow.
    weights : numpy.ndarray, shape (K,), float64
        How often each cell is requested; sums to 1.
    source : LatentSource
        Where the codes of a cell come from.
    settings : mapping
        Resolved settings of the run that made it, JSON values.
    panel : str
        Digest of the panel that its labels came from; empty where it is not known.
    statements : tuple of ModeStatement
        What verified draws are, by mode; empty where nothing is stated.

    Raises
    ------
    InputError
        When the weights are no distribution, or ask for a cell that the source lacks.
    """

    generator: GeneratorRef
    target: Target
    weights: NDArray[np.float64]
    source: LatentSource
    settings: Mapping[str, Any] = field(default_factory=dict)
    panel: str = ""
    statements: tuple[ModeStatement, ...] = ()

    def __post_init__(self) -> None:
        weights = np.asarray(self.weights, dtype=np.float64)
        if (
            weights.shape != (self.grid.size,)
            or not (weights >= 0).all()
            or not abs(weights.sum() - 1) <= 1e-9
        ):
            raise InputError(
                "weights", "must be at least 0 and sum to 1, one a cell", weights.tolist(), _REMEDY
            )
        for k in np.flatnonzero((weights > 0) & ~self.source.cells):
            raise InputError(
                f"weight of cell {self.grid.cells[k]!r}",
                "must be 0 where the sampler has no source of codes",
                weights[k],
                _REMEDY,
            )
        # A block of each cell in turn, where all these fit into memory.
        fit = _KEPT_VALUES // (BLOCK_ROWS * self.generator.dim)
        kept = max(_KEPT_BLOCKS, min(self.grid.size + 1, fit))
        object.__setattr__(self, "_block", lru_cache(maxsize=kept)(self._compute_block))

    def __reduce__(self) -> tuple[Any, ...]:
        # The cache of blocks does not go to another process.
        return type(self), tuple(getattr(self, one.name) for one in fields(self))

    @property
    def grid(self) -> AttributeGrid:
        """The cells."""
        return self.target.grid

    def draw(
        self, n: int, seed: int = 0, *, cell: str | None = None, start: int = 0
    ) -> LatentBatch:
        """Draw codes start..start+n-1 of the seed.

        Parameters
        ----------
        n : int
            How many, at least 1.
        seed : int
            In [0, 2**63).
        cell : str, optional
            Ask for this one cell, "smiling=yes, skin_tone=dark"; by default for all, as often
            as the weights say, in random order.
        start : int
            Index of the first draw. Draw i depends on (seed, cell, i) alone.

        Raises
        ------
        InputError
            When n, seed or start breaks its rule, or the cell is unknown or has target 0, or a
            tilt was loaded without its generator.
        InsufficientLabelsError
            When a cell of a tilt accepts next to nothing.
        """
        check_count("n", n, "Pass --n 1000.")
        check_count("start", start, "Pass 0.", least=0)
        check_seed(seed)
        number = -1 if cell is None else self._requestable(cell)
        parts = [
            [part[rows] for part in self._block(seed, block, number)]  # type: ignore[attr-defined]
            for block, rows in blocks(start, start + n)
        ]
        codes, requested, weights, folds = map(np.concatenate, zip(*parts, strict=True))
        return LatentBatch(np.arange(start, start + n), codes, requested, weights, folds)

    def stream(
        self, n: int, seed: int = 0, *, cell: str | None = None, start: int = 0, batch: int = 256
    ) -> Iterator[LatentBatch]:
        """Yield the draws of `draw` batch by batch, holding one block at a time."""
        check_count("n", n, "Pass --n 1000.")
        for low, high in batches(start, start + n, batch):
            yield self.draw(high - low, seed, cell=cell, start=low)

    def _requestable(self, cell: str) -> int:
        number = self.grid.index(cell)
        if self.target.shares[number] == 0 or not self.source.cells[number]:
            possible = [
                c for c, share in zip(self.grid.cells, self.target.shares, strict=True) if share > 0
            ]
            raise InputError(
                "cell",
                f"must be one with a positive share in the target ({'; '.join(possible)})",
                self.grid.cells[number],
                "Ask for another cell, or balance with a target that holds this one.",
            )
        return number

    def requested(self, n: int, seed: int = 0) -> NDArray[np.int64]:
        """Return the cells that draws 0..n-1 of the seed ask for, without drawing, shape (n,)."""
        parts = [self._requests(seed, block)[rows] for block, rows in blocks(0, n)]
        return np.concatenate(parts)

    def _requests(self, seed: int, block: int) -> NDArray[np.int64]:
        # Each block asks for its exact part of every cell, a remainder by chance, in random order
        # (systematic sampling, Madow 1949): requests add little noise to the mix.
        rng = generator_for(seed, Stream.REQUEST, block)
        places = (np.arange(BLOCK_ROWS) + rng.random()) / BLOCK_ROWS
        cells = np.searchsorted(np.cumsum(self.weights), places, side="right")
        last = np.flatnonzero(self.weights)[-1]  # The sum may round to just under 1.
        return np.asarray(rng.permutation(np.minimum(cells, last)), np.int64)

    def _compute_block(self, seed: int, block: int, cell: int) -> tuple[NDArray[Any], ...]:
        # The key 0 stands for draws of all cells, 1 + k for draws of cell k.
        key = (block, cell + 1)
        requested = self._requests(seed, block) if cell < 0 else np.full(BLOCK_ROWS, cell)
        drawn = self.source.block(seed, key, requested)
        return drawn.codes, requested, drawn.weights, drawn.folds

    @property
    def even(self) -> Sampler:
        """The sampler that requests each cell of positive target as often as the others."""
        wanted = self.target.shares > 0
        return replace(self, weights=wanted / wanted.sum())

    def for_verified(self, faithful: str | float | None = None) -> Sampler:
        """Return the sampler whose draws are classified and kept where they came out.

        Parameters
        ----------
        faithful : str or float, optional
            For a tilt: .9 or another number that it was made with, "exact" or "typical".

        Raises
        ------
        InputError
            When the sampler has no such draws.
        """
        return replace(self, source=self.source.for_verified(faithful))

    def bound(self, generator: Generator) -> Sampler:
        """Return the sampler with the generator that it draws with.

        Raises
        ------
        FileFormatError
            When it was made for another one.
        """
        self.check_generator(generator)
        return replace(self, source=self.source.bound(generator))

    def check_generator(self, generator: Generator) -> None:
        """Check that this is the generator that the sampler was made for, in any file.

        The digest is of weights and settings. So a checkpoint and what `equipoise convert` made of
        it are one generator, whatever their names.

        Raises
        ------
        FileFormatError
            Otherwise.
        """
        if replace(GeneratorRef.of(generator), name=self.generator.name) != self.generator:
            raise FileFormatError(
                "sampler",
                f"must be of the generator {generator.name!r} ({generator.digest[:12]})",
                f"one of {self.generator.name!r} ({self.generator.digest[:12]})",
                f"Use it with {self.generator.name!r}, or make one for this generator.",
            )

    def check_models(self, models: Models) -> None:
        """Check that the generator is the sampler's own, and that the panel reads its cells.

        Cells are numbers, so a panel of the same attributes in another order would mistake them.

        Raises
        ------
        FileFormatError
            When the sampler was made for another generator.
        InputError
            When the panel reads other attributes or levels, or in another order.
        """
        self.check_generator(models.generator)
        panel = models.panel
        if panel.grid != self.grid:
            raise InputError(
                "attributes",
                f"must be those of the sampler, {', '.join(self.grid.names)}, with their levels",
                ", ".join(panel.grid.names),
                "Leave --attributes out, or open a panel of them in this order.",
            )

    def check_panel(self, panel: ClassifierPanel) -> None:
        """Check that this panel reads as the one that the sampler's labels came from.

        Raises
        ------
        FileFormatError
            Otherwise.
        """
        if self.panel and self.panel != panel.digest:
            used = ", ".join(f"{c.name!r} ({c.digest[:12]})" for c in panel.classifiers)
            raise FileFormatError(
                f"classifiers {used}",
                f"must be those that the sampler was made with (panel {self.panel[:12]})",
                f"panel {panel.digest[:12]}",
                "Name the same ones, unchanged, by --classifier, or make the sampler again.",
            )

    def describe(self) -> str:
        """Return a few lines on what it draws, and by which method."""
        lines = [
            f"sampler of {self.source.method} for {self.generator.name} "
            f"(space {self.generator.space}, {self.generator.dim} values, "
            f"{self.generator.digest[:12]})",
            f"target: {self.target.text}",
        ]
        width = max(map(len, self.grid.cells))
        lines += [
            f"  {cell:{width}}  target {share:7.2%}  requested {weight:7.2%}"
            for cell, share, weight in zip(
                self.grid.cells, self.target.shares, self.weights, strict=True
            )
        ]
        for mode in self.statements:
            lines.append(f"verified draws, --faithful {mode.faithful}:")
            lines += [
                f"  {s.cell:{width}}  faithfulness {estimate(s.faithfulness, percent)}  "
                f"calls alone {estimate(s.calls)}  effective share {estimate(s.effective, percent)}"
                for s in mode.cells
            ]
            lines.append(f"  calls per image of the target, many at a time: {estimate(mode.calls)}")
        return "\n".join(lines)

    def statement(self, faithful: str | float | None = None) -> ModeStatement | None:
        """Return what is stated of verified draws; None where nothing is.

        Parameters
        ----------
        faithful : str or float, optional
            The mode, as for `for_verified`; by default the sampler's own, which is stated first.
        """
        wanted = None if faithful is None else mode_name(faithful)
        return next((one for one in self.statements if wanted in (None, one.faithful)), None)

    def _repr_html_(self) -> str:
        mode = self.statement()
        stated = {cell.cell: cell for cell in mode.cells} if mode else {}
        rows = []
        for k, cell in enumerate(self.grid.cells):
            own = stated.get(cell)
            numbers = (percent(self.target.shares[k]), percent(self.weights[k]))
            more = (estimate(own.faithfulness, percent), estimate(own.calls)) if own else ("", "")
            rows.append((cell, *numbers, *more))
        words = f"Sampler of {self.source.method} for {self.generator.name}"
        if mode:
            words += f"; verified draws: {mode.faithful}, {estimate(mode.calls)} calls an image"
        words += "."
        return as_html(words, ("cell", "target", "requests", "faithfulness", "calls alone"), rows)

    @property
    def digest(self) -> str:
        """SHA-256 of all that decides the draws."""
        # Purities decide the rates of shared candidates (`equipoise.samplers.shared`).
        stated = [
            [mode.faithful, [cell.purity.value for cell in mode.cells]] for mode in self.statements
        ]
        head = [vars(self.generator), grid_to_json(self.grid), self.weights.tolist()]
        head += [self.target.shares.tolist(), stated]
        text = json.dumps([*head, self.source.method, dict(self.source.parameters())])
        return digest_arrays(self.source.tensors(), text)


def digest_arrays(tensors: Mapping[str, NDArray[Any]], text: str) -> str:
    """SHA-256 of arrays, by name, and of the text beside them."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def grid_to_json(grid: AttributeGrid) -> list[dict[str, Any]]:
    """Return cells as JSON values."""
    return [
        {"name": a.name, "levels": list(a.levels), "ordered": a.ordered} for a in grid.attributes
    ]
