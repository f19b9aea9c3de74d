"""The record of a classifier's audit; its fields are those of `audit.json`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from equipoise.audit.answers import Predictions
from equipoise.audit.counterfactuals.effects import Effect
from equipoise.audit.defaults import TOLERANCE
from equipoise.audit.images_used import ImagesUsed
from equipoise.audit.rates import Breakdown
from equipoise.audit.shown import ShownAudit
from equipoise.core.checks import Check
from equipoise.measure.lighting import Lighting
from equipoise.runs.record import ModelUsed


@dataclass(frozen=True, kw_only=True)
class AuditSettings:
    """Settings of a classifier's audit.

    Attributes
    ----------
    attribute : str
        The audited attribute.
    by : tuple of str
        Balanced attributes to group by.
    reference : str
        "label" (the verified level), "none", or the name of a classifier.
    map : str
        Mapping from the model's levels to audited levels, such as "happy=yes, *=no"; empty where
        they are the same.
    tolerance : float
        Largest gap that is tolerated, in [0, 1).
    ignore : tuple of str
        `check_id`s of checks to ignore.
    seed : int
        Of the draws of images, the bootstrap and the simulated tests, in [0, 2**63).
    """

    attribute: str
    by: tuple[str, ...]
    reference: str
    map: str = ""
    tolerance: float = TOLERANCE
    ignore: tuple[str, ...] = ()
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Asking:
    """Cost of the predictions of one classifier.

    Attributes
    ----------
    role, name : str
        Its role in the audit, and its name.
    asked, kept, failed : int
        Images classified now, images found in the cache, and images without an answer.
    seconds : float
        Wall time.
    """

    role: str
    name: str
    asked: int
    kept: int
    failed: int
    seconds: float

    @classmethod
    def of(cls, role: str, name: str, found: Predictions) -> Asking:
        """Return the cost of some predictions."""
        return cls(
            role=role,
            name=name,
            asked=found.asked,
            kept=found.kept,
            failed=found.failed,
            seconds=found.seconds,
        )


@dataclass(frozen=True, kw_only=True)
class MisclassifiedSheet:
    """Misclassified images of one cell.

    Attributes
    ----------
    cell : str
    count, n : int
        Misclassified images, among those with a prediction and a truth.
    picture : str
        File in `pictures/`: a contact sheet of the first of them.
    """

    cell: str
    count: int
    n: int
    picture: str


@dataclass(frozen=True, kw_only=True)
class SearchYield:
    """How many verified faces of a cell were tried, and how many gave a counterfactual set."""

    cell: str
    tried: int
    kept: int


@dataclass(frozen=True, kw_only=True)
class FlippedSheet:
    """Faces whose prediction changed with the varied attribute.

    Attributes
    ----------
    before, after : str
        Levels of the varied attribute.
    level : str
        The predicted level.
    became : bool
        True where the prediction became this level, False where it ceased to be it.
    count, n : int
        Such faces, among those with a prediction at both levels.
    picture : str
        File in `pictures/`: images before and after, in pairs.
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
    """Effects of one attribute on predictions for the same faces.

    Attributes
    ----------
    attribute : str
        The varied attribute.
    n : int
        Faces with an image at every level.
    yields : tuple of SearchYield
        By the cell of the faces at their start.
    calls : int
        Generator calls of the search.
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
class ClassifierAudit(ShownAudit):
    """The result of a classifier's audit.

    Attributes
    ----------
    format : int
        Version of the layout.
    verdict : str
        The outcomes of all checks, in a sentence.
    settings : AuditSettings
    n : int
        Images.
    levels : tuple of str
        Levels of the audited attribute.
    models : tuple of ModelUsed
        The audited model, and the reference and second opinion if they are classifiers.
    checks : tuple of Check
        The most severe outcome first.
    breakdowns : tuple of Breakdown
        By cell, then by each attribute.
    wrong : tuple of MisclassifiedSheet
        The worst cell first; empty without a reference.
    lighting : Lighting or None
        None where images are not grouped by an attribute of skin.
    counterfactuals : Counterfactuals or None
        None where no attribute was varied.
    caveats : tuple of str
        Limitations of the numbers, as full sentences.
    costs : tuple of Asking
    versions : dict of str to str
        Of Python and the libraries that determine numbers.
    images : ImagesUsed or None
        What was audited. Older records have none.
    """

    format: Literal[1] = 1
    verdict: str
    settings: AuditSettings
    n: int
    levels: tuple[str, ...]
    models: tuple[ModelUsed, ...]
    checks: tuple[Check, ...]
    breakdowns: tuple[Breakdown, ...]
    wrong: tuple[MisclassifiedSheet, ...]
    lighting: Lighting | None
    counterfactuals: Counterfactuals | None
    caveats: tuple[str, ...]
    costs: tuple[Asking, ...]
    versions: dict[str, str]
    images: ImagesUsed | None = None

    @property
    def plotted(self) -> tuple[Breakdown, ...]:
        """The parts that have a plot."""
        return self.breakdowns
