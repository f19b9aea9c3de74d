"""The audits of a study: a classifier, on verified images of each run's sampler."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from equipoise.audit.classifier import LABEL, NONE, audit_classifier
from equipoise.audit.images import draw_audit_images
from equipoise.audit.level_map import LevelMap, choose_attribute
from equipoise.audit.record import AuditSettings, ClassifierAudit
from equipoise.classifiers import Classifier, open_classifier
from equipoise.core.progress import Execution, Progress
from equipoise.core.records import read_record, to_json
from equipoise.core.settings import Settings
from equipoise.pipeline import open_models
from equipoise.runs.folder import RunFolder
from equipoise.runs.record import model_used
from equipoise.samplers.file import load_sampler
from equipoise.study.file import AuditWanted
from equipoise.study.record import StudyAudit


def open_audited(wanted: AuditWanted) -> Classifier:
    """Open the classifier of an audit, which must predict its attribute.

    Raises
    ------
    EquipoiseError
        When it cannot be opened, predicts no such attribute, or the map breaks its rule.
    """
    model = open_classifier(wanted.model)
    choose_attribute(model.attributes, wanted.attribute, model.name)
    if wanted.map:
        LevelMap.parse(wanted.map)
    return model


def audit_run(
    name: str,
    wanted: AuditWanted,
    model: Classifier,
    run: RunFolder,
    settings: Settings,
    folder: str,
    home: Path,
    progress: Progress,
) -> StudyAudit:
    """Audit a classifier on images of a run, unless that is done, and return it in numbers.

    Its folder is named by all that decides it, and that of the images by the sampler and their
    number: audits of former samplers and models stay where they are.

    Parameters
    ----------
    name : str
        Of the audit.
    wanted : AuditWanted
    model : Classifier
        From `open_audited`.
    run : RunFolder
        Finished.
    settings : Settings
        Of the run.
    folder : str
        Of the run's audits, relative to `home`.
    home : Path
        Folder of the study.
    progress : Progress

    Raises
    ------
    EquipoiseError
        As `draw_audit_images` and `audit_classifier`.
    """
    sampler = load_sampler(run.sampler)
    grid = sampler.grid
    asked = AuditSettings(
        attribute=wanted.attribute,
        by=grid.names,
        reference=LABEL if wanted.attribute in grid.names else NONE,
        map=wanted.map,
        seed=settings.seed,
    )
    decides = [sampler.digest, wanted.n, to_json(asked)]
    decides += [used.digest for used in model_used("model", model)]
    key = hashlib.sha256(json.dumps(decides).encode()).hexdigest()[:12]
    place = f"{folder}/{name}-{key}"
    found = _done(home / place)
    if found is None:
        models = open_models(settings)
        execution = Execution(settings.workers, progress)
        images = draw_audit_images(
            sampler.bound(models.generator),
            models,
            wanted.n,
            settings.seed,
            home / folder / f"images-{sampler.digest[:12]}-{wanted.n}",
            execution=execution,
        )
        found = audit_classifier(model, images, home / place, asked, execution=execution)
    known = [group for group in found.breakdowns[0].groups if group.error.n]
    worst = max(known, key=lambda group: group.error.share, default=None)
    return StudyAudit(
        name=name,
        folder=place,
        model=wanted.model,
        attribute=wanted.attribute,
        verdict=found.verdict,
        worst=worst.name if worst else "",
        error=worst.error.estimate if worst else None,
    )


def _done(folder: Path) -> ClassifierAudit | None:
    """Return the stored audit of a folder whose page, which is written last, is there."""
    if not (folder / "audit.html").is_file():
        return None
    remedy = f"Remove {folder}, and give the same command again."
    return read_record(folder / "audit.json", ClassifierAudit, remedy, what="audit")
