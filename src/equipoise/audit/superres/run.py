"""The audit of super-resolution: reduce balanced images, restore them, read them again, tell.

AUDIT/material/    the originals, where they were drawn for this audit
AUDIT/restored/    what models made of them
AUDIT/answers/     what the panel said of all of them
AUDIT/pictures/    original, low and restored images, a sheet a cell
AUDIT/superres.json  the record; AUDIT/superres.html the report
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.audit.checks import failures_check, of_images
from equipoise.audit.images import AuditImages
from equipoise.audit.record import Asking
from equipoise.audit.superres.checks import flip_checks
from equipoise.audit.superres.flips import find_flips
from equipoise.audit.superres.images import Reencoded, read_levels, write_triplets
from equipoise.audit.superres.models.base import SuperResolutionModel
from equipoise.audit.superres.models.bicubic import FILTER
from equipoise.audit.superres.record import FORMAT, SuperresAudit, SuperresSettings
from equipoise.audit.superres.restored import fidelity_by_cell, restore_all
from equipoise.classifiers.base import FAILED
from equipoise.classifiers.panel import ClassifierPanel
from equipoise.core.attributes import UNKNOWN
from equipoise.core.checks import ignoring, verdict, worst_first
from equipoise.core.errors import InputError, RemoteError, check_count
from equipoise.core.progress import Progress, no_progress
from equipoise.core.records import write_record
from equipoise.core.seeds import check_seed
from equipoise.core.versions import versions
from equipoise.labelling.image_files import PictureFiles
from equipoise.audit.pages import render_superres
from equipoise.runs.record import model_used

RESTORING = "restore"
"""The role of the audited model among the costs."""

_AGREE = 0.99
_PANEL = (
    "A flip is what the reference panel calls one. It errs as well: its flips under JPEG stand "
    "beside those of the model, and on blurred images it may err more."
)
_OTHER_PANEL = (
    "The panel is not the one that verified the originals, or abstains at another sureness."
)
_BALANCED = (
    "The originals are balanced. A model that samples faithfully from an unbalanced world changes "
    "shares on them, and is told so."
)


def audit_superres(
    restorer: SuperResolutionModel,
    material: AuditImages,
    panel: ClassifierPanel,
    folder: Path,
    settings: SuperresSettings,
    *,
    workers: int | None = None,
    progress: Progress = no_progress,
) -> SuperresAudit:
    """Audit a super-resolution model on balanced images, and write record and report.

    Parameters
    ----------
    restorer : SuperResolutionModel
    material : AuditImages
        Verified images, all of one size.
    panel : ClassifierPanel
        Reads the balanced attributes, as it did when the images were verified.
    folder : Path
        Keeps restored images, answers, record and report; a stopped audit goes on from there.
    settings : SuperresSettings
    workers : int, optional
        Threads; all cores by default.
    progress : Progress

    Raises
    ------
    InputError
        When a setting breaks its rule, or the panel reads the originals otherwise than they were
        verified.
    ModelOutputError
        When the model or a classifier answers wrongly.
    RemoteError
        When the panel could be asked about no original.
    FileFormatError
        When an image or kept answers are damaged.
    StorageError
        When the disk fails; what is done is kept.
    """
    _check_settings(restorer, settings)
    by, levels = material.restricted(settings.attributes)
    rows = even_rows(by.cell_of(levels), material.cells, settings.per_cell)
    originals, levels = material.take(rows), levels[rows]
    costs: list[Asking] = []

    def told(pictures: AuditImages | Reencoded | PictureFiles, role: str) -> NDArray[np.int8]:
        found, asked = read_levels(
            panel, pictures, folder / "answers", role, workers=workers, progress=progress
        )
        costs.extend(asked)
        places = [panel.grid.attribute(name) for name in by.names]
        return found[:, places]

    _check_agreement(told(originals, "original"), levels)
    restored = restore_all(
        restorer,
        originals,
        folder / "restored",
        restarts=settings.restarts,
        seed=settings.seed,
        workers=workers,
        progress=progress,
    )
    costs.append(
        Asking(
            role=RESTORING,
            name=restorer.name,
            asked=restored.made,
            kept=restored.kept,
            failed=0,
            seconds=restored.seconds,
        )
    )
    read = told(restored.pictures(), "restored")
    unasked = int((read == FAILED).any(axis=1).sum())
    after, again = (
        np.maximum(part, UNKNOWN) for part in (read, told(Reencoded(originals), "JPEG"))
    )
    flips = find_flips(by, levels, after, again, seed=settings.seed)
    asked = [cost for cost in costs if cost.role != RESTORING]
    failed, n = sum(c.failed for c in asked), sum(c.asked + c.kept for c in asked)
    every = (
        *flip_checks(flips, settings.tolerance, unasked),
        failures_check("the panel", failed, n),
    )
    other = (_OTHER_PANEL,) if material.panel not in ("", panel.digest) else ()
    checks = worst_first(ignoring(every, settings.ignore))
    models = [model_used("model", restorer), *(model_used("panel", c) for c in panel.classifiers)]
    cells = by.cell_of(levels)
    found = SuperresAudit(
        format=FORMAT,
        verdict=verdict(checks),
        settings=settings,
        n=len(originals),
        filter=FILTER,
        models=tuple(model for used in models for model in used),
        checks=checks,
        flips=flips,
        fidelity=fidelity_by_cell(originals, restored, by.cells, cells, settings),
        triplets=write_triplets(
            originals,
            restored.pictures(),
            by,
            cells,
            by.cell_of(after),
            settings.factor,
            folder,
        ),
        caveats=tuple(
            dict.fromkeys(
                [_PANEL, *other, *of_images(by.names), _BALANCED, *restorer.caveats, *panel.caveats]
            )
        ),
        costs=tuple(costs),
        versions=versions(),
    )
    write_record(folder / "superres.json", found)
    render_superres(folder)
    return found


def even_rows(cells: NDArray[np.int64], every: NDArray[np.int64], per_cell: int) -> list[int]:
    """Return at most `per_cell` rows of each cell, in their order, the first ones of each.

    Cells may be those of a part of the attributes. They are filled from the cells of all
    attributes in turn, so that the others are as even among them as the images allow.

    Parameters
    ----------
    cells, every : numpy.ndarray, shape (n,), int64
        Cells of the audited attributes, and of all.

    Examples
    --------
    >>> even_rows(np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 2, 3]), 2)
    [0, 2, 4, 5]
    """
    turn = np.zeros(len(every), np.int64)
    for k in np.unique(every):
        own = np.flatnonzero(every == k)
        turn[own] = np.arange(len(own))
    order = np.lexsort((every, turn))
    taken = [order[cells[order] == k][:per_cell] for k in np.unique(cells)]
    return sorted(np.concatenate(taken).tolist())


def _check_settings(restorer: SuperResolutionModel, settings: SuperresSettings) -> None:
    check_seed(settings.seed)
    check_count("per_cell", settings.per_cell, "Pass --per-cell 40.")
    check_count("restarts", settings.restarts, "Pass --restarts 1.")
    if not 0 <= settings.tolerance < 1:
        raise InputError("tolerance", "must be in [0, 1)", settings.tolerance, "Pass 0.05.")
    if restorer.deterministic and settings.restarts > 1:
        raise InputError(
            "restarts",
            f"must be 1 for {restorer.name}, whose answers do not vary",
            settings.restarts,
            "Leave --restarts out.",
        )
    if restorer.factor != settings.factor:
        raise InputError(
            "factor",
            f"must be that of {restorer.name}, {restorer.factor}",
            settings.factor,
            f"Pass --factor {restorer.factor}.",
        )


def _check_agreement(read: NDArray[np.int8], verified: NDArray[np.int8]) -> None:
    """Refuse a panel that reads the originals otherwise, beyond a rounding at a threshold."""
    asked = (read != FAILED).all(axis=1)
    if not asked.any():
        raise RemoteError(
            "panel",
            "must answer on some of the originals",
            f"no answer on any of {len(read):,}",
            "Run the same command again.",
        )
    agree = float((read == verified)[asked].all(axis=1).mean())
    if agree < _AGREE:
        raise InputError(
            "images",
            f"must be verified by this panel, which must agree on {_AGREE:.0%}",
            f"{agree:.1%}",
            "Draw them with `equipoise sample --verified`, or name their generator.",
        )
