"""The record of an audit of a classifier, which is also the layout of its `audit.json`."""

from __future__ import annotations

from dataclasses import dataclass

from equipoise.audit.answers import Predictions
from equipoise.audit.counterfactuals.effects import Effect
from equipoise.audit.rates import Breakdown
from equipoise.core.checks import Check
from equipoise.runs.record import ModelUsed

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class AuditSettings:
    """What is audited, and how.

    Attributes
    ----------
    attribute : str
        The audited one.
    by : tuple of str
        Balanced attributes to group by.
    reference : str
        "label" (the verified level), "none", or the name of the classifier that is one.
    map : str
        The model's words for the levels: "happy=yes, *=no"; empty where they are the same.
    tolerance : float
        Gap that is tolerated, in [0, 1).
    ignore : tuple of str
        Codes of checks to ignore.
    seed : int
        Of the images' draws, the bootstrap and the simulated tests.
    """

    attribute: str
    by: tuple[str, ...]
    reference: str
    map: str = ""
    tolerance: float = 0.05
    ignore: tuple[str, ...] = ()
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Asking:
    """What asking a classifier cost.

    Attributes
    ----------
    role, name : str
    asked, kept, failed : int
        Images asked about now, answered before, and that could not be asked about.
    seconds : float
        Wall time of asking.
    """

    role: str
    name: str
    asked: int
    kept: int
    failed: int
    seconds: float

    @classmethod
    def of(cls, role: str, name: str, told: Predictions) -> Asking:
        """Tell what answers cost."""
        return cls(
            role=role,
            name=name,
            asked=told.asked,
            kept=told.kept,
            failed=told.failed,
            seconds=told.seconds,
        )


@dataclass(frozen=True, kw_only=True)
class MisclassifiedSheet:
    """Wrongly answered images of one cell.

    Attributes
    ----------
    cell : str
    count, n : int
        Wrong answers among those whose truth is known.
    picture : str
        Contact sheet of the first of them, a file in `pictures/`.
    """

    cell: str
    count: int
    n: int
    picture: str


@dataclass(frozen=True, kw_only=True)
class SearchYield:
    """How many verified faces of a cell became ladders."""

    cell: str
    tried: int
    kept: int


@dataclass(frozen=True, kw_only=True)
class FlippedSheet:
    """Faces whose answer changed with the varied attribute.

    Attributes
    ----------
    before, after : str
        Levels of the varied attribute.
    level : str
        The answer.
    became : bool
        Whether the answer became this level, or ceased to be it.
    count, n : int
        Such faces, among those answered at both levels.
    picture : str
        File in `pictures/`: before and after in turn.
    """

    before: str
    after: str
    level: str
    became: bool
    count: int
    n: int
    picture: str


@dataclass(frozen=True, kw_only=True)
class Counterfactuals:
    """What one attribute does to answers on the same faces.

    Attributes
    ----------
    attribute : str
        The one that varies.
    n : int
        Faces that have an image at every level.
    yields : tuple of SearchYield
        By the cell in which faces began.
    calls : int
        Generator calls that the search cost.
    effects : tuple of Effect
    flipped : tuple of FlippedSheet
    """

    attribute: str
    n: int
    yields: tuple[SearchYield, ...]
    calls: int
    effects: tuple[Effect, ...]
    flipped: tuple[FlippedSheet, ...]


@dataclass(frozen=True, kw_only=True)
class ClassifierAudit:
    """What was found out about a classifier.

    Attributes
    ----------
    format : int
    verdict : str
        What came of all checks, as a sentence.
    settings : AuditSettings
    n : int
        Images.
    levels : tuple of str
        Levels of the audited attribute.
    models : tuple of ModelUsed
        The audited model, and the reference where it is one.
    checks : tuple of Check
        The one to read first in front.
    breakdowns : tuple of Breakdown
        By cell, then by each attribute.
    wrong : tuple of MisclassifiedSheet
        The worst cell first; empty without a reference.
    counterfactuals : Counterfactuals or None
        None where no attribute was varied.
    caveats : tuple of str
        What a reader of the numbers must know.
    costs : tuple of Asking
    versions : dict of str to str
    """

    format: int
    verdict: str
    settings: AuditSettings
    n: int
    levels: tuple[str, ...]
    models: tuple[ModelUsed, ...]
    checks: tuple[Check, ...]
    breakdowns: tuple[Breakdown, ...]
    wrong: tuple[MisclassifiedSheet, ...]
    counterfactuals: Counterfactuals | None
    caveats: tuple[str, ...]
    costs: tuple[Asking, ...]
    versions: dict[str, str]
