"""The record of an audit of age; its fields are those of `age.json`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from equipoise.audit.defaults import TOLERANCE
from equipoise.audit.images_used import ImagesUsed
from equipoise.audit.named_gaps import NamedGap
from equipoise.audit.record import Asking
from equipoise.audit.shown import ShownAudit
from equipoise.core.checks import Check
from equipoise.core.estimates import Estimate
from equipoise.measure.lighting import Lighting
from equipoise.runs.record import ModelUsed
from equipoise.stats.shares import Share

if TYPE_CHECKING:
    from equipoise.report.figures import Figure


@dataclass(frozen=True, kw_only=True)
class AgeSettings:
    """Settings of an audit of age.

    Attributes
    ----------
    by : tuple of str
        Balanced attributes to group by.
    reference : str
        The table or the estimator whose ages count as true.
    limit : float
        Years from which on a person may buy: 18.
    challenges : tuple of float
        Years of the rules: who is estimated below is asked for a proof of age.
    years : float
        Largest gap of mean errors that is tolerated, in years, at least 0.
    tolerance : float
        Largest gap of rates that is tolerated, in [0, 1).
    ignore : tuple of str
        `check_id`s of checks to ignore.
    seed : int
        Of the draws of images and the simulated tests, in [0, 2**63).
    """

    by: tuple[str, ...]
    reference: str
    limit: float = 18.0
    challenges: tuple[float, ...] = (18.0, 25.0)
    years: float = 2.0
    tolerance: float = TOLERANCE
    ignore: tuple[str, ...] = ()
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class RuleRates:
    """What a rule does in one group.

    Attributes
    ----------
    challenge : float
        Years: who is estimated at this age or above passes without a proof of age.
    false_pass : Share
        Who passes, among those below the limit by the reference.
    false_refusal : Share
        Who is asked for a proof, among those at the limit or above by the reference.
    """

    challenge: float
    false_pass: Share
    false_refusal: Share


@dataclass(frozen=True, kw_only=True)
class AgeRates:
    """Errors of age in one group.

    Attributes
    ----------
    name : str
    n : int
        Images.
    compared : int
        Images with an estimate and a reference age.
    failure : Share
        Images for which the model gave no age.
    reference : Estimate
        Mean age by the reference, in years.
    absolute : Estimate
        Mean absolute error in years, over compared images.
    signed : Estimate
        Mean error in years: estimate less reference. Above 0, faces are taken for older.
    deviation : Estimate
        Standard deviation of the error in years.
    rules : tuple of RuleRates
    """

    name: str
    n: int
    compared: int
    failure: Share
    reference: Estimate
    absolute: Estimate
    signed: Estimate
    deviation: Estimate
    rules: tuple[RuleRates, ...]


@dataclass(frozen=True, kw_only=True)
class AgeBreakdown:
    """Errors of age and gaps by cell, by the levels of one attribute, or by reference age.

    Attributes
    ----------
    where : str
        "cells", the attribute, or "reference age".
    groups : tuple of AgeRates
    gaps : tuple of NamedGap
        Of mean errors in years, of rates in shares; none by reference age.
    """

    where: str
    groups: tuple[AgeRates, ...]
    gaps: tuple[NamedGap, ...]

    def figure(self) -> Figure:
        """Plot mean absolute error and mean error in years."""
        from equipoise.report.plots import interval_figure

        return interval_figure(
            [group.name for group in self.groups],
            [
                ("mean absolute error", [group.absolute for group in self.groups]),
                ("mean error", [group.signed for group in self.groups]),
            ],
            "years, with the 95 % interval of each",
        )


@dataclass(frozen=True, kw_only=True)
class AgeAudit(ShownAudit):
    """The result of an audit of age.

    Attributes
    ----------
    format : int
        Version of the layout.
    verdict : str
        The outcomes of all checks, in a sentence.
    settings : AgeSettings
    n, compared : int
        Images, and those with an estimate and a reference age.
    models : tuple of ModelUsed
        The audited estimator, or its table, and the reference.
    checks : tuple of Check
        The most severe outcome first.
    breakdowns : tuple of AgeBreakdown
        By cell, by each attribute, by reference age.
    lighting : Lighting or None
        None where images are not grouped by an attribute of skin.
    caveats : tuple of str
    costs : tuple of Asking
    versions : dict of str to str
    images : ImagesUsed or None
        What was audited.
    """

    format: Literal[2] = 2
    verdict: str
    settings: AgeSettings
    n: int
    compared: int
    models: tuple[ModelUsed, ...]
    checks: tuple[Check, ...]
    breakdowns: tuple[AgeBreakdown, ...]
    lighting: Lighting | None
    caveats: tuple[str, ...]
    costs: tuple[Asking, ...]
    versions: dict[str, str]
    images: ImagesUsed | None = None

    @property
    def plotted(self) -> tuple[AgeBreakdown, ...]:
        """The parts that have a plot."""
        return self.breakdowns
