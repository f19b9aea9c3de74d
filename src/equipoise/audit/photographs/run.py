"""The same audit on photographs, beside a stored one on generated images.

OUT/real/               the audit of the photographs, as of any images
OUT/photographs.json    the comparison; OUT/photographs.html the report
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from equipoise.audit.answers_file import AnswersFile
from equipoise.audit.classifier import LABEL, NONE, audit_classifier
from equipoise.audit.images import AuditImages
from equipoise.audit.photographs.agreement import agreement_checks, agreements
from equipoise.audit.photographs.page import PAGE
from equipoise.audit.photographs.record import PhotographsAudit, PhotographsSettings
from equipoise.audit.record import AuditSettings, ClassifierAudit
from equipoise.audit.shown import ShownAudit
from equipoise.classifiers.base import Classifier
from equipoise.classifiers.models import ClassifierAddress
from equipoise.core.checks import ignoring, verdict, worst_first
from equipoise.core.errors import InputError
from equipoise.core.progress import Execution
from equipoise.core.records import write_record
from equipoise.core.versions import versions
from equipoise.runs.record import ModelUsed, model_used

_TWO_TABLES = (
    "Generated images and photographs differ in more than their kind: in light, camera, framing, "
    "and in who gave the labels. A difference says that one table does not stand for the other, "
    "not why."
)
_GIVEN_LABELS = (
    "On generated images an error is a difference from {reference}; on photographs, from the "
    "labels that came with them."
)
BY_WORD = "That both tables are of one model is the word of who wrote the answers."


def audit_photographs(
    synthetic: ClassifierAudit,
    model: Classifier | AnswersFile,
    photographs: AuditImages,
    folder: Path,
    settings: PhotographsSettings,
    *,
    address: ClassifierAddress | None = None,
    execution: Execution = Execution(),
) -> PhotographsAudit:
    """Audit a model on photographs, and compare its errors with those of a stored audit.

    Parameters
    ----------
    synthetic : ClassifierAudit
        On generated images, with a reference.
    model : Classifier or AnswersFile
        The same model, or its recorded answers to the photographs.
    photographs : AuditImages
        As of `read_photographs`.
    folder : Path
        Of both records and reports.
    settings : PhotographsSettings
        Attribute and groups as of the stored audit.
    address : ClassifierAddress, optional
        By which workers of an engine open the model.
    execution : Execution
        Threads, engine and progress. The record does not depend on it, but for seconds.

    Raises
    ------
    InputError
        When the stored audit has no error rates, the model is another, or a setting is wrong.
    ModelOutputError, FileFormatError, StorageError, WorkerError
        As `audit_classifier`.
    """
    recorded = isinstance(model, AnswersFile)
    _check(synthetic, model, recorded)
    real = audit_classifier(
        model,
        photographs,
        folder / "real",
        AuditSettings(
            attribute=settings.attribute,
            by=settings.by,
            reference=LABEL,
            map=synthetic.settings.map,
            tolerance=settings.tolerance,
            seed=settings.seed,
        ),
        addresses={} if address is None else {"model": address},
        execution=execution,
    )
    found = agreements(synthetic.breakdowns, real.breakdowns, seed=settings.seed)
    checks = worst_first(ignoring(agreement_checks(found, settings.tolerance), settings.ignore))
    reference = synthetic.settings.reference
    given = "the label of a classifier" if reference == LABEL else reference
    caveats = [_TWO_TABLES, _GIVEN_LABELS.format(reference=given)]
    caveats += [BY_WORD] if recorded else []
    audit = PhotographsAudit(
        verdict=verdict(checks),
        settings=settings,
        synthetic_n=synthetic.n,
        real_n=real.n,
        models=real.models,
        checks=checks,
        agreements=found,
        caveats=compared_caveats(photographs, caveats, synthetic, real),
        versions=versions(),
    )
    write_record(folder / "photographs.json", audit)
    PAGE.write(folder)
    return audit


def _check(synthetic: ClassifierAudit, model: Classifier | AnswersFile, recorded: bool) -> None:
    if synthetic.settings.reference == NONE:
        raise InputError(
            "stored audit",
            "must have a reference, and so error rates",
            NONE,
            "Run `equipoise audit classifier` with --reference.",
        )
    if not recorded:
        same_model(synthetic.models, model_used("model", model))


def compared_caveats(
    photographs: AuditImages, own: Sequence[str], synthetic: ShownAudit, real: ShownAudit
) -> tuple[str, ...]:
    """Return the caveats of a comparison: its own, and those of both audits, each with its images.

    What holds of both audits stands alone; what either could not process is among them. First comes
    how many photographs say that they are none.
    """
    marked, kinds = photographs.used.marked, {}
    for kind, audit in (("Generated images", synthetic), ("Photographs", real)):
        failed = (c for c in audit.checks if c.check_id == "failures" and c.outcome == "tip")
        kinds[kind] = [*audit.caveats, *(check.words for check in failed)]
    first, second = kinds.values()
    common = [text for text in first if text in second]
    named = [
        f"{kind}: {text}" for kind, texts in kinds.items() for text in texts if text not in common
    ]
    synthetics = f"{marked:,} of {len(photographs):,} photographs say they are synthetic."
    return tuple(dict.fromkeys([*([synthetics] if marked else []), *own, *common, *named]))


def same_model(stored: Sequence[ModelUsed], model: Sequence[ModelUsed]) -> None:
    """Refuse another model than that of a stored audit.

    Raises
    ------
    InputError
        When it is another.
    """
    known = [used for used in stored if used.role == "model"]
    if {used.digest for used in known} != {used.digest for used in model}:
        raise InputError(
            "model",
            f"must be that of the stored audit, {known[0].name}",
            model[0].name,
            "Name the same model, or audit this one on generated images first.",
        )
