"""An audit of super-resolution on photographs, beside a stored one on generated images.

OUT/real/                        the audit of the photographs, as of any images
OUT/photographs-superres.json    the comparison; OUT/photographs-superres.html the report
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from equipoise.audit.images import AuditImages
from equipoise.audit.photographs.agreement import agreement_checks, agreements_of_shares
from equipoise.audit.photographs.page import FLIP_PAGE
from equipoise.audit.photographs.record import FlipPhotographsAudit, FlipPhotographsSettings
from equipoise.audit.photographs.run import compared_caveats, same_model
from equipoise.audit.superres.images import read_levels
from equipoise.audit.superres.models import RestorerAddress
from equipoise.audit.superres.models.base import SuperResolutionModel
from equipoise.audit.superres.record import SuperresAudit
from equipoise.audit.superres.run import audit_superres
from equipoise.classifiers.panel import ClassifierPanel
from equipoise.core.checks import ignoring, verdict, worst_first
from equipoise.core.errors import InputError
from equipoise.core.progress import Execution
from equipoise.core.records import write_record
from equipoise.core.versions import versions
from equipoise.runs.record import model_used

_TWO_TABLES = (
    "Generated images and photographs differ in more than their kind: in light, camera, framing, "
    "and in how clear the faces are. A difference says that one table does not stand for the "
    "other, not why."
)
_LEFT_OUT = (
    "{left:,} of {every:,} photographs are left out, because the panel reads another cell than "
    "their label, or none: their flips would be its errors."
)


def audit_flip_photographs(
    synthetic: SuperresAudit,
    restorer: SuperResolutionModel,
    panel: ClassifierPanel,
    photographs: AuditImages,
    folder: Path,
    settings: FlipPhotographsSettings,
    *,
    address: RestorerAddress | None = None,
    execution: Execution = Execution(),
) -> FlipPhotographsAudit:
    """Audit a super-resolution model on photographs, and compare its flips with a stored audit.

    Parameters
    ----------
    synthetic : SuperresAudit
        On generated images.
    restorer : SuperResolutionModel
        The same model.
    panel : ClassifierPanel
        The same panel. Photographs are restored where it reads what their labels say.
    photographs : AuditImages
        As of `read_photographs`.
    folder : Path
        Of both records and reports.
    settings : FlipPhotographsSettings
        Attributes as of the stored audit.
    address : RestorerAddress, optional
        By which workers of an engine open the model.
    execution : Execution
        Threads, engine and progress. The panel is asked by threads.

    Raises
    ------
    InputError
        When the model or the panel is another, a setting is wrong, or the panel reads what the
        labels say of no photograph.
    ModelOutputError, FileFormatError, RemoteError, StorageError, WorkerError
        As `audit_superres`.
    """
    same_model(synthetic.models, model_used("model", restorer))
    _check_panel(synthetic, panel)
    here, home = replace(execution, engine=None), folder / "real"
    read, _ = read_levels(panel, photographs.pictures, home / "answers", "original", execution=here)
    places = [panel.grid.attribute(name) for name in photographs.grid.names]
    if [panel.grid.attributes[place] for place in places] != list(photographs.grid.attributes):
        rule = "must have the levels of the panel, in its order"
        got = ", ".join(photographs.grid.names)
        raise InputError("labels", rule, got, "Read the photographs by the panel's attributes.")
    kept = (read[:, places] == photographs.levels).all(axis=1).nonzero()[0].tolist()
    if not kept:
        raise InputError(
            "labels",
            "must be what the panel reads on some photograph",
            f"none of {len(photographs):,}",
            "Check the labels, and that photographs are cut to the faces.",
        )
    own = replace(
        synthetic.settings,
        per_cell=len(kept),
        tolerance=settings.tolerance,
        ignore=(),
        descriptors="",
        watch=(),
        seed=settings.seed,
    )
    real = audit_superres(
        restorer,
        photographs.take(kept),
        panel,
        home,
        own,
        address=address,
        execution=execution,
    )
    found = agreements_of_shares(
        (
            (
                table.where,
                [group.flips for group in table.groups],
                [group.flips for group in other.groups],
            )
            for table, other in zip(synthetic.flips, real.flips, strict=True)
        ),
        seed=settings.seed,
    )
    checks = worst_first(
        ignoring(agreement_checks(found, settings.tolerance, "rates of flips"), settings.ignore)
    )
    left = len(photographs) - len(kept)
    own_caveats = [_TWO_TABLES]
    own_caveats += [_LEFT_OUT.format(left=left, every=len(photographs))] if left else []
    audit = FlipPhotographsAudit(
        verdict=verdict(checks),
        settings=settings,
        synthetic_n=synthetic.n,
        real_n=real.n,
        left_out=left,
        models=real.models,
        checks=checks,
        agreements=found,
        caveats=compared_caveats(photographs, own_caveats, synthetic, real),
        versions=versions(),
    )
    write_record(folder / f"{FLIP_PAGE.name}.json", audit)
    FLIP_PAGE.write(folder)
    return audit


def _check_panel(synthetic: SuperresAudit, panel: ClassifierPanel) -> None:
    """Refuse a panel that is not of the stored audit; that may have read more attributes."""
    known = {used.digest: used.name for used in synthetic.models if used.role == "panel"}
    other = [
        used.name
        for classifier in panel.classifiers
        for used in model_used("panel", classifier)
        if used.digest not in known
    ]
    if other:
        raise InputError(
            "panel",
            f"must be of the stored audit's {', '.join(known.values())}",
            ", ".join(other),
            "Name its classifiers with --classifier.",
        )
