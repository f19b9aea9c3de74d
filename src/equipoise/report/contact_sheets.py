"""Contact sheets: what the generator shows before and after, at a glance and by cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from equipoise.classifiers.models import Models
from equipoise.core.files import atomic_path
from equipoise.core.labels import Labels
from equipoise.core.parallel import batches
from equipoise.generators.base import Generator, generate
from equipoise.runs.folder import RunFolder
from equipoise.samplers.sampler import Sampler

COLUMNS = 12
ROWS = 4
_GAP = 2
_RED = (200, 30, 40)


def contact_sheet(
    images: NDArray[np.uint8], columns: int, marked: NDArray[np.bool_] | None = None
) -> Image.Image:
    """Lay images out in rows.

    Parameters
    ----------
    images : numpy.ndarray, shape (n, 3, height, width), uint8
    columns : int
        Images in a row.
    marked : numpy.ndarray, shape (n,), bool, optional
        Images to frame in red.
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
    images: NDArray[np.uint8], captions: Sequence[str], columns: int, side: int = 192
) -> Image.Image:
    """Lay images out in rows, each enlarged and above its caption.

    Parameters
    ----------
    images : numpy.ndarray, shape (n, 3, height, width), uint8
    captions : sequence of str
        One an image; may have several lines.
    columns : int
    side : int
        Pixels of the longer side of an image.
    """
    font = ImageFont.load_default(12)
    lines = max((text.count("\n") + 1 for text in captions), default=1)
    width, height = side + 2 * _GAP, side + 2 * _GAP + 16 * lines
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * width, rows * height), (255, 255, 255))
    pen = ImageDraw.Draw(sheet)
    for i, (image, text) in enumerate(zip(images, captions, strict=True)):
        x, y = i % columns * width + _GAP, i // columns * height + _GAP
        shown = Image.fromarray(image.transpose(1, 2, 0))
        scale = side / max(shown.size)
        size = (max(1, round(shown.width * scale)), max(1, round(shown.height * scale)))
        sheet.paste(shown.resize(size), (x, y))
        pen.text((x, y + side + _GAP), text, (20, 20, 20), font, spacing=2)
    return sheet


def write_sheet(
    path: Path,
    images: NDArray[np.uint8],
    columns: int = COLUMNS,
    marked: NDArray[np.bool_] | None = None,
) -> None:
    """Write a contact sheet as PNG, whole or not at all."""
    with atomic_path(path) as part:
        contact_sheet(images, columns, marked).save(part, format="PNG")


def _images(generator: Generator, codes: NDArray[np.float32]) -> NDArray[np.uint8]:
    if not len(codes):
        return np.empty((0, *generator.image_shape), np.uint8)
    parts = [generate(generator, codes[low:high]) for low, high in batches(0, len(codes), 64)]
    return np.concatenate(parts)


def write_pictures(
    run: RunFolder,
    models: Models,
    labels: Labels,
    seed: int,
    samplers: Mapping[str, Sampler],
) -> None:
    """Write the contact sheets of a run.

    "prior" and the name of each method show draws as they come; "NAME-cell-K" shows a row of
    one cell: labelled so, for the prior; asked for, for a method, with images that came out as
    another cell framed in red.
    """

    def write(
        name: str, images: NDArray[np.uint8], marked: NDArray[np.bool_] | None = None
    ) -> None:
        write_sheet(run.picture(name), images, marked=marked)

    generator, count = models.generator, COLUMNS * ROWS
    write("prior", _images(generator, generator.prior.codes(seed, 0, count)))
    for k in range(labels.grid.size):
        found = np.flatnonzero(labels.cells == k)[:COLUMNS]
        codes = [generator.prior.codes(seed, int(i), int(i) + 1) for i in found]
        chosen = np.concatenate(codes) if codes else np.empty((0, generator.dim), np.float32)
        write(f"prior-cell-{k}", _images(generator, chosen))
    for name, sampler in samplers.items():
        write(name, _images(generator, sampler.draw(count, seed).codes))
        for k in np.flatnonzero(sampler.target.shares).tolist():
            cell = sampler.grid.cells[k]
            images = _images(generator, sampler.draw(COLUMNS, seed, cell=cell).codes)
            write(f"{name}-cell-{k}", images, models.panel.predict(images).cells != k)
