"""Images of every context with a wanted mix in each: label edits, solve for their rates, draw.

A cell is requested of a context by the edit of its prompt that names the cell. Edits err, so images
of each are labelled, rates are solved for (`equipoise.methods.context_rates`), and requests follow
the rates. One-shot draws keep every image; verified draws keep those of the requested cell.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from equipoise.classifiers.models import Models
from equipoise.core.attributes import AttributeGrid
from equipoise.core.errors import InputError, InsufficientLabelsError, Listed
from equipoise.core.folders import Folder
from equipoise.core.frames import cell_column
from equipoise.core.labels import Labels, concatenate, to_columns
from equipoise.core.parallel import batches
from equipoise.core.progress import Execution
from equipoise.core.seeds import Stream, child_seed
from equipoise.core.targets import Target
from equipoise.generators.base import Generator, Prompted, generate
from equipoise.labelling.collect import label_codes
from equipoise.labelling.shards import CodeSource
from equipoise.methods.context_rates import ContextCalibration, count_by_context
from equipoise.samplers.draw import ATTEMPTS, exact_counts


@dataclass(frozen=True, eq=False)
class ContextImages:
    """Images of one context.

    Attributes
    ----------
    context : int
        Its number.
    seed : int
        Of its noise.
    index : numpy.ndarray, shape (n,), int64
        Draw i of the context.
    requested : numpy.ndarray, shape (n,), int64
        Cells that were asked for.
    images : numpy.ndarray, shape (n, channels, height, width), uint8
    labels : Labels
    calls : int
        Generator calls, those of refused images included.
    """

    context: int
    seed: int
    index: NDArray[np.int64]
    requested: NDArray[np.int64]
    images: NDArray[np.uint8]
    labels: Labels
    calls: int

    def rows(self) -> list[dict[str, Any]]:
        """Return a row of metadata for each image."""
        grid = self.labels.grid
        columns = {
            "seed": np.full(len(self.index), self.seed),
            "index": self.index,
            "requested": cell_column(grid, self.requested),
            "achieved": cell_column(grid, self.labels.cells),
            **to_columns(self.labels),
        }
        found: list[dict[str, Any]] = pa.table(columns).to_pylist()
        return found


def check_prompted(generator: Generator, grid: AttributeGrid) -> tuple[Prompted, NDArray[np.int64]]:
    """Return the generator, and the variant that asks for each cell, shape (K,).

    Raises
    ------
    InputError
        When it has no contexts, or no edit for some cell.
    """
    if not isinstance(generator, Prompted):
        rule = "must have contexts, as toy-text and diffusers-text: have"
        raise InputError("generator", rule, generator.name, "Balance it by `equipoise balance`.")
    variants = np.zeros(grid.size, np.int64)
    for number, edit in enumerate(generator.edits, 1):
        variants[grid.index(edit)] = number
    if missing := [grid.cells[k] for k in np.flatnonzero(variants == 0)]:
        raise InputError(
            f"edits of generator {generator.name!r}",
            "must be one for each cell",
            Listed(f"none for {cell}" for cell in missing),
            "Add rows with that cell to the list of prompts, or name other attributes.",
        )
    return generator, variants


def count_edits(
    models: Models,
    n: int,
    seed: int,
    folder: Path | str | Folder,
    *,
    execution: Execution = Execution(),
) -> NDArray[np.int64]:
    """Label n images of all edits in turn, and count what came out, shape (C, K, K + 1).

    Parameters
    ----------
    models : Models
        A `Prompted` generator, and the panel.
    n : int
        Images, at least one for each context and cell.
    seed : int
        Of the noise.
    folder : Path, str or Folder
        Keeps the labels; a stopped call continues there.
    execution : Execution

    Raises
    ------
    InputError
        When n is too small, or an edit is missing.
    """
    grid = models.panel.grid
    generator, variants = check_prompted(models.generator, grid)
    contexts = len(generator.contexts)
    if n < contexts * grid.size:
        rule = f"must be at least {contexts * grid.size:,}, one for each context and cell"
        raise InputError("n", rule, n, "Raise it: 20 times that gives good rates.")

    def placed(start: int, stop: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        cells, context = np.divmod(np.arange(start, stop), contexts)
        return context, cells % grid.size

    def codes(start: int, stop: int) -> NDArray[np.float32]:
        context, cells = placed(start, stop)
        found = generator.prior.codes(seed, start, stop)
        found[:, -2], found[:, -1] = context, variants[cells]
        return found

    source = CodeSource(f"edits of contexts, seed {seed}", codes)
    table = label_codes(models, source, n, folder, stage="label edits", execution=execution)
    context, requested = placed(0, n)
    return count_by_context(context, requested, table.labels().cells, (contexts, grid.size))


def draw_contexts(
    models: Models,
    rates: ContextCalibration,
    target: Target,
    n: int,
    seed: int = 0,
    *,
    verified: bool = False,
    attempts: int = ATTEMPTS,
    execution: Execution = Execution(),
) -> Iterator[ContextImages]:
    """Yield n images of each context, context by context.

    Parameters
    ----------
    models : Models
        As those whose edits were counted.
    rates : ContextCalibration
    target : Target
        What verified draws have exactly.
    n : int
        Images of each context.
    seed : int
        Of the noise. Draws of two contexts are independent.
    verified : bool
        Keep only images that the panel sees as requested.
    attempts : int
        Rounds of verified draws, in which each missing image is drawn once, after which a context
        is given up.
    execution : Execution
        Progress counts kept images.

    Raises
    ------
    InsufficientLabelsError
        When verified draws of a cell do not come; the message names it and its context.
    """
    generator, variants = check_prompted(models.generator, models.panel.grid)
    for context, one in enumerate(rates.contexts):
        shares = target.shares if verified else one.weights
        missing = exact_counts(Target(target.grid, shares), n)
        own = child_seed(seed, Stream.CONTEXT_DRAWS, context)
        kept: list[tuple[NDArray[Any], ...]] = []
        labels: list[Labels] = []
        calls = rounds = 0
        while missing.any():
            if rounds == attempts:
                cell = target.grid.cells[int(missing.argmax())]
                raise InsufficientLabelsError(
                    f"cell {cell!r} of context {generator.contexts[context]!r}",
                    f"must come of its edit within {attempts} rounds",
                    f"{int(missing.max()):,} images missing",
                    "Draw without --verified, or word the edit otherwise.",
                )
            requested = np.repeat(np.arange(len(missing)), missing)
            codes = generator.codes_of(own, calls, calls + len(requested), context)
            codes[:, -1] = variants[requested]
            for low, high in batches(0, len(codes), generator.batch_size):
                images = generate(generator, codes[low:high])
                found = models.panel.predict(images)
                asked = requested[low:high]
                good = np.flatnonzero((found.cells == asked) | (not verified))
                kept.append((calls + low + good, asked[good], images[good]))
                labels.append(found.take(good))
                np.subtract.at(missing, asked[good], 1)
            calls, rounds = calls + len(codes), rounds + 1
        index, asked, images = (np.concatenate(part) for part in zip(*kept, strict=True))
        execution.progress("draw", (context + 1) * n, len(rates.contexts) * n)
        yield ContextImages(context, own, index, asked, images, concatenate(labels), calls)
