"""The audit of a classifier: ask it about balanced images, compare, check, tell.

AUDIT/material/    the images, where they were drawn for this audit
AUDIT/answers/     what classifiers said of them
AUDIT/pairs/       the same faces at every level of one attribute, where one was varied
AUDIT/pictures/    wrongly answered images, a contact sheet a cell; faces whose answer flipped
AUDIT/audit.json   the record; AUDIT/audit.html the report
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.audit.answers import predict_cached
from equipoise.audit.checks import adjust, gap_checks, of_images, question_checks
from equipoise.audit.counterfactuals.effects import effect_check
from equipoise.audit.counterfactuals.folder import CounterfactualFolder
from equipoise.audit.images import AuditImages
from equipoise.audit.label_noise import ReferenceErrors, departures
from equipoise.audit.level_map import LevelMap, choose_attribute, translate
from equipoise.audit.rates import PredictionsVsReference, break_down
from equipoise.audit.record import FORMAT, Asking, AuditSettings, ClassifierAudit
from equipoise.audit.sheets import tell_counterfactuals, write_wrong
from equipoise.classifiers.base import Classifier
from equipoise.core.attributes import UNKNOWN, Attribute, AttributeGrid
from equipoise.core.checks import ignoring, verdict, worst_first
from equipoise.core.errors import InputError
from equipoise.core.progress import Progress, no_progress
from equipoise.core.records import write_record
from equipoise.core.seeds import check_seed
from equipoise.core.versions import versions
from equipoise.audit.pages import render_audit
from equipoise.runs.record import model_used

LABEL, NONE = "label", "none"
_PAIRED = (
    "Faces that were varied are those that the generator could move; more than the varied "
    "attribute may have moved with it, as far as no classifier looks at it."
)
_OTHER = "An error is a departure from the reference, a classifier that errs as well."
_SECOND = (
    "Where the second opinion departs from the reference, the reference is taken to err; errors "
    "that both make alike are not seen."
)
_REFERENCES = {
    LABEL: "An error is a departure from the verified label, which is itself a classifier's.",
    NONE: "There is no reference: answers are compared, and no error is known.",
}


def audit_classifier(
    model: Classifier,
    material: AuditImages,
    folder: Path,
    settings: AuditSettings,
    *,
    reference: Classifier | None = None,
    second: Classifier | None = None,
    errors: ReferenceErrors | None = None,
    ladders: CounterfactualFolder | None = None,
    workers: int | None = None,
    progress: Progress = no_progress,
) -> ClassifierAudit:
    """Audit a classifier on balanced images, and write record and report.

    Parameters
    ----------
    model : Classifier
        The audited one.
    material : AuditImages
        Verified images.
    folder : Path
        Keeps answers, record and report; a stopped audit goes on from what it holds.
    settings : AuditSettings
        Where `reference` is neither "label" nor "none", it is the name of the classifier below.
    reference : Classifier, optional
        Its answers are the truth.
    second : Classifier, optional
        A second opinion on the truth: where it departs from the reference, the reference may err.
    errors : ReferenceErrors, optional
        Of the verified labels, cell by cell, where people judged them.
    ladders : CounterfactualFolder, optional
        The same faces at every level of one attribute, to measure what that does to answers.
    workers : int, optional
        Threads; all cores by default.
    progress : Progress
        Told of images answered.

    Raises
    ------
    InputError
        When a setting breaks its rule, or levels do not match.
    ModelOutputError
        When a classifier answers wrongly.
    FileFormatError
        When an image or kept answers are damaged.
    StorageError
        When the disk fails; answers are kept.
    """
    _check_settings(settings, reference, second, errors)
    by, levels_by = material.restricted(settings.by)
    words = LevelMap.parse(settings.map) if settings.map else LevelMap()
    levels = _levels(model, reference, material.grid, settings, words)
    own = model.attributes[choose_attribute(model.attributes, settings.attribute, model.name)]
    numbers = words.numbers(own, levels)
    answers = folder / "answers"
    asked = predict_cached(model, material, answers, workers=workers, progress=progress)
    costs = [Asking.of("model", model.name, asked)]

    def opinion(judge: Classifier, role: str) -> NDArray[np.int8]:
        told = predict_cached(
            judge, material, answers, workers=workers, progress=progress, stage=role
        )
        costs.append(Asking.of(role, judge.name, told))
        place = choose_attribute(told.attributes, settings.attribute, judge.name)
        own = told.attributes[place]
        return np.maximum(
            translate(told.levels[:, place], _numbers(own, levels, words)), np.int8(UNKNOWN)
        )

    truth = np.full(len(material), UNKNOWN, np.int8)
    if reference is not None:
        truth = opinion(reference, "reference")
    elif settings.reference == LABEL:
        truth = material.levels[:, material.grid.attribute(settings.attribute)]
    place = choose_attribute(asked.attributes, settings.attribute, model.name)
    said = translate(asked.levels[:, place], numbers)
    if second is not None:
        answered = np.where(said >= 0, truth, np.int8(UNKNOWN))
        judged = opinion(second, "second")
        told_by = f"departures of {second.name}"
        errors = departures(answered, judged, material.grid, material.cells, told_by)
    compared = PredictionsVsReference(levels, said, truth, asked.confidence[:, place])
    counted = material.cells[(said >= 0) & (truth >= 0)]
    compared_in = np.bincount(counted, minlength=material.grid.size)
    paired = None
    if ladders is not None:
        told = predict_cached(
            model, ladders, answers, workers=workers, progress=progress, stage="ask pairs"
        )
        costs.append(Asking.of("model, on pairs", model.name, told))
        moved, sure = translate(told.levels[:, place], numbers), told.confidence[:, place]
        paired = tell_counterfactuals(ladders, material.grid, moved, sure, levels, folder)

    parts, effects = adjust(
        break_down(compared, by, levels_by, seed=settings.seed), paired.effects if paired else ()
    )
    paired = paired and replace(paired, effects=effects)
    checks = worst_first(
        ignoring(
            (
                *gap_checks(parts, settings.tolerance, errors, compared_in),
                *(effect_check(effect, settings.tolerance) for effect in effects),
                *question_checks(parts[0], by.size),
            ),
            settings.ignore,
        )
    )
    models = model_used("model", model)
    if reference is not None:
        models += model_used("reference", reference)
    if second is not None:
        models += model_used("second", second)
    found = ClassifierAudit(
        format=FORMAT,
        verdict=verdict(checks),
        settings=settings,
        n=len(material),
        levels=levels,
        models=models,
        checks=checks,
        breakdowns=parts,
        wrong=write_wrong(compared, material, by, by.cell_of(levels_by), folder),
        counterfactuals=paired,
        caveats=_caveats(model, reference, second, by, settings, paired is not None),
        costs=tuple(costs),
        versions=versions(),
    )
    write_record(folder / "audit.json", found)
    render_audit(folder)
    return found


def _check_settings(
    settings: AuditSettings,
    reference: Classifier | None,
    second: Classifier | None,
    errors: ReferenceErrors | None,
) -> None:
    if not 0 <= settings.tolerance < 1:
        raise InputError("tolerance", "must be in [0, 1)", settings.tolerance, "Pass 0.05.")
    check_seed(settings.seed)
    if (settings.reference in (LABEL, NONE)) != (reference is None):
        raise InputError(
            "reference",
            f"must be {LABEL}, {NONE}, or the name of a classifier that is given",
            settings.reference,
            "Give the classifier, or correct the name.",
        )
    if second is not None and (errors is not None or settings.reference == NONE):
        raise InputError(
            "second opinion",
            "must judge a reference that nobody else judged",
            second.name,
            "Leave it out, or the judged images; or name a reference.",
        )
    if errors is not None and settings.reference != LABEL:
        raise InputError(
            "judged images",
            f"must judge the verified labels, with reference {LABEL}",
            settings.reference,
            "Leave them out.",
        )


def _levels(
    model: Classifier,
    reference: Classifier | None,
    grid: AttributeGrid,
    settings: AuditSettings,
    words: LevelMap,
) -> tuple[str, ...]:
    """Return the audited levels: the reference's, or what the model's mean where there is none."""
    if reference is not None:
        place = choose_attribute(reference.attributes, settings.attribute, reference.name)
        return reference.attributes[place].levels
    if settings.reference == LABEL:
        return grid.attributes[grid.attribute(settings.attribute)].levels
    place = choose_attribute(model.attributes, settings.attribute, model.name)
    return words.meant(model.attributes[place])


def _numbers(own: Attribute, levels: tuple[str, ...], words: LevelMap) -> NDArray[np.int8]:
    """Return the audited level of each of a judge's, mapped only where its words differ."""
    same = set(own.levels) <= set(levels)
    return (LevelMap() if same else words).numbers(own, levels)


def _caveats(
    model: Classifier,
    reference: Classifier | None,
    second: Classifier | None,
    by: AttributeGrid,
    settings: AuditSettings,
    varied: bool,
) -> tuple[str, ...]:
    told = [_REFERENCES.get(settings.reference, _OTHER)]
    if second is not None:
        told.append(_SECOND)
    if varied:
        told.append(_PAIRED)
    told += [*of_images(by.names), *model.caveats, *(reference.caveats if reference else ())]
    return tuple(dict.fromkeys(told))
