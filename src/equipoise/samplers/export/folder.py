"""An image folder that a stopped drawing goes on in: images/*.png and metadata.csv."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from equipoise.core.attributes import AttributeGrid
from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.files import RESUMES, storage, write_text
from equipoise.core.tables import read_rows
from equipoise.samplers.draw import one_shot
from equipoise.samplers.export.marked_png import marked_png
from equipoise.samplers.export.metadata import DRAWS, METADATA, metadata_rows, parse_draws
from equipoise.samplers.filling import Position
from equipoise.samplers.job import DrawJob, ResumePoint
from equipoise.samplers.sampler import GeneratorRef

if TYPE_CHECKING:
    from equipoise.samplers.export.c2pa_manifest import ManifestSigner


_LATER = ("sampler_file", "faithful")
"""What folders of older versions do not say."""


def write_folder(drawing: DrawJob, out: Path, signer: ManifestSigner | None = None) -> None:
    """Write the images that the folder lacks.

    Parameters
    ----------
    drawing : DrawJob
    out : Path
    signer : ManifestSigner, optional
        Adds a C2PA manifest to each image; the folder then holds images of this certificate alone.

    Raises
    ------
    InputError
        When the folder holds other draws, or more than are asked for.
    StorageError
        When the disk fails; whole images written so far are kept.
    """
    with claimed_for(drawing, out, signer):
        _append(drawing, out, signer)


def claimed_for(
    drawing: DrawJob, out: Path, signer: ManifestSigner | None = None
) -> AbstractContextManager[None]:
    """Hold a folder for the draws of a job, as `claimed`."""
    sampler, request = drawing.sampler, drawing.request
    wanted = {
        "sampler": drawing.sampler_drawn.digest,
        **_origin(drawing),
        "panel": drawing.models.panel.digest,
        "seed": request.seed,
        "cell": request.cell and sampler.grid.cells[sampler.grid.index(request.cell)],
        "verified": request.verified,
    }
    if signer is not None:
        wanted["certificate"] = signer.digest
    holds = "draws of the same sampler, --verified, --faithful, seed, cell and certificate"
    return claimed(out, json.dumps(wanted), holds)


def _origin(drawing: DrawJob) -> dict[str, str]:
    """Return the sampler's own digest, and the mode of verified draws; with them goes `sampler`."""
    drawn, file = drawing.sampler_drawn, drawing.sampler.digest
    mode = getattr(drawn.source, "mode", "") if drawing.request.verified else ""
    return dict(zip(_LATER, (file, mode), strict=True))


def _is_same(found: str, identity: str) -> bool:
    """Return whether a folder's identity is this one, or an older one that lacks what is later."""
    if found == identity:
        return True
    known, wanted = parse_draws(found), parse_draws(identity)
    return set(wanted) - set(known) <= set(_LATER) and known == {
        name: value for name, value in wanted.items() if name in known
    }


@contextmanager
def claimed(out: Path, identity: str, holds: str) -> Iterator[None]:
    """Make a folder of images, and hold it for draws of one identity.

    Parameters
    ----------
    out : Path
    identity : str
        All that determines the draws, as JSON.
    holds : str
        What the folder may hold, for the error.

    Raises
    ------
    InputError
        When it holds other draws, or other files.
    StorageError
        When the disk fails, in the body too.
    """
    table, record = out / METADATA, out / DRAWS
    with storage(out, RESUMES):
        (out / "images").mkdir(parents=True, exist_ok=True)
    with storage(out, RESUMES), FileLock(out / ".draws.lock"):
        if record.exists():
            found = record.read_text(encoding="utf-8", errors="replace")
        else:
            empty = not table.exists() and not any((out / "images").iterdir())
            found = identity if empty else "other files"
        if not _is_same(found, identity):
            raise InputError(
                f"folder {out}",
                f"must be empty or hold {holds}",
                found,
                "Choose another folder with --out.",
            )
        write_text(record, identity)
        yield


def append_images(
    out: Path,
    file: TextIO,
    rows: Sequence[Mapping[str, Any]],
    images: NDArray[np.uint8],
    generator: GeneratorRef,
    signer: ManifestSigner | None = None,
) -> None:
    """Write images, then their rows of metadata, so that a row has its image.

    Parameters
    ----------
    out : Path
        The folder.
    file : TextIO
        Its metadata.csv, opened to append with newline "".
    rows : sequence of mapping
        One for each image; `file_name` is the first column.
    images : numpy.ndarray, shape (n, channels, height, width), uint8
    generator : GeneratorRef
    signer : ManifestSigner, optional
        Adds a C2PA manifest to each image.
    """
    if not rows:
        return
    for row, image in zip(rows, images, strict=True):
        (out / row["file_name"]).write_bytes(marked_png(image, generator, row, signer))
    writer = csv.DictWriter(file, list(rows[0]))
    if file.tell() == 0:
        writer.writeheader()
    writer.writerows(rows)
    file.flush()


def _append(drawing: DrawJob, out: Path, signer: ManifestSigner | None) -> None:
    """Write the images and rows that the folder lacks."""
    sampler, request = drawing.sampler, drawing.request
    table = out / METADATA
    kept, start = _kept(table, out, sampler.grid)
    wanted = request.counts(sampler) if request.verified else np.array([request.n])
    have = kept.counts if request.verified else np.array([kept.rows])
    if (have > wanted).any():
        raise InputError(
            "n",
            f"must be at least what {out} holds already, {kept.rows} images",
            request.n,
            "Choose another folder with --out, or a larger --n.",
        )
    with (
        table.open("a", newline="", encoding="utf-8") as file,
        closing(drawing.batches(kept)) as batches,
    ):
        for drawn in batches:
            rows = list(metadata_rows(drawn, request.seed, start))
            start += len(rows)
            append_images(out, file, rows, drawn.images, sampler.generator, signer)
        if not request.n:
            csv.writer(file).writerow(_columns(drawing))


def _columns(drawing: DrawJob) -> list[str]:
    """Return the columns of the metadata, for a folder without images: those of one draw."""
    request = drawing.request
    one = one_shot(drawing.sampler, drawing.models, 1, request.seed, cell=request.cell)
    with closing(one) as batches:
        return list(next(metadata_rows(next(batches), request.seed, 0)))


def _kept(table: Path, out: Path, grid: AttributeGrid) -> tuple[ResumePoint, int]:
    """Return what the folder holds, less what follows the last whole image, and the next number.

    Draws and file names go on after the largest, since rows may have been taken away by hand.
    """
    rows = whole_rows(table, out)
    counts = np.zeros(grid.size, np.int64)
    following = Position.first(grid)
    number = 0
    for line, row in read_rows(table, ["file_name", "index", "requested"]) if rows else ():
        try:
            k = grid.index(row["requested"])
            index, own = int(row["index"]), int(Path(row["file_name"]).stem)
        except ValueError as error:
            raise FileFormatError(
                f"row {line} of {table}",
                "must be as `equipoise sample` wrote it",
                ", ".join(row.values()),
                "Remove the row, or choose another folder with --out.",
            ) from error
        counts[k] += 1
        following = following.after(index, k)
        number = max(number, own + 1)
    return ResumePoint(rows, counts, following), number


def whole_rows(table: Path, out: Path) -> int:
    """Cut off what follows the last row whose image is there, and return how many rows are left."""
    if not table.exists():
        return 0
    content = table.read_bytes()
    lines = content[: content.rfind(b"\n") + 1].splitlines(keepends=True)
    count = 1
    while count < len(lines):
        image = out / lines[count].partition(b",")[0].decode("utf-8", "replace")
        if not image.is_file():
            break
        count += 1
    kept = b"".join(lines[:count]) if count > 1 else b""
    if kept != content:
        write_text(table, kept.decode("utf-8", "replace"))
    return count - 1
