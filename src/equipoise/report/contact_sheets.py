"""Contact sheets: images of the generator and of samplers, in grids, overall and by cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from equipoise.classifiers.models import Models
from equipoise.core.files import atomic_path
from equipoise.core.labels import Labels
from equipoise.core.synthetic_mark import packet
from equipoise.generators.base import Generator, generate_all
from equipoise.runs.folder import PRIOR, RunFolder
from equipoise.samplers.export.png import xmp
from equipoise.samplers.sampler import Sampler

COLUMNS = 12
"""Images in a row of a contact sheet."""

ROWS = 4
"""Rows of a sheet of draws."""

_GAP = 2
"""Pixels around each image."""

_RED = (200, 30, 40)
"""Colour of the frame around marked images."""

_BATCH = 64
"""Images that are made at a time."""

_SIDE = 192
"""Pixels of the longer side of an image above a caption."""


def contact_sheet(
    images: NDArray[np.uint8], columns: int, marked: NDArray[np.bool_] | None = None
) -> Image.Image:
    """Return images in a grid, row by row.

    Parameters
    ----------
    images : numpy.ndarray, shape (n, 3, height, width), uint8
    columns : int
        Images per row.
    marked : numpy.ndarray, shape (n,), bool, optional
        Images that have a red frame.
    """
    count, _, height, width = images.shape
    rows = -(-count // columns) if count else 1
    sheet = Image.new(
        "RGB", (columns * (width + 2 * _GAP), rows * (height + 2 * _GAP)), (255, 255, 255)
    )
    for i, image in enumerate(images):
        x = (i % columns) * (width + 2 * _GAP)
        y = (i // columns) * (height + 2 * _GAP)
        if marked is not None and marked[i]:
            sheet.paste(_RED, (x, y, x + width + 2 * _GAP, y + height + 2 * _GAP))
        sheet.paste(Image.fromarray(image.transpose(1, 2, 0)), (x + _GAP, y + _GAP))
    return sheet


def captioned_sheet(
    images: NDArray[np.uint8], captions: Sequence[str], columns: int
) -> Image.Image:
    """Return images in a grid, each enlarged to 192 pixels and above its caption.

    Parameters
    ----------
    images : numpy.ndarray, shape (n, 3, height, width), uint8
    captions : sequence of str
        One per image, of one or more lines.
    columns : int
        Images per row.
    """
    font = ImageFont.load_default(12)
    lines = max((text.count("\n") + 1 for text in captions), default=1)
    width, height = _SIDE + 2 * _GAP, _SIDE + 2 * _GAP + 16 * lines
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * width, rows * height), (255, 255, 255))
    pen = ImageDraw.Draw(sheet)
    for i, (image, text) in enumerate(zip(images, captions, strict=True)):
        x, y = i % columns * width + _GAP, i // columns * height + _GAP
        shown = Image.fromarray(image.transpose(1, 2, 0))
        scale = _SIDE / max(shown.size)
        size = (max(1, round(shown.width * scale)), max(1, round(shown.height * scale)))
        sheet.paste(shown.resize(size), (x, y))
        pen.text((x, y + _SIDE + _GAP), text, (20, 20, 20), font, spacing=2)
    return sheet


def write_sheet(
    path: Path,
    images: NDArray[np.uint8],
    columns: int = COLUMNS,
    marked: NDArray[np.bool_] | None = None,
    *,
    synthetic: bool = False,
) -> None:
    """Write a contact sheet as PNG; see `contact_sheet` and `save_sheet`."""
    save_sheet(contact_sheet(images, columns, marked), path, synthetic=synthetic)


def save_sheet(sheet: Image.Image, path: Path, *, synthetic: bool) -> None:
    """Write a sheet as PNG, whole or not at all.

    Parameters
    ----------
    sheet : PIL.Image.Image
    path : Path
    synthetic : bool
        Whether its images come from a generator: the file then says so, as each image does.
    """
    with atomic_path(path) as part:
        sheet.save(part, format="PNG", pnginfo=xmp(packet() if synthetic else ""))


def _images(generator: Generator, codes: NDArray[np.float32]) -> NDArray[np.uint8]:
    return generate_all(generator, codes, _BATCH)


def write_first_pictures(run: RunFolder, generator: Generator, seed: int) -> None:
    """Write a row of images of the prior, for those who look at a run under way.

    Parameters
    ----------
    run : RunFolder
    generator : Generator
    seed : int
        Of the prior's codes.
    """
    images = _images(generator, generator.prior.codes(seed, 0, COLUMNS))
    write_sheet(run.picture(PRIOR), images, synthetic=True)


_SEARCHED = 1024
"""Draws among which the first requests of each cell are shown: one block, which is drawn anyway."""


def write_pictures(
    run: RunFolder,
    models: Models,
    labels: Labels,
    seed: int,
    samplers: Mapping[str, Sampler],
) -> None:
    """Write the contact sheets of a run.

    "prior" and the name of each method show the first draws. "NAME-cell-K" shows one row of a cell:
    images labelled with it for the prior, and images requested from it for a method. Images of a
    method with another achieved cell have a red frame.

    Parameters
    ----------
    run : RunFolder
    generator : Generator
    panel : ClassifierPanel
    labels : Labels
        Of codes 0, 1, ... of the prior.
    seed : int
        Of these codes and of the draws.
    samplers : mapping of str to Sampler
        By the name of the method.
    """

    def write(
        name: str, images: NDArray[np.uint8], marked: NDArray[np.bool_] | None = None
    ) -> None:
        write_sheet(run.picture(name), images, marked=marked, synthetic=True)

    generator, count = models.generator, COLUMNS * ROWS
    write(PRIOR, _images(generator, generator.prior.codes(seed, 0, count)))
    for k in range(labels.grid.size):
        found = np.flatnonzero(labels.cells == k)[:COLUMNS]
        codes = [generator.prior.codes(seed, int(i), int(i) + 1) for i in found]
        chosen = np.concatenate(codes) if codes else np.empty((0, generator.dim), np.float32)
        write(f"{PRIOR}-cell-{k}", _images(generator, chosen))
    for name, sampler in samplers.items():
        draws = sampler.draw(_SEARCHED, seed)
        write(name, _images(generator, draws.codes[:count]))
        for k in np.flatnonzero(sampler.target.shares).tolist():
            images = _images(generator, draws.codes[draws.requested == k][:COLUMNS])
            missed = models.panel.predict(images).cells != k if len(images) else None
            write(f"{name}-cell-{k}", images, missed)
