"""What people read of balanced contexts: the report, its pictures, and the page of the data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from equipoise.contexts.record import BalancedContexts
from equipoise.core.errors import shortened
from equipoise.core.files import write_text
from equipoise.core.labels import Labels
from equipoise.core.numbers import decimals, estimate
from equipoise.core.records import read_record
from equipoise.labelling.image_files import PictureFiles
from equipoise.measure.lighting import lighting_checks
from equipoise.report.contact_sheets import captioned_sheet, save_sheet
from equipoise.report.html import ALONE, Frame, consistent
from equipoise.report.plots import confusion_figure, to_svg
from equipoise.samplers.export.croissant import describe_folder
from equipoise.samplers.export.dataset_card import FILE as CARD
from equipoise.samplers.export.dataset_card import FOLDER, cell_table, dataset_card, reading

RECORD = "contexts.json"
REPORT = "report.html"
PICTURE = "pictures/contexts.png"

_MOST_SHOWN, _MOST_ROWS = 8, 500
"""Contexts whose pictures the report shows, and contexts that its tables list."""

_CAPTION = 30
"""Characters below a picture of 192 pixels."""


def write_pages(
    folder: Path,
    found: BalancedContexts,
    files: Sequence[str],
    contexts: NDArray[np.int64],
    labels: Labels,
) -> None:
    """Write report, pictures, and the page and description of the data set.

    Parameters
    ----------
    folder : Path
        Of the images.
    found : BalancedContexts
    files : sequence of str
        The n images, relative to the folder.
    contexts : numpy.ndarray, shape (n,), int64
        Number of each image's context.
    labels : Labels
        Of the n images.

    Raises
    ------
    FileFormatError
        When an image is damaged.
    StorageError
        When a file cannot be written.
    """
    _write_pictures(folder, found, files, contexts, labels.cells)
    write_text(folder / REPORT, contexts_html(folder, found))
    describe_folder(folder, labels.grid, _in_words(found))
    write_text(folder / CARD, _card(folder.resolve().name, found))


def contexts_html(folder: Path, found: BalancedContexts, frame: Frame = ALONE) -> str:
    """Return the report of a folder of balanced contexts."""
    proposals = {one.name: one for one in found.proposals}
    confusion = np.array([one.confusion for one in found.proposals if one.confusion])
    return frame.fill(
        "contexts.html.jinja",
        found=found,
        rows=[(mix, proposals[mix.name]) for mix in found.mix.contexts[:_MOST_ROWS]],
        bars=None if found.exact else Markup(to_svg(found.figure())),
        confusion=Markup(to_svg(confusion_figure(found.mix.cells, confusion.sum(axis=0).tolist())))
        if len(confusion)
        else None,
        picture=frame.source(folder / PICTURE),
        lit=lighting_checks(found.lighting),
        doubtful=frame.sheet(folder, found.lighting),
    )


def read_contexts_html(folder: Path, frame: Frame = ALONE) -> str:
    """Return the report of a stored record.

    Raises
    ------
    FileFormatError
        When the record is missing or damaged.
    """
    path = folder / RECORD
    remedy = f"Run `equipoise balance-contexts --out {folder}` again."
    found = read_record(path, BalancedContexts, remedy, what="record")
    with consistent(f"record {path}", remedy):
        return contexts_html(folder, found, frame)


def _write_pictures(
    folder: Path,
    found: BalancedContexts,
    files: Sequence[str],
    contexts: NDArray[np.int64],
    cells: NDArray[np.int64],
) -> None:
    """Write an image of each cell for the contexts whose mix is farthest from the target."""
    numbers = {one.name: c for c, one in enumerate(found.proposals)}
    names = [mix.name for mix in found.mix.contexts[:_MOST_SHOWN]]
    rows, captions = [], []
    for name in names:
        for k, cell in enumerate(found.mix.cells):
            own = np.flatnonzero((contexts == numbers[name]) & (cells == k))
            rows.append(int(own[0]) if len(own) else -1)
            words = cell if len(own) else f"no {cell}"
            captions.append("\n".join(shortened(text, _CAPTION) for text in (name, words)))
    known = [row for row in rows if row >= 0]
    if not known:
        return
    there = tuple(files[row] for row in known)
    pictures = PictureFiles(tuple(folder / name for name in there), there).images(range(len(there)))
    images = np.full((len(rows), *pictures.shape[1:]), 255, np.uint8)
    images[np.array(rows) >= 0] = pictures
    sheet = captioned_sheet(images, captions, len(found.mix.cells))
    save_sheet(sheet, folder / PICTURE, synthetic=True)


def _in_words(found: BalancedContexts) -> str:
    n, kept = found.mix.pooled.n, "verified" if found.options.verified else "not verified"
    return (
        f"{n:,} synthetic images of {len(found.proposals):,} contexts (prompts or classes), "
        f"{found.options.images:,} of each, drawn from the generator {found.generator.name} "
        f"(SHA-256 {found.generator.digest}), seed {found.settings.seed}, {kept} by classifiers. "
        f"Proposals: {found.options.proposals}."
    )


def _card(name: str, found: BalancedContexts) -> str:
    mix = found.mix
    table = cell_table(
        ("context", "images", "deviation ratio", "verdict", *mix.cells),
        [
            (
                one.name,
                f"{one.n:,}",
                decimals(one.deviation.value)
                if found.exact
                else estimate(one.deviation, decimals, missing="-"),
                "exact" if found.exact else one.verdict.replace("_", " "),
                *(f"{count:,}" for count in one.counts),
            )
            for one in mix.contexts[:_MOST_ROWS]
        ],
    )
    body = [
        _in_words(found),
        "",
        f"**Mix within contexts:** {found.verdict}{_numbers(found)}",
        "**Faithfulness** of images that come of prompts: "
        f"{found.faithfulness_in_words}. **Cost:** "
        f"{decimals(found.calls)} generator calls an image, and {found.labels:,} labelled images.",
        "",
        *table,
        "",
        ""
        if found.exact
        else "Intervals of deviation ratios hold together over all contexts at 95 %.",
        "`contexts.json` has shares with intervals, confusion and proposals of every context.",
        "",
        *(f"- {caveat}" for caveat in found.caveats),
        "",
        reading([model.name for model in found.models if model.role == "classifier"]),
    ]
    return dataset_card(name, mix.pooled.n, FOLDER, body)


def _numbers(found: BalancedContexts) -> str:
    """Return how far contexts and the pool are from the target; nothing where counts are exact."""
    if found.exact:
        return ""
    mix = found.mix
    return (
        f" The mean deviation ratio is {estimate(mix.mean, decimals)} (a perfect generator has "
        f"{decimals(mix.floor)}), KL {decimals(mix.kl, 4)} (floor {decimals(mix.kl_floor, 4)}). Of "
        f"all images pooled it is {estimate(mix.pooled_deviation, decimals)}. {mix.warning}"
    )
