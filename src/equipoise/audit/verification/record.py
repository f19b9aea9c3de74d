"""The record of an audit of face verification; its fields are those of `verification.json`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

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

MOST_BARS = 24
"""Rates of a plot at most, chosen by hand."""


@dataclass(frozen=True, kw_only=True)
class VerificationSettings:
    """Settings of an audit of face verification.

    Attributes
    ----------
    by : tuple of str
        Balanced attributes to group by.
    fmr : float
        Rate of false matches over all pairs that sets the threshold, in (0, 1); NaN where the
        threshold was given.
    ratio : float
        Largest ratio of the rates of two groups that is tolerated, at least 1.
    ignore : tuple of str
        `check_id`s of checks to ignore.
    seed : int
        Of the draws of images and the simulated tests, in [0, 2**63).
    """

    by: tuple[str, ...]
    fmr: float
    ratio: float = 2.0
    ignore: tuple[str, ...] = ()
    seed: int = 0


FALSE_MATCHES = "false matches"
FALSE_NON_MATCHES = "false non-matches"


@dataclass(frozen=True, kw_only=True)
class MatchTable:
    """Rates of false matches, or of false non-matches, within groups or between them.

    Attributes
    ----------
    where : str
        "cells", "pairs of cells", or an attribute.
    rates : tuple of Share
        Of pairs of different faces, or of photographs of one person; `effective` counts
        independent pairs.
    gap : NamedGap or None
        Between the highest and the lowest; None for fewer than two groups.
    garbe, discrepancy : Estimate
        Gini coefficient of the rates (GARBE, of these rates alone), 0 where they are equal; and 1
        less their largest difference (FDR, fairness discrepancy rate). Intervals are over all
        rates that may be true together, at 95 % or more.
    what : str
        "false matches" or "false non-matches".
    """

    where: str
    rates: tuple[Share, ...]
    gap: NamedGap | None
    garbe: Estimate
    discrepancy: Estimate
    what: str = FALSE_MATCHES

    def figure(self) -> Figure:
        """Plot the highest rates."""
        from equipoise.report.plots import share_figure

        rates = sorted(self.rates, key=lambda rate: -rate.share)[:MOST_BARS]
        axis = f"rate of {self.what}, with the 95 % interval of each"
        return share_figure([(self.what, rates)], axis)


@dataclass(frozen=True, kw_only=True)
class GenuineMatches:
    """False non-matches among photographs of people, which the user brought.

    Attributes
    ----------
    images : ImagesUsed
        The photographs.
    people : int
        On them.
    failed : int
        Photographs without a descriptor. Their pairs are left out.
    overall : Share
        Rate of false non-matches among all pairs of photographs of one person.
    table : MatchTable or None
        By cell, of the pairs whose photographs are both of it; None where no pair is.
    descriptors : str
        SHA-256 of what gave their descriptors.
    """

    images: ImagesUsed
    people: int
    failed: int
    overall: Share
    table: MatchTable | None
    descriptors: str = ""


@dataclass(frozen=True, kw_only=True)
class VerificationAudit(ShownAudit):
    """The result of an audit of face verification.

    Attributes
    ----------
    format : int
        Version of the layout.
    verdict : str
        The outcomes of all checks, in a sentence.
    settings : VerificationSettings
    n : int
        Images.
    threshold : float
        Similarity from which on two faces match: a cosine of descriptors, or a score.
    overall : Share
        Rate of false matches among all pairs.
    failures : tuple of Share
        Of each cell, images without a descriptor, or without any score.
    tables : tuple of MatchTable
        Within cells, within the levels of each attribute, between cells.
    models : tuple of ModelUsed
    checks : tuple of Check
        The most severe outcome first.
    caveats : tuple of str
    costs : tuple of Asking
    versions : dict of str to str
    images : ImagesUsed or None
        What was audited. Older records have none.
    lighting : Lighting or None
        None where images are not grouped by an attribute of skin.
    cosines : bool
        Whether similarities are cosines of descriptors, rather than scores of others.
    genuine : GenuineMatches or None
        None where no photographs of people were brought.
    """

    format: Literal[1] = 1
    verdict: str
    settings: VerificationSettings
    n: int
    threshold: float
    overall: Share
    failures: tuple[Share, ...]
    tables: tuple[MatchTable, ...]
    models: tuple[ModelUsed, ...]
    checks: tuple[Check, ...]
    caveats: tuple[str, ...]
    costs: tuple[Asking, ...]
    versions: dict[str, str]
    images: ImagesUsed | None = None
    lighting: Lighting | None = None
    cosines: bool = True
    genuine: GenuineMatches | None = None

    @property
    def plotted(self) -> tuple[MatchTable, ...]:
        """The parts that have a plot."""
        own = None if self.genuine is None else self.genuine.table
        return self.tables if own is None else (*self.tables, own)

    def shares(self) -> Iterator[tuple[str, str, str, Share]]:
        """Yield what groups are by, the group, the rate, and its numbers, for all rates."""
        for table in self.plotted:
            for share in table.rates:
                yield table.where, share.name, table.what, share
        for share in self.failures:
            yield "cells", share.name, "without a descriptor", share
