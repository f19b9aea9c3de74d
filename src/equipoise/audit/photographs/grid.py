"""The attributes that photographs need labels of, to stand beside a stored audit."""

from __future__ import annotations

from collections.abc import Sequence

from equipoise.audit.age.record import AgeAudit
from equipoise.audit.record import ClassifierAudit
from equipoise.audit.superres.record import SuperresAudit
from equipoise.audit.verification.record import VerificationAudit
from equipoise.core.attributes import Attribute, AttributeGrid
from equipoise.core.errors import FileFormatError


def grid_of(
    audit: ClassifierAudit | AgeAudit | SuperresAudit | VerificationAudit,
) -> AttributeGrid:
    """Return the attributes that photographs need labels of: the audit's groups, and its own.

    Levels are those that the audit had images of, in order. An age is no level.
    """
    cells: Sequence[str] = ()
    if isinstance(audit, SuperresAudit):
        names = audit.settings.attributes
        cells = [group.name for group in audit.flips[0].groups]
    else:
        names = audit.settings.by
        if isinstance(audit, VerificationAudit):
            cells = [share.name for share in audit.failures if share.n]
        elif audit.breakdowns:
            cells = [group.name for group in audit.breakdowns[0].groups]
    if not cells:
        rule = "must have the rates of cells"
        raise FileFormatError("stored audit", rule, "none", "Make it again.")
    found: dict[str, dict[str, None]] = {name: {} for name in names}
    for cell in cells:
        for part in cell.split(", "):
            name, _, level = part.partition("=")
            found.setdefault(name, {})[level] = None
    if isinstance(audit, ClassifierAudit):
        found[audit.settings.attribute] = dict.fromkeys(audit.levels)
    return AttributeGrid(tuple(Attribute(name, tuple(levels)) for name, levels in found.items()))
