"""The audits of a study: a classifier, on verified images of each run's sampler."""

from __future__ import annotations

from pathlib import Path

from equipoise.audit.classifier import LABEL, NONE, audit_classifier
from equipoise.audit.images import draw_audit_images
from equipoise.audit.record import AuditSettings, ClassifierAudit
from equipoise.classifiers import open_classifier
from equipoise.core.errors import EquipoiseError
from equipoise.core.progress import Execution, Progress
from equipoise.core.records import read_record
from equipoise.core.settings import Settings
from equipoise.pipeline import open_models
from equipoise.runs.folder import RunFolder
from equipoise.samplers.file import load_sampler
from equipoise.study.file import AuditWanted
from equipoise.study.record import StudyAudit


def audit_run(
    name: str,
    wanted: AuditWanted,
    run: RunFolder,
    settings: Settings,
    folder: str,
    home: Path,
    progress: Progress,
) -> StudyAudit:
    """Audit a classifier on images of a run, unless that is done, and return it in numbers.

    Parameters
    ----------
    name : str
        Of the audit.
    wanted : AuditWanted
    run : RunFolder
        Finished.
    settings : Settings
        Of the run.
    folder : str
        Of the audit, relative to `home`.
    home : Path
        Folder of the study.
    progress : Progress

    Raises
    ------
    EquipoiseError
        As `draw_audit_images` and `audit_classifier`.
    """
    grid = run.read_record().grid
    asked = AuditSettings(
        attribute=wanted.attribute,
        by=grid.names,
        reference=LABEL if wanted.attribute in grid.names else NONE,
        map=wanted.map,
        seed=settings.seed,
    )
    found = _done(home / folder, asked, wanted)
    if found is None:
        models = open_models(settings)
        sampler = load_sampler(run.sampler, models.generator)
        execution = Execution(settings.workers, progress)
        images = draw_audit_images(
            sampler,
            models,
            wanted.n,
            settings.seed,
            home / folder / "material",
            execution=execution,
        )
        model = open_classifier(wanted.model)
        found = audit_classifier(model, images, home / folder, asked, execution=execution)
    known = [group for group in found.breakdowns[0].groups if group.error.n]
    worst = max(known, key=lambda group: group.error.share, default=None)
    return StudyAudit(
        name=name,
        folder=folder,
        model=wanted.model,
        attribute=wanted.attribute,
        verdict=found.verdict,
        worst=worst.name if worst else "",
        error=worst.error.estimate if worst else None,
    )


def _done(folder: Path, asked: AuditSettings, wanted: AuditWanted) -> ClassifierAudit | None:
    """Return the stored audit of these settings, images and model; its page is written last."""
    try:
        stored = read_record(folder / "audit.json", ClassifierAudit, "", what="audit")
    except EquipoiseError:
        return None
    same = stored.settings == asked and stored.n == wanted.n
    return stored if same and (folder / "audit.html").is_file() else None
