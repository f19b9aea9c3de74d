"""Drawn images on disk: an image folder, one npz file, or a tar of the WebDataset layout.

Every format carries the same row for each image: file name, seed, index, requested and achieved
cell, weight, levels, probabilities and scores. The folder is what
`datasets.load_dataset("imagefolder")` reads.
"""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from equipoise.classifiers.models import Models
from equipoise.core.errors import InputError, check_count
from equipoise.core.files import atomic_path, write_text
from equipoise.core.progress import Execution
from equipoise.core.records import to_json
from equipoise.core.synthetic_mark import SOURCE_TYPE
from equipoise.samplers.draw import ImageBatch
from equipoise.samplers.export.croissant import describe_file, describe_folder, of_sampler
from equipoise.samplers.export.dataset_card import FILE as CARD
from equipoise.samplers.export.dataset_card import (
    FOLDER,
    WEIGHTED,
    cell_table,
    dataset_card,
    reading,
)
from equipoise.samplers.export.folder import write_folder
from equipoise.samplers.export.marked_png import marked_png
from equipoise.samplers.export.metadata import (
    answer_name,
    metadata_rows,
    no_images,
    read_metadata,
)
from equipoise.samplers.job import DrawJob, DrawRequest
from equipoise.samplers.sampler import GeneratorRef, Sampler

if TYPE_CHECKING:
    from equipoise.samplers.export.c2pa_manifest import ManifestSigner

FORMATS = ("folder", "npz", "tar")


def format_of(out: Path) -> str:
    """Return the format by the suffix of a path: npz, tar, else folder.

    Examples
    --------
    >>> format_of(Path("faces.tar")), format_of(Path("faces"))
    ('tar', 'folder')
    """
    suffix = out.suffix.removeprefix(".")
    return suffix if suffix in FORMATS else "folder"


def write_draws(
    sampler: Sampler,
    models: Models,
    request: DrawRequest,
    out: Path,
    kind: str = "folder",
    *,
    signer: ManifestSigner | None = None,
    execution: Execution = Execution(),
) -> Path:
    """Write drawn images with their metadata.

    A folder that was stopped half way goes on where it stopped; npz and tar files are written
    whole or not at all. `croissant.json` in the folder, or OUT.croissant.json beside a file,
    describes the images.

    Parameters
    ----------
    sampler, models
        The panel reads the sampler's attributes from each image.
    request : DrawRequest
        What to draw.
    out : Path
        A folder for "folder", else a file.
    kind : str
        One of `FORMATS`.
    signer : ManifestSigner, optional
        Adds a C2PA manifest to each picture, of the formats folder and tar.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    FileFormatError
        When the sampler was made for another generator.
    InputError
        When the request breaks a rule, the panel reads other attributes than the sampler's or in
        another order, or the folder holds other draws.
    StorageError
        When the disk fails; whole images written so far are kept by "folder".
    """
    if kind not in FORMATS:
        raise InputError("format", f"must be one of {', '.join(FORMATS)}", kind, "Correct it.")
    if signer is not None and kind == "npz":
        rule = "must be folder or tar for pictures with a C2PA manifest"
        raise InputError("format", rule, kind, "Choose one, or leave the key out.")
    if out.exists() and out.is_dir() != (kind == "folder"):
        raise InputError(
            f"path {out}",
            "must be a folder for the format folder, else a file",
            f"the format {kind}",
            "Choose another --out, or --format.",
        )
    drawing = DrawJob(sampler, models, request, execution)
    if kind != "folder":
        check_count("n", request.n, "Pass --n 1000.")
    drawing.check()
    if kind == "folder":
        write_folder(drawing, out, signer)
        _describe_folder(drawing, out)
        return out
    with closing(drawing.batches(drawing.nothing())) as drawn, atomic_path(out) as part:
        rows: list[dict[str, Any]] = []
        if kind == "npz":
            _write_npz(drawn, sampler.generator, models.generator.image_shape, request, part, rows)
        else:
            write_tar(drawn, sampler.generator, request, part, rows=rows, signer=signer)
    words = _in_words(drawing, Counter(str(row["achieved"]) for row in rows))
    describe_file(out, kind, words)
    return out


def _in_words(drawing: DrawJob, counts: Mapping[str, int]) -> str:
    """Return what the images are, by how many of each cell there are."""
    digest, cells = drawing.sampler_drawn.digest, dict(sorted(counts.items()))
    return of_sampler(drawing.sampler.generator, digest, drawing.request, cells)


def _describe_folder(drawing: DrawJob, out: Path) -> None:
    """Write the description and the page of a whole folder beside its metadata."""
    request = drawing.request
    found = read_metadata(out) if request.n else no_images(drawing.sampler.grid, out)
    counts = Counter(answer_name(found.grid, levels) for levels in found.levels.tolist())
    generator, name = drawing.sampler.generator, out.resolve().name
    describe_folder(out, found.grid, _in_words(drawing, counts))
    body = [
        f"{len(found.files):,} {'verified' if request.verified else 'one-shot'} draws of the "
        f"generator {generator.name}, seed {request.seed}. `metadata.csv` has a row for each.",
        "",
        *cell_table(
            ("cell", "images"), [(cell, f"{count:,}") for cell, count in sorted(counts.items())]
        ),
        "",
        reading([classifier.name for classifier in drawing.models.panel.classifiers]),
        "",
        WEIGHTED,
    ]
    write_text(out / CARD, dataset_card(name, len(found.files), FOLDER, body))


def _write_npz(
    drawn: Iterator[ImageBatch],
    generator: GeneratorRef,
    image_shape: tuple[int, int, int],
    request: DrawRequest,
    part: Path,
    rows: list[dict[str, Any]],
) -> None:
    """Write images.npy, shape (n, C, H, W), one array for each column of metadata, and the mark.

    `rows` gets the metadata of each image.
    """
    header = {"descr": "|u1", "fortran_order": False, "shape": (request.n, *image_shape)}
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:

        def member(name: str) -> zipfile.ZipInfo:
            """Return a member without the time, so that the same draws are the same bytes."""
            found = zipfile.ZipInfo(f"{name}.npy")
            found.compress_type = zipfile.ZIP_DEFLATED
            return found

        with archive.open(member("images"), "w", force_zip64=True) as images:
            np.lib.format.write_array_header_2_0(images, header)
            for batch in drawn:
                images.write(batch.images.tobytes())
                rows += metadata_rows(batch, request.seed, len(rows))
        for name in rows[0]:
            if name == "file_name":
                continue
            with archive.open(member(name), "w") as column:
                np.lib.format.write_array(
                    column, np.array([row[name] for row in rows]), allow_pickle=False
                )
        for name, text in (
            ("digital_source_type", SOURCE_TYPE),
            ("generator", generator.name),
            ("generator_digest", generator.digest),
        ):
            with archive.open(member(name), "w") as mark:
                np.lib.format.write_array(mark, np.array(text), allow_pickle=False)


def write_tar(
    drawn: Iterator[ImageBatch],
    generator: GeneratorRef,
    request: DrawRequest,
    part: Path,
    *,
    start: int = 0,
    rows: list[dict[str, Any]] | None = None,
    signer: ManifestSigner | None = None,
) -> None:
    """Write NNNNNNNNN.png and NNNNNNNNN.json for each image, as WebDataset pairs them.

    Parameters
    ----------
    drawn : iterator of ImageBatch
    generator : GeneratorRef
        Named in the mark of each picture.
    request : DrawRequest
    part : Path
        The tar.
    start : int
        Number of the first image.
    rows : list, optional
        Gets the metadata of each image.
    signer : ManifestSigner, optional
        Adds a C2PA manifest to each picture.
    """
    number = start
    with tarfile.open(part, "w") as archive:
        for batch in drawn:
            written = metadata_rows(batch, request.seed, number)
            number += len(batch.images)
            for row, image in zip(written, batch.images, strict=True):
                key = Path(row["file_name"]).stem
                row["file_name"] = f"{key}.png"
                for suffix, content in (
                    ("png", marked_png(image, generator, row, signer)),
                    ("json", json.dumps(to_json(row)).encode()),
                ):
                    add_member(archive, f"{key}.{suffix}", content)
                if rows is not None:
                    rows.append(row)


def add_member(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    """Add a file to a tar, without the time, so that the same files are the same bytes."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    archive.addfile(info, io.BytesIO(content))
