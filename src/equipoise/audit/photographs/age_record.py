"""The record of a comparison of ages; its fields are those of `photographs-age.json`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from equipoise.audit.photographs.record import Comparison, ComparisonSettings
from equipoise.core.estimates import Estimate

if TYPE_CHECKING:
    from equipoise.report.figures import Figure


@dataclass(frozen=True, kw_only=True)
class AgePhotographsSettings(ComparisonSettings):
    """Settings of a comparison of ages with photographs.

    Attributes
    ----------
    by : tuple of str
        Attributes to group by.
    years : float
        Largest difference of mean errors that is tolerated, in years, at least 0.
    """

    by: tuple[str, ...]
    years: float = 2.0


@dataclass(frozen=True, kw_only=True)
class PairOfMeans:
    """A mean error of age of one group on both kinds of images, in years.

    Attributes
    ----------
    name : str
    synthetic, real : Estimate
        On generated images, and on photographs.
    difference : Estimate
        On photographs less on generated images, with the interval of this group alone; missing
        where one of them has fewer than two images.
    p_value : float
        Of the hypothesis that both are equal, adjusted by Holm's method over all groups and means
        of the record; NaN where the difference is missing.
    """

    name: str
    synthetic: Estimate
    real: Estimate
    difference: Estimate
    p_value: float


@dataclass(frozen=True, kw_only=True)
class AgreementOfMeans:
    """A mean error of age on both kinds of images, by cell or by the levels of one attribute.

    Attributes
    ----------
    what : str
        "mean absolute error" or "mean error".
    where : str
        "cells", or the attribute.
    pairs : tuple of PairOfMeans
    largest : Estimate
        Largest size of a difference, with an interval that allows for its selection.
    correlation : Estimate
        Spearman's rank correlation of the means over the groups.
    """

    what: str
    where: str
    pairs: tuple[PairOfMeans, ...]
    largest: Estimate
    correlation: Estimate

    def figure(self) -> Figure:
        """Plot the means on generated images beside those on photographs."""
        from equipoise.report.plots import interval_figure

        return interval_figure(
            [pair.name for pair in self.pairs],
            [
                ("generated images", [pair.synthetic for pair in self.pairs]),
                ("photographs", [pair.real for pair in self.pairs]),
            ],
            f"{self.what} of age in years, with the 95 % interval of each",
        )


@dataclass(frozen=True, kw_only=True)
class AgePhotographsAudit(Comparison):
    """The result of a comparison of an audit of age.

    Attributes
    ----------
    settings : AgePhotographsSettings
    agreements : tuple of AgreementOfMeans
    """

    settings: AgePhotographsSettings
    agreements: tuple[AgreementOfMeans, ...]

    @property
    def plotted(self) -> tuple[AgreementOfMeans, ...]:
        """The parts that have a plot."""
        return self.agreements
