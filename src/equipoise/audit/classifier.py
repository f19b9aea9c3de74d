"""The audit of a classifier: predict on balanced images, compare by group, check, and report.

AUDIT/material/    the images, if they were drawn for this audit
AUDIT/answers/     cached predictions
AUDIT/pairs/       the same faces at every level of one attribute, if one was varied
AUDIT/pictures/    contact sheets: misclassified images by cell, faces whose prediction changed
AUDIT/audit.json   the record; AUDIT/audit.html the report
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from equipoise.audit.answers import Predictions, predict_cached
from equipoise.audit.answers_file import AnswersFile
from equipoise.audit.checks import adjust, gap_checks, image_caveats, question_checks
from equipoise.audit.classifier_page import PAGE
from equipoise.audit.counterfactuals.effects import effect_check
from equipoise.audit.counterfactuals.folder import CounterfactualFolder
from equipoise.audit.defaults import check_tolerance
from equipoise.audit.images import AuditImages
from equipoise.audit.label_noise import ReferenceErrors, departures
from equipoise.audit.level_map import LevelMap, choose_attribute, translate
from equipoise.audit.lighting import examine_lighting
from equipoise.audit.rates import PredictionsVsReference, break_down
from equipoise.audit.record import Asking, AuditSettings, ClassifierAudit
from equipoise.audit.sheets import summarise_counterfactuals, write_misclassified
from equipoise.classifiers.base import Classifier
from equipoise.classifiers.models import ClassifierAddress
from equipoise.core.attributes import UNKNOWN, Attribute, AttributeGrid
from equipoise.core.checks import ignoring, verdict, worst_first
from equipoise.core.errors import InputError
from equipoise.core.numbers import percent
from equipoise.core.progress import Execution
from equipoise.core.records import write_record
from equipoise.core.seeds import check_seed
from equipoise.core.versions import versions
from equipoise.labelling.image_files import PictureFiles
from equipoise.measure.lighting import lighting_checks
from equipoise.runs.record import model_used
from equipoise.stats.shares import Share

_NEAR_CHANCE = 0.8
"""Part of the error rate of guessing from which on a model may be one that guesses; by hand."""

LABEL, NONE = "label", "none"
"""References besides a classifier: the verified label, and none."""

_PAIRED = (
    "Counterfactual faces are those that the generator could change. Properties that no classifier "
    "of the panel predicts may have changed together with the attribute."
)
_OTHER = "An error is a difference from the reference, a classifier that makes errors too."
_SECOND = (
    "Where the second opinion differs from the reference, the reference counts as wrong. Errors "
    "that both share are not counted."
)
_GIVEN = "An error is a difference from the labels that came with the photographs."
_REFERENCES = {
    LABEL: "An error is a difference from the verified label, which is a classifier's prediction.",
    NONE: "Without a reference, predictions are compared between groups, and errors are not known.",
}


def audit_classifier(
    model: Classifier | AnswersFile,
    images: AuditImages,
    folder: Path,
    settings: AuditSettings,
    *,
    reference: Classifier | None = None,
    second: Classifier | None = None,
    errors: ReferenceErrors | None = None,
    counterfactuals: CounterfactualFolder | None = None,
    addresses: Mapping[str, ClassifierAddress] = MappingProxyType({}),
    execution: Execution = Execution(),
) -> ClassifierAudit:
    """Audit a classifier on balanced images, and write record and report.

    Parameters
    ----------
    model : Classifier or AnswersFile
        The audited classifier, or its recorded answers; then without counterfactuals.
    images : AuditImages
        Verified images.
    folder : Path
        Folder of predictions, record and report; an interrupted audit is resumed from it.
    settings : AuditSettings
        Where its `reference` is neither "label" nor "none", it names `reference` below.
    reference : Classifier, optional
        A classifier whose predictions count as the truth.
    second : Classifier, optional
        A second opinion on the truth: where it differs from the reference, the reference may err.
    errors : ReferenceErrors, optional
        Errors of the verified labels by cell, if people judged them.
    counterfactuals : CounterfactualFolder, optional
        The same faces at every level of one attribute, to measure its effect on predictions.
    addresses : mapping of str to ClassifierAddress
        By role: model, reference, second. Workers of an engine open the classifiers by them.
    execution : Execution
        Threads, engine and progress, of classified images. The record does not depend on it, but
        for seconds.

    Returns
    -------
    ClassifierAudit
        The record, as written to `audit.json`.

    Raises
    ------
    InputError
        When a setting breaks its rule, or levels do not match.
    ModelOutputError
        When a classifier returns invalid predictions.
    FileFormatError
        When an image or the cache is damaged.
    StorageError
        When a file cannot be written; predictions so far stay.
    WorkerError
        When workers cannot start, or batches were set aside; predictions so far stay.
    """
    _check_settings(settings, reference, second, errors)
    PAGE.refuse_other(folder, model_used("model", model))
    by, levels_by = images.restricted(settings.by)
    words = LevelMap.parse(settings.map) if settings.map else LevelMap()
    levels, ordered = _levels(model, reference, images.grid, settings, words)
    place = choose_attribute(model.attributes, settings.attribute, model.name)
    numbers = words.numbers(model.attributes[place], levels)
    cache = folder / "answers"

    def asked(
        judge: Classifier, role: str, stage: str, pictures: PictureFiles = images.pictures
    ) -> Predictions:
        return predict_cached(
            judge,
            pictures,
            cache,
            stage=stage,
            address=addresses.get(role),
            execution=execution,
        )

    if isinstance(model, AnswersFile):
        predictions = model.predictions(images)
    else:
        predictions = asked(model, "model", "predict")
    costs = [Asking.of("model", model.name, predictions)]

    def opinion(judge: Classifier, role: str) -> NDArray[np.int8]:
        found = asked(judge, role, role)
        costs.append(Asking.of(role, judge.name, found))
        place = choose_attribute(found.attributes, settings.attribute, judge.name)
        numbers = _numbers(found.attributes[place], levels, words)
        return np.maximum(translate(found.levels[:, place], numbers), np.int8(UNKNOWN))

    truth = np.full(len(images), UNKNOWN, np.int8)
    if reference is not None:
        truth = opinion(reference, "reference")
    elif settings.reference == LABEL:
        truth = images.levels[:, images.grid.attribute(settings.attribute)]
    predicted = translate(predictions.levels[:, place], numbers)
    if second is not None:
        first = np.where(predicted >= 0, truth, np.int8(UNKNOWN))
        by_second = opinion(second, "second")
        judge = f"disagreement with {second.name}"
        errors = departures(first, by_second, images.grid, images.cells, judge)
    compared = PredictionsVsReference(
        levels,
        predicted,
        truth,
        predictions.confidence[:, place],
        images.weights,
        predictions.responses,
        ordered,
    )
    compared_in = np.bincount(images.cells[compared.known], minlength=images.grid.size)
    paired = None
    if counterfactuals is not None and not isinstance(model, AnswersFile):
        found = asked(model, "model", "predict pairs", counterfactuals.pictures)
        costs.append(Asking.of("model, on pairs", model.name, found))
        changed = translate(found.levels[:, place], numbers)
        paired = summarise_counterfactuals(
            counterfactuals, images.grid, changed, found.confidence[:, place], levels, folder
        )

    parts, effects = adjust(
        break_down(compared, by, levels_by, audited=settings.attribute, seed=settings.seed),
        paired.effects if paired else (),
    )
    paired = paired and replace(paired, effects=effects)
    lighting = examine_lighting(images, by.names, folder)
    checks = worst_first(
        ignoring(
            (
                *gap_checks(parts, settings.tolerance, errors, compared_in),
                *(effect_check(effect, settings.tolerance) for effect in effects),
                *question_checks(parts[0], by.size, recorded=isinstance(model, AnswersFile)),
                *lighting_checks(lighting),
            ),
            settings.ignore,
        )
    )
    models = model_used("model", model)
    if reference is not None:
        models += model_used("reference", reference)
    if second is not None:
        models += model_used("second", second)
    audit = ClassifierAudit(
        verdict=verdict(checks),
        settings=settings,
        n=len(images),
        levels=levels,
        models=models,
        checks=checks,
        breakdowns=parts,
        wrong=write_misclassified(compared, images, by, by.cell_of(levels_by), folder),
        lighting=lighting,
        counterfactuals=paired,
        caveats=(
            *_at_chance(compared),
            *_caveats(
                model,
                reference,
                second,
                by,
                images,
                settings,
                predictions.caveats,
                paired is not None,
            ),
        ),
        costs=tuple(costs),
        versions=versions(),
        images=images.used,
    )
    write_record(folder / "audit.json", audit)
    PAGE.write(folder)
    return audit


def _check_settings(
    settings: AuditSettings,
    reference: Classifier | None,
    second: Classifier | None,
    errors: ReferenceErrors | None,
) -> None:
    check_tolerance(settings.tolerance)
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
            "must be the only judge of a reference",
            second.name,
            "Leave it out, or leave out the judged images, or name a reference.",
        )
    if errors is not None and settings.reference != LABEL:
        raise InputError(
            "judged images",
            f"must judge the verified labels, with reference {LABEL}",
            settings.reference,
            "Leave them out.",
        )


def _levels(
    model: Classifier | AnswersFile,
    reference: Classifier | None,
    grid: AttributeGrid,
    settings: AuditSettings,
    words: LevelMap,
) -> tuple[tuple[str, ...], bool]:
    """Return the audited levels, and whether they have an order.

    They are the reference's, or those that the model's are mapped to: without a truth, no order is
    needed.
    """
    if reference is not None:
        place = choose_attribute(reference.attributes, settings.attribute, reference.name)
        attribute = reference.attributes[place]
    elif settings.reference == LABEL:
        attribute = grid.attributes[grid.attribute(settings.attribute)]
    else:
        place = choose_attribute(model.attributes, settings.attribute, model.name)
        return words.meant(model.attributes[place]), False
    return attribute.levels, attribute.ordered


def _numbers(own: Attribute, levels: tuple[str, ...], words: LevelMap) -> NDArray[np.int8]:
    """Return the audited level of each of a judge's levels, mapped only where names differ."""
    same = set(own.levels) <= set(levels)
    return (LevelMap() if same else words).numbers(own, levels)


def _at_chance(compared: PredictionsVsReference) -> tuple[str, ...]:
    """Return what to check where a model errs as often as one that guesses among the levels."""
    known = compared.known
    wrong = Share.among("wrong", compared.answers != compared.truth, known, compared.weights)
    if not wrong.n or wrong.share < _NEAR_CHANCE * (1 - 1 / len(compared.levels)):
        return ()
    return (
        f"The model is wrong on {percent(wrong.share)} of the images, and so may only guess among "
        f"{len(compared.levels)} levels. Check that its answers belong to these images, and its "
        "words to these levels.",
    )


def _caveats(
    model: Classifier | AnswersFile,
    reference: Classifier | None,
    second: Classifier | None,
    by: AttributeGrid,
    images: AuditImages,
    settings: AuditSettings,
    unbound: tuple[str, ...],
    varied: bool,
) -> tuple[str, ...]:
    caveats = [_REFERENCES.get(settings.reference, _OTHER)]
    if images.side and settings.reference == LABEL:
        caveats = [_GIVEN]
    if second is not None:
        caveats.append(_SECOND)
    if varied:
        caveats.append(_PAIRED)
    caveats += [*image_caveats(by.names, images.side), *model.caveats, *unbound]
    caveats += reference.caveats if reference else ()
    return tuple(dict.fromkeys(caveats))
