"""The audit of a classifier: ask it about balanced images, compare, check, tell.

AUDIT/material/    the images, where they were drawn for this audit
AUDIT/answers/     what classifiers said of them
AUDIT/pictures/    wrongly answered images, a contact sheet a cell
AUDIT/audit.json   the record; AUDIT/audit.html the report
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.audit.answers import Answers, ask
from equipoise.audit.breakdown import break_down
from equipoise.audit.caveats import of_images
from equipoise.audit.checks import ignoring, verdict, worst_first
from equipoise.audit.findings import gap_checks, question_checks
from equipoise.audit.label_noise import ReferenceErrors
from equipoise.audit.levels import LevelMap, choose_attribute, translate
from equipoise.audit.material import Material
from equipoise.audit.pictures import write_wrong
from equipoise.audit.rates import Compared
from equipoise.audit.record import FORMAT, Asking, AuditSettings, ClassifierAudit
from equipoise.classifiers.base import Classifier
from equipoise.errors import InputError
from equipoise.figures import model_used
from equipoise.groups import UNKNOWN, Groups
from equipoise.progress import Progress, silent
from equipoise.report.audit import render_audit
from equipoise.seeds import check_seed
from equipoise.store import write_json
from equipoise.versions import versions

LABEL, NONE = "label", "none"
_OTHER = "An error is a departure from the reference, a classifier that errs as well."
_REFERENCES = {
    LABEL: "An error is a departure from the verified label, which is itself a classifier's.",
    NONE: "There is no reference: answers are compared, and no error is known.",
}


def audit_classifier(
    model: Classifier,
    material: Material,
    folder: Path,
    settings: AuditSettings,
    *,
    reference: Classifier | None = None,
    errors: ReferenceErrors | None = None,
    workers: int | None = None,
    progress: Progress = silent,
) -> ClassifierAudit:
    """Audit a classifier on balanced images, and write record and report.

    Parameters
    ----------
    model : Classifier
        The audited one.
    material : Material
        Verified images.
    folder : Path
        Keeps answers, record and report; a stopped audit goes on from what it holds.
    settings : AuditSettings
        Where `reference` is neither "label" nor "none", it is the name of the classifier below.
    reference : Classifier, optional
        Its answers are the truth.
    errors : ReferenceErrors, optional
        Of the verified labels, cell by cell, where people judged them.
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
    _check_settings(settings, reference, errors)
    by, levels_by = material.restricted(settings.by)
    levels, numbers = _match(model, reference, material.groups, settings)
    answers = folder / "answers"
    asked = ask(model, material, answers, workers=workers, progress=progress)
    costs = [_cost("model", model, asked)]
    truth = np.full(len(material), UNKNOWN, np.int8)
    if reference is not None:
        told = ask(
            reference, material, answers, workers=workers, progress=progress, stage="reference"
        )
        costs.append(_cost("reference", reference, told))
        place = choose_attribute(told.attributes, settings.attribute, reference.name)
        truth = np.maximum(told.levels[:, place], np.int8(UNKNOWN))
    elif settings.reference == LABEL:
        truth = material.levels[:, material.groups.attribute(settings.attribute)]
    place = choose_attribute(asked.attributes, settings.attribute, model.name)
    said = translate(asked.levels[:, place], numbers)
    compared = Compared(levels, said, truth, asked.confidence[:, place])

    parts = break_down(compared, by, levels_by, seed=settings.seed)
    gaps = gap_checks(parts, settings.tolerance, errors, material.counts())
    checks = worst_first(ignoring((*gaps, *question_checks(parts[0])), settings.ignore))
    models = model_used("model", model)
    if reference is not None:
        models += model_used("reference", reference)
    found = ClassifierAudit(
        FORMAT,
        verdict(checks),
        settings,
        len(material),
        levels,
        models,
        checks,
        parts,
        write_wrong(compared, material, by, by.cell_of(levels_by), folder),
        _caveats(model, reference, by, settings),
        tuple(costs),
        versions(),
    )
    write_json(folder / "audit.json", found)
    render_audit(folder)
    return found


def _check_settings(
    settings: AuditSettings, reference: Classifier | None, errors: ReferenceErrors | None
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
    if errors is not None and settings.reference != LABEL:
        raise InputError(
            "judged images",
            f"must judge the verified labels, with reference {LABEL}",
            settings.reference,
            "Leave them out.",
        )


def _match(
    model: Classifier, reference: Classifier | None, groups: Groups, settings: AuditSettings
) -> tuple[tuple[str, ...], NDArray[np.int8]]:
    """Return the audited levels, and which of them each of the model's is."""
    own = model.attributes[choose_attribute(model.attributes, settings.attribute, model.name)]
    words = LevelMap.parse(settings.map) if settings.map else LevelMap()
    if reference is not None:
        place = choose_attribute(reference.attributes, settings.attribute, reference.name)
        levels = reference.attributes[place].levels
    elif settings.reference == LABEL:
        levels = groups.attributes[groups.attribute(settings.attribute)].levels
    else:
        levels = words.meant(own)
    return levels, words.numbers(own, levels)


def _cost(role: str, classifier: Classifier, answers: Answers) -> Asking:
    return Asking(
        role, classifier.name, answers.asked, answers.kept, answers.failed, answers.seconds
    )


def _caveats(
    model: Classifier, reference: Classifier | None, by: Groups, settings: AuditSettings
) -> tuple[str, ...]:
    told = [_REFERENCES.get(settings.reference, _OTHER)]
    told += [*of_images(by.names), *model.caveats, *(reference.caveats if reference else ())]
    return tuple(dict.fromkeys(told))
