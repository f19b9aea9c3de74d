"""The audit of super-resolution: reduce balanced images, restore and classify them, and report.

AUDIT/material/    the originals, if they were drawn for this audit
AUDIT/restored/    restored images
AUDIT/answers/     cached predictions of the panel and of watched classifiers
AUDIT/descriptors/ kept descriptors, of a function that has a digest
AUDIT/pictures/    original, low-resolution and restored images, one sheet per cell
AUDIT/superres.json  the record; AUDIT/superres.html the report
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.audit.checks import failures_check, image_caveats
from equipoise.audit.defaults import check_tolerance
from equipoise.audit.images import AuditImages
from equipoise.audit.lighting import examine_lighting
from equipoise.audit.record import Asking
from equipoise.audit.superres.checks import flip_checks
from equipoise.audit.superres.drift import WATCHED, find_drift, read_scores
from equipoise.audit.superres.flips import find_flips
from equipoise.audit.superres.identity import DESCRIBED, compare_identity, describe_faces
from equipoise.audit.superres.images import JPEG_QUALITY, read_levels, write_restorations
from equipoise.audit.superres.models import RestorerAddress
from equipoise.audit.superres.models.base import SuperResolutionModel
from equipoise.audit.superres.models.bicubic import FILTER
from equipoise.audit.superres.page import PAGE
from equipoise.audit.superres.record import SuperresAudit, SuperresSettings
from equipoise.audit.superres.restored import fidelity_by_cell, restore_all
from equipoise.audit.verification.rates import check_match_settings
from equipoise.classifiers.base import NO_FACE, Classifier
from equipoise.classifiers.models import ClassifierAddress, PanelClassifierAddress
from equipoise.classifiers.panel import ClassifierPanel
from equipoise.core.attributes import UNKNOWN
from equipoise.core.checks import ignoring, verdict, worst_first
from equipoise.core.errors import InputError, RemoteError, check_count
from equipoise.core.numbers import percent
from equipoise.core.progress import Execution
from equipoise.core.records import write_record
from equipoise.core.seeds import check_seed
from equipoise.core.versions import versions
from equipoise.labelling.image_files import PictureFiles
from equipoise.measure.lighting import lighting_checks
from equipoise.runs.record import model_used

RESTORING = "restore"
"""Role of the audited model among the costs."""

_AGREE = 0.99
"""Least share of originals on which the panel must confirm the verified levels, chosen by hand: a
prediction close to a threshold may change by rounding."""

_PANEL = (
    "Flips are determined by the reference panel, which makes errors too, and may make more on "
    "blurred images."
)
_OTHER_PANEL = (
    "The panel is not the one that verified the originals, or it abstains at another probability."
)
_BALANCED = (
    "The originals are balanced. A model that samples faithfully from an unbalanced population "
    "changes the shares of groups, and the audit reports that."
)


_DESCRIPTORS = (
    "Whether a face is still the same person is what descriptors say. They are of a model that "
    "errs, more on blurred images, and not equally in all cells."
)


def audit_superres(
    restorer: SuperResolutionModel,
    images: AuditImages,
    panel: ClassifierPanel,
    folder: Path,
    settings: SuperresSettings,
    *,
    watch: Sequence[Classifier] = (),
    threshold: float | None = None,
    address: RestorerAddress | None = None,
    watched_by: Sequence[ClassifierAddress] = (),
    panel_by: Sequence[PanelClassifierAddress] = (),
    execution: Execution = Execution(),
) -> SuperresAudit:
    """Audit a super-resolution model on balanced images, and write record and report.

    Parameters
    ----------
    restorer : SuperResolutionModel
    images : AuditImages
        Verified images, all of one size.
    panel : ClassifierPanel
        Predicts the balanced attributes, as when the images were verified.
    folder : Path
        Folder of restored images, predictions, record and report; an interrupted audit is resumed
        from it.
    settings : SuperresSettings
    watch : sequence of Classifier
        Those of `settings.watch`: they are asked whether their scores drift.
    threshold : float, optional
        Cosine similarity from which on descriptors match; by default that of `settings.fmr`.
    address : RestorerAddress, optional
        By which workers of an engine open the model.
    watched_by : sequence of ClassifierAddress
        Those of `watch`.
    panel_by : sequence of PanelClassifierAddress
        Those of the panel's classifiers; without them, threads ask it.
    execution : Execution
        Threads, engine and progress.

    Returns
    -------
    SuperresAudit
        The record, as written to `superres.json`.

    Raises
    ------
    InputError
        When a setting breaks its rule, the panel does not confirm the levels of the originals, or
        descriptors cannot be compared.
    ModelOutputError
        When the model or a classifier returns invalid output.
    RemoteError
        When the panel failed on all originals.
    FileFormatError
        When an image or the cache is damaged.
    StorageError
        When a file cannot be written; results so far stay.
    WorkerError
        When workers cannot start, or batches were set aside; results so far stay.
    """
    _check_settings(restorer, settings, threshold)
    PAGE.refuse_other(folder, model_used("model", restorer))
    by, levels = images.restricted(settings.attributes)
    rows = even_rows(by.cell_of(levels), images.cells, settings.per_cell)
    originals, levels = images.take(rows), levels[rows]
    costs: list[Asking] = []

    here = execution if panel_by else replace(execution, engine=None)
    no_face = 0

    def predict(pictures: PictureFiles, role: str) -> NDArray[np.int8]:
        found, own_costs = read_levels(
            panel, pictures, folder / "answers", role, panel_by, execution=here
        )
        nonlocal no_face
        no_face += int((found == NO_FACE).any(axis=1).sum())
        costs.extend(own_costs)
        return found[:, [panel.grid.attribute(name) for name in by.names]]

    _check_agreement(predict(originals.pictures, "original"), levels)
    restored = restore_all(
        restorer,
        originals.pictures,
        folder / "restored",
        restarts=settings.restarts,
        seed=settings.seed,
        address=address,
        execution=execution,
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
    made = restored.pictures()  # Each file is hashed.
    of_restored = predict(made, "restored")
    unasked = int((of_restored < UNKNOWN).any(axis=1).sum())
    after = np.maximum(of_restored, UNKNOWN)
    reencoded = np.maximum(predict(originals.pictures.reencoded(JPEG_QUALITY), "JPEG"), UNKNOWN)
    flips = find_flips(by, levels, after, reencoded, originals.weights, seed=settings.seed)
    of_panel = [cost for cost in costs if cost.role != RESTORING]
    cells = by.cell_of(levels)
    scores = []
    for pictures in (originals.pictures, made):
        given = (pictures, folder / "answers")
        own, _ = read_scores(panel.classifiers, *given, panel_by, execution=here)
        more, asked = read_scores(watch, *given, watched_by, execution=execution)
        scores.append(own | more | own)  # Where both predict an attribute, the panel counts.
        costs += asked
    drift, further = find_drift(scores[0], scores[1], by.cells, cells, originals.weights)
    identity, described = None, None
    if settings.descriptors:
        described = describe_faces(settings.descriptors, originals, made, folder, execution)
        costs.append(described.cost)
        identity, of_identity = compare_identity(
            described,
            by.cells,
            cells,
            originals.weights,
            fmr=settings.fmr,
            threshold=threshold,
            tolerance=settings.tolerance,
            seed=settings.seed,
        )
        further += of_identity
    failed, n = sum(c.failed for c in of_panel), sum(c.asked + c.kept for c in of_panel)
    lighting = examine_lighting(originals, by.names, folder)
    every = (
        *flip_checks(flips, settings.tolerance, unasked, further),
        failures_check("the panel", failed, n, no_face=no_face),
        *lighting_checks(lighting),
    )
    other = (_OTHER_PANEL,) if images.panel not in ("", panel.digest) else ()
    checks = worst_first(ignoring(every, settings.ignore))
    models = [model_used("model", restorer), *(model_used("panel", c) for c in panel.classifiers)]
    models += [model_used(WATCHED, c) for c in watch]
    if described is not None:
        models.append(model_used(DESCRIBED, described.original))
    audit = SuperresAudit(
        verdict=verdict(checks),
        settings=settings,
        n=len(originals),
        filter=FILTER,
        models=tuple(model for used in models for model in used),
        checks=checks,
        flips=flips,
        fidelity=fidelity_by_cell(originals, restored, by.cells, cells, settings),
        triplets=write_restorations(
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
                [
                    _PANEL,
                    *other,
                    *image_caveats(by.names, originals.side),
                    *(() if originals.side else (_BALANCED,)),
                    *restorer.caveats,
                    *panel.caveats,
                    *(caveat for one in watch for caveat in one.caveats),
                    *(() if described is None else (_DESCRIPTORS, *described.original.caveats)),
                ]
            )
        ),
        costs=tuple(costs),
        versions=versions(),
        images=originals.used,
        lighting=lighting,
        drift=drift,
        identity=identity,
        pixels=originals.images([0]).shape[-1],
    )
    write_record(folder / "superres.json", audit)
    PAGE.write(folder)
    return audit


def even_rows(cells: NDArray[np.int64], every: NDArray[np.int64], per_cell: int) -> list[int]:
    """Return the first `per_cell` rows of each cell at most, in increasing order.

    The cells may be those of some attributes only. Each is filled from the cells of all attributes
    in rotation, so that the other attributes are as balanced in it as the images allow.

    Parameters
    ----------
    cells, every : numpy.ndarray, shape (n,), int64
        Cells of the audited attributes, and of all attributes.
    per_cell : int

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


def _check_settings(
    restorer: SuperResolutionModel, settings: SuperresSettings, threshold: float | None
) -> None:
    check_seed(settings.seed)
    check_match_settings(settings.fmr, threshold)
    check_count("per_cell", settings.per_cell, "Leave it out, or pass --n.")
    check_count("restarts", settings.restarts, "Pass --restarts 1.")
    check_tolerance(settings.tolerance)
    if restorer.deterministic and settings.restarts > 1:
        raise InputError(
            "restarts",
            f"must be 1 for {restorer.name}, which is deterministic",
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


def _check_agreement(predicted: NDArray[np.int8], verified: NDArray[np.int8]) -> None:
    """Refuse a panel that does not confirm the verified levels of nearly all originals."""
    valid = (predicted >= UNKNOWN).all(axis=1)
    if not valid.any():
        raise RemoteError(
            "panel",
            "must classify some of the originals",
            f"no prediction for any of {len(predicted):,}",
            "Run the same command again.",
        )
    agree = float((predicted == verified)[valid].all(axis=1).mean())
    if agree < _AGREE:
        raise InputError(
            "images",
            f"must be verified by this panel, which must agree on {_AGREE:.0%}",
            f"{percent(agree)}",
            "Draw them with `equipoise sample --verified`, or name their generator.",
        )
