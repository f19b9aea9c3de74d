"""The record of a comparison of false matches: the fields of `photographs-verification.json`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from equipoise.audit.photographs.record import Comparison, ComparisonSettings
from equipoise.audit.verification.record import MOST_BARS
from equipoise.core.estimates import Estimate
from equipoise.stats.shares import Share

if TYPE_CHECKING:
    from equipoise.report.figures import Figure


@dataclass(frozen=True, kw_only=True)
class MatchPhotographsSettings(ComparisonSettings):
    """Settings of a comparison of false matches with photographs.

    Attributes
    ----------
    by : tuple of str
        Attributes to group by.
    threshold : float
        Similarity from which on two faces match: that of the stored audit.
    ratio : float
        Largest ratio of the rates of a group on both kinds of images that is tolerated, at least 1.
    """

    by: tuple[str, ...]
    threshold: float
    ratio: float = 2.0


@dataclass(frozen=True, kw_only=True)
class PairOfMatches:
    """The rates of false matches of one group on both kinds of images.

    Attributes
    ----------
    name : str
    synthetic, real : Share
        Among pairs of generated faces, and of photographs of two people.
    ratio : Estimate
        Rate on photographs over that on generated images, with Walter's interval of this group
        alone; infinite where only photographs match, missing where neither does or one has no pair.
    p_value : float
        Of the hypothesis that both rates are equal (Fisher's exact test on independent pairs),
        adjusted by Holm's method over all groups of the record; NaN where one has no pair.
    """

    name: str
    synthetic: Share
    real: Share
    ratio: Estimate
    p_value: float


@dataclass(frozen=True, kw_only=True)
class AgreementOfMatches:
    """Rates of false matches on both kinds of images, in all pairs, within groups or between them.

    Attributes
    ----------
    where : str
        "all pairs", "cells", "pairs of cells", or an attribute.
    pairs : tuple of PairOfMatches
    largest : Estimate
        Largest ratio of the higher rate of a group to the lower, at least 1, with an interval that
        allows for its selection.
    correlation : Estimate
        Spearman's rank correlation of the rates over the groups; 1 where both rank them alike.
    """

    where: str
    pairs: tuple[PairOfMatches, ...]
    largest: Estimate
    correlation: Estimate

    def figure(self) -> Figure:
        """Plot the highest rates on generated images beside those on photographs."""
        from equipoise.report.plots import share_figure

        shown = sorted(self.pairs, key=lambda pair: -pair.synthetic.share)[:MOST_BARS]
        return share_figure(
            [
                ("generated images", [pair.synthetic for pair in shown]),
                ("photographs", [pair.real for pair in shown]),
            ],
            "rate of false matches, with the 95 % interval of each",
        )


@dataclass(frozen=True, kw_only=True)
class MatchPhotographsAudit(Comparison):
    """The result of a comparison of an audit of face verification: of false matches.

    Attributes
    ----------
    settings : MatchPhotographsSettings
    agreements : tuple of AgreementOfMatches
    """

    settings: MatchPhotographsSettings
    agreements: tuple[AgreementOfMatches, ...]

    @property
    def plotted(self) -> tuple[AgreementOfMatches, ...]:
        """The parts that have a plot."""
        return self.agreements

    def shares(self) -> Iterator[tuple[str, str, str, Share]]:
        """Yield what groups are by, the group, the rate, and its numbers, for all rates."""
        for part in self.agreements:
            for pair in part.pairs:
                yield part.where, pair.name, "false matches, generated images", pair.synthetic
                yield part.where, pair.name, "false matches, photographs", pair.real
