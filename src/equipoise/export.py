"""Drawn images on disk: an image folder, one npz file, or a tar of the WebDataset layout.

Every format carries the same row for each image: file name, seed, index, requested cell, achieved
levels, probabilities and scores. The folder is what `datasets.load_dataset("imagefolder")` reads.
"""

from __future__ import annotations

import csv
import io
import json
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from PIL import Image

from equipoise.classifiers.panel import Panel
from equipoise.drawing import Batches, Drawn, exact_counts, one_shot, verified
from equipoise.errors import InputError, check_count
from equipoise.files import atomic_path, storage, write_text
from equipoise.generators.base import Generator
from equipoise.groups import UNKNOWN_NAME, Groups
from equipoise.labels import to_columns
from equipoise.progress import Progress, silent
from equipoise.sampler import Sampler
from equipoise.store import to_json

FORMATS = ("folder", "npz", "tar")


def format_of(out: Path) -> str:
    """Return the format that a path's name tells: npz, tar, else folder.

    Examples
    --------
    >>> format_of(Path("faces.tar")), format_of(Path("faces"))
    ('tar', 'folder')
    """
    suffix = out.suffix.removeprefix(".")
    return suffix if suffix in FORMATS else "folder"


@dataclass(frozen=True, eq=False)
class Kept:
    """What a folder holds already.

    Attributes
    ----------
    rows : int
        Whole images.
    counts, next_index : numpy.ndarray, shape (K,), int64
        Per requested cell: images, and the index after the last of them.
    """

    rows: int
    counts: NDArray[np.int64]
    next_index: NDArray[np.int64]


@dataclass(frozen=True)
class Request:
    """What to draw.

    Attributes
    ----------
    n : int
        Images.
    seed : int
        Names the draws.
    cell : str or None
        One cell alone, or all as the sampler weighs them.
    verified : bool
        Keep only images that came out as requested, so that counts follow the target exactly;
        they come cell by cell.
    """

    n: int
    seed: int = 0
    cell: str | None = None
    verified: bool = False

    def counts(self, sampler: Sampler) -> NDArray[np.int64]:
        """Return the wanted images of each cell, for verified draws."""
        if self.cell is None:
            return exact_counts(sampler.target, self.n)
        counts = np.zeros(sampler.groups.size, np.int64)
        counts[sampler.groups.index(self.cell)] = self.n
        return counts


def write_draws(
    sampler: Sampler,
    generator: Generator,
    panel: Panel,
    request: Request,
    out: Path,
    kind: str = "folder",
    *,
    workers: int | None = None,
    progress: Progress = silent,
) -> Path:
    """Write drawn images with their metadata.

    A folder that was stopped half way goes on where it stopped; npz and tar files are written
    whole or not at all.

    Parameters
    ----------
    sampler, generator, panel
        The panel reads the sampler's attributes from each image.
    request : Request
        What to draw.
    out : Path
        A folder for "folder", else a file.
    kind : str
        One of `FORMATS`.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    FileFormatError
        When the sampler was made for another generator.
    InputError
        When the request breaks a rule, or the folder holds other draws.
    StorageError
        When the disk fails; whole images written so far are kept by "folder".
    """
    if kind not in FORMATS:
        raise InputError("format", f"must be one of {', '.join(FORMATS)}", kind, "Correct it.")
    check_count("n", request.n, "Pass --n 1000.")
    if out.exists() and out.is_dir() != (kind == "folder"):
        raise InputError(
            f"path {out}",
            "must be a folder for the format folder, else a file",
            f"the format {kind}",
            "Choose another --out, or --format.",
        )
    sampler.check_generator(generator)
    sampler.draw(1, request.seed, cell=request.cell)  # A bad request fails before a file is made.
    if kind == "folder":
        return _write_folder(sampler, generator, panel, request, out, workers, progress)
    nothing = np.zeros(sampler.groups.size, np.int64)
    drawn = _drawn(sampler, generator, panel, request, Kept(0, nothing, nothing), workers, progress)
    with closing(drawn), atomic_path(out) as part:
        if kind == "npz":
            _write_npz(drawn, generator, request, part)
        else:
            _write_tar(drawn, request, part)
    return out


def _drawn(
    sampler: Sampler,
    generator: Generator,
    panel: Panel,
    request: Request,
    kept: Kept,
    workers: int | None,
    progress: Progress,
) -> Batches:
    """Yield the batches of a request that come after what is kept already."""
    if request.verified:
        yield from verified(
            sampler,
            generator,
            panel,
            request.counts(sampler) - kept.counts,
            request.seed,
            start=kept.next_index,
            workers=workers,
            progress=progress,
        )
        return
    progress("draw", kept.rows, request.n)
    if kept.rows == request.n:
        return
    done = kept.rows
    for drawn in one_shot(
        sampler,
        generator,
        panel,
        request.n - kept.rows,
        request.seed,
        cell=request.cell,
        start=kept.rows,
        workers=workers,
    ):
        yield drawn
        done += len(drawn.images)
        progress("draw", done, request.n)


def metadata_rows(drawn: Drawn, seed: int, start: int) -> Iterator[dict[str, Any]]:
    """Yield the metadata of each image of a batch, whose first image is number `start`."""
    groups = drawn.labels.groups
    columns = {name: column.to_pylist() for name, column in to_columns(drawn.labels).items()}
    for i, requested in enumerate(drawn.draws.requested):
        cell = drawn.labels.cells[i]
        yield {
            "file_name": f"images/{start + i:09d}.png",
            "seed": seed,
            "index": int(drawn.draws.index[i]),
            "requested": groups.cells[requested],
            "achieved": groups.cells[cell] if cell >= 0 else UNKNOWN_NAME,
            **{name: values[i] for name, values in columns.items()},
        }


def _png(image: NDArray[np.uint8]) -> bytes:
    content = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0)).save(content, format="PNG", compress_level=1)
    return content.getvalue()


def _write_folder(
    sampler: Sampler,
    generator: Generator,
    panel: Panel,
    request: Request,
    out: Path,
    workers: int | None,
    progress: Progress,
) -> Path:
    table, identity = out / "metadata.csv", out / ".draws.json"
    cell = request.cell and sampler.groups.cells[sampler.groups.index(request.cell)]
    wanted = json.dumps(
        {
            "sampler": sampler.digest,
            "panel": panel.digest,
            "seed": request.seed,
            "cell": cell,
            "verified": request.verified,
        }
    )
    with storage(out):
        (out / "images").mkdir(parents=True, exist_ok=True)
    with storage(out), FileLock(out / ".draws.lock"):
        if identity.exists():
            found = identity.read_text(encoding="utf-8", errors="replace")
        else:
            found = "other files" if table.exists() or any((out / "images").iterdir()) else wanted
        if found != wanted:
            raise InputError(
                f"folder {out}",
                "must be empty or hold draws of the same sampler, seed and cell",
                found,
                "Choose another folder with --out.",
            )
        write_text(identity, wanted)
        _append(sampler, generator, panel, request, out, workers, progress)
    return out


def _append(
    sampler: Sampler,
    generator: Generator,
    panel: Panel,
    request: Request,
    out: Path,
    workers: int | None,
    progress: Progress,
) -> None:
    """Write the images and rows that the folder lacks."""
    table = out / "metadata.csv"
    kept = _kept(table, out, sampler.groups)
    wanted = request.counts(sampler) if request.verified else np.array([request.n])
    have = kept.counts if request.verified else np.array([kept.rows])
    if (have > wanted).any():
        raise InputError(
            "n",
            f"must be at least what {out} holds already, {kept.rows} images",
            request.n,
            "Choose another folder with --out, or a larger --n.",
        )
    start = kept.rows
    with table.open("a", newline="", encoding="utf-8") as file:
        batches = _drawn(sampler, generator, panel, request, kept, workers, progress)
        for drawn in batches:
            rows = list(metadata_rows(drawn, request.seed, start))
            start += len(rows)
            for row, image in zip(rows, drawn.images, strict=True):
                (out / row["file_name"]).write_bytes(_png(image))
            writer = csv.DictWriter(file, list(rows[0]))
            if file.tell() == 0:
                writer.writeheader()
            writer.writerows(rows)
            file.flush()


def _kept(table: Path, out: Path, groups: Groups) -> Kept:
    """Tell what the folder holds, after cutting off what follows the last whole image."""
    rows = _whole_rows(table, out)
    counts = np.zeros(groups.size, np.int64)
    following = np.zeros(groups.size, np.int64)
    if rows:
        with table.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                k = groups.index(row["requested"])
                counts[k] += 1
                following[k] = int(row["index"]) + 1
    return Kept(rows, counts, following)


def _whole_rows(table: Path, out: Path) -> int:
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


def _write_npz(drawn: Iterator[Drawn], generator: Generator, request: Request, part: Path) -> None:
    """Write images.npy, shape (n, C, H, W), and one array for each column of metadata."""
    header = {
        "descr": "|u1",
        "fortran_order": False,
        "shape": (request.n, *generator.image_shape),
    }
    rows: list[dict[str, Any]] = []
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("images.npy", "w", force_zip64=True) as images:
            np.lib.format.write_array_header_2_0(images, header)
            for batch in drawn:
                images.write(batch.images.tobytes())
                rows += metadata_rows(batch, request.seed, len(rows))
        for name in rows[0].keys() - {"file_name"}:
            with archive.open(f"{name}.npy", "w") as column:
                np.lib.format.write_array(
                    column, np.array([row[name] for row in rows]), allow_pickle=False
                )


def _write_tar(drawn: Iterator[Drawn], request: Request, part: Path) -> None:
    """Write NNNNNNNNN.png and NNNNNNNNN.json for each image, as WebDataset pairs them."""
    number = 0
    with tarfile.open(part, "w") as archive:
        for batch in drawn:
            rows = metadata_rows(batch, request.seed, number)
            number += len(batch.images)
            for row, image in zip(rows, batch.images, strict=True):
                key = Path(row["file_name"]).stem
                row["file_name"] = f"{key}.png"
                for suffix, content in (
                    ("png", _png(image)),
                    ("json", json.dumps(to_json(row)).encode()),
                ):
                    info = tarfile.TarInfo(f"{key}.{suffix}")
                    info.size = len(content)
                    archive.addfile(info, io.BytesIO(content))
