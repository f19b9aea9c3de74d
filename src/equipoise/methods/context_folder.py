"""A folder of images of contexts that a stopped drawing goes on in.

It holds images/*.png, and metadata.csv with the column `context`, as folders of a sampler do.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers.models import Models
from equipoise.core.attributes import AttributeGrid
from equipoise.core.errors import FileFormatError
from equipoise.core.labels import Labels, certain_labels
from equipoise.core.tables import read_rows, shown
from equipoise.generators.base import Prompted
from equipoise.labelling.contexts import CONTEXT
from equipoise.methods.context_draws import Drawn, KeptDraws
from equipoise.methods.context_proposals import ContextRequests
from equipoise.samplers.export.folder import append_images, claimed, whole_rows
from equipoise.samplers.export.metadata import METADATA, read_metadata
from equipoise.samplers.sampler import GeneratorRef

Draw = Callable[[KeptDraws], Drawn]
"""What draws the images that come after those that are kept."""


@dataclass(frozen=True, eq=False)
class ContextFolder:
    """What a folder holds.

    Attributes
    ----------
    contexts : numpy.ndarray, shape (n,), int64
        Number of the context of each image.
    labels : Labels
        Levels of the n images.
    files : tuple of str
        Paths of the images, relative to the folder.
    calls : float
        Generator calls, those of refused images included.
    """

    contexts: NDArray[np.int64]
    labels: Labels
    files: tuple[str, ...]
    calls: float


def identity_of(
    models: Models, requests: ContextRequests, seed: int, refusal: dict[str, Any] | None = None
) -> str:
    """Return all that determines the images, as JSON.

    Parameters
    ----------
    models : Models
    requests : ContextRequests
    seed : int
        Of the draws.
    refusal : dict, optional
        What early refusal states of itself.
    """
    arrays = (requests.counts, requests.by_prompt, requests.purity)
    wanted = hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays))
    return json.dumps(
        {
            **models.identity,
            "seed": seed,
            "verified": requests.verified,
            "requests": wanted.hexdigest(),
            "early_refusal": refusal,
        }
    )


def write_contexts(
    draw: Draw, models: Models, generator: Prompted, identity: str, out: Path
) -> ContextFolder:
    """Write the images that the folder lacks, and return all that it holds.

    Parameters
    ----------
    draw : callable
        As of `Draw`.
    models : Models
    generator : Prompted
        That of the models.
    identity : str
        By `identity_of`.
    out : Path

    Raises
    ------
    InputError
        When the folder holds other draws.
    FileFormatError
        When its metadata are damaged.
    StorageError
        When the disk fails; whole images written so far are kept.
    """
    ref, grid = GeneratorRef.of(generator), models.panel.grid
    with claimed(out, identity, "draws of the same prompts, models, settings and labels"):
        whole_rows(out / METADATA, out)
        kept, _ = _read(out, grid)
        with (
            (out / METADATA).open("a", newline="", encoding="utf-8") as file,
            closing(draw(kept)) as parts,
        ):
            for part in parts:
                rows = [
                    {
                        "file_name": f"images/{context:05d}-{row['index']:06d}.png",
                        CONTEXT: generator.contexts[context],
                        **row,
                    }
                    for context, row in zip(part.contexts.tolist(), part.rows(), strict=True)
                ]
                append_images(out, file, rows, part.images, ref)
        found, calls = _read(out, grid)
        own = read_metadata(out, grid.names)
    return ContextFolder(found.contexts, certain_labels(grid, own.levels), own.files, calls)


def _read(out: Path, grid: AttributeGrid) -> tuple[KeptDraws, float]:
    """Return what the folder holds, and the generator calls that it cost."""
    table = out / METADATA
    if not table.exists() or not table.stat().st_size:
        return KeptDraws.nothing(), 0.0
    found: list[tuple[int, int, int]] = []
    calls = 0.0
    for line, row in read_rows(table, ("file_name", "index", "requested", "calls")):
        try:
            cell = grid.index(row["requested"])
            context, _, _ = Path(row["file_name"]).stem.partition("-")
            found.append((int(context), int(row["index"]), cell))
            calls += float(row["calls"])
        except ValueError as error:
            raise FileFormatError(
                f"row {line} of {table}",
                "must be as `equipoise balance-contexts` wrote it",
                shown(", ".join(row.values())),
                "Choose another folder with --out.",
            ) from error
    columns = np.array(found, np.int64).reshape(-1, 3).T
    return KeptDraws(*columns), calls
