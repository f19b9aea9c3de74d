"""Several restorations of the same images side by side: tables, and a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.audit.images import AuditImages
from equipoise.audit.rate_tables import to_markdown
from equipoise.audit.superres.models.bicubic import reduced
from equipoise.audit.superres.record import SuperresAudit
from equipoise.core.files import write_text
from equipoise.core.numbers import decimals, estimate, percent
from equipoise.labelling.image_files import PictureFiles
from equipoise.report.contact_sheets import write_sheet

SHOWN = 12


def tables(audits: Mapping[str, SuperresAudit]) -> str:
    """Return what became of cells and of persons, by model and cell, as Markdown."""
    first = next(iter(audits.values()))
    flips = [
        [
            group.name,
            *(estimate(one.flips[0].groups[k].flips.estimate, percent) for one in audits.values()),
            estimate(group.reencoded.estimate, percent),
        ]
        for k, group in enumerate(first.flips[0].groups)
    ]
    parts = [
        f"{first.n} `exact` draws, restored from 16x16 to 64x64; weighted.\n",
        f"**another cell than before**\n\n{to_markdown(['cell', *audits, 'JPEG'], flips)}",
    ]
    known = {name: one.identity for name, one in audits.items() if one.identity is not None}
    if known:
        cells = next(iter(known.values())).cells
        other = [
            [cell.name, *(estimate(one.cells[k].other.estimate, percent) for one in known.values())]
            for k, cell in enumerate(cells)
        ]
        distance = [
            [
                cell.name,
                *(estimate(one.cells[k].distance, _three) for one in known.values()),
                estimate(cell.reencoded, _three),
            ]
            for k, cell in enumerate(cells)
        ]
        parts += [
            f"**another person**\n\n{to_markdown(['cell', *known], other)}",
            "**cosine distance of descriptors from the original's**\n\n"
            + to_markdown(["cell", *known, "JPEG"], distance),
        ]
    return "\n".join(parts)


def _three(value: float | None) -> str:
    return decimals(value, 3)


def write_restorations(
    out: Path, audits: Mapping[str, SuperresAudit], images: AuditImages, factor: int
) -> None:
    """Write `tables.md`, and `restored.png`: a column an image, a row a model, cells in turn."""
    write_text(out / "tables.md", tables(audits))
    cells = images.cells
    turn = np.zeros(len(cells), np.int64)
    for k in np.unique(cells):
        turn[cells == k] = np.arange((cells == k).sum())
    rows = np.lexsort((cells, turn))[:SHOWN].tolist()
    originals = images.pictures.images(rows)
    low = reduced(originals, factor).repeat(factor, axis=2).repeat(factor, axis=3)
    restored = [_restored(out / name, rows) for name in audits]
    write_sheet(
        out / "restored.png",
        np.concatenate([originals, low, *restored]),
        len(rows),
        synthetic=True,
    )


def _restored(folder: Path, rows: list[int]) -> NDArray[np.uint8]:
    (home,) = {path.parent for path in (folder / "restored").glob("*/000000-0.png")}
    files = PictureFiles.of([home / f"{row:06d}-0.png" for row in rows])
    return files.images(range(len(rows)))
