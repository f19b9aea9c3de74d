"""The records of comparisons with photographs; those of rates are here.

Fields are those of `photographs.json` and `photographs-superres.json`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from equipoise.audit.defaults import TOLERANCE
from equipoise.audit.shown import ShownAudit
from equipoise.core.checks import Check
from equipoise.core.estimates import Estimate
from equipoise.runs.record import ModelUsed
from equipoise.stats.shares import Share

if TYPE_CHECKING:
    from equipoise.report.figures import Figure


@dataclass(frozen=True, kw_only=True)
class ComparisonSettings:
    """Settings of every comparison with photographs.

    Attributes
    ----------
    side : int
        Pixels of each side to which photographs were cut.
    ignore : tuple of str
        `check_id`s of checks to ignore.
    seed : int
        Of the intervals' draws, and of a model that draws, in [0, 2**63).
    """

    side: int = 256
    ignore: tuple[str, ...] = ()
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Comparison(ShownAudit):
    """Fields of every comparison of an audit with the same one on photographs.

    Attributes
    ----------
    format : int
        Version of the layout.
    verdict : str
        The outcomes of all checks, in a sentence.
    synthetic_n, real_n : int
        Generated images, and photographs, that are compared.
    models : tuple of ModelUsed
        The audited model and what else was asked, as on photographs.
    checks : tuple of Check
        The most severe outcome first.
    caveats : tuple of str
    versions : dict of str to str
    """

    format: Literal[1] = 1
    verdict: str
    synthetic_n: int
    real_n: int
    models: tuple[ModelUsed, ...]
    checks: tuple[Check, ...]
    caveats: tuple[str, ...]
    versions: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class PairOfRates:
    """The rates of errors, or of flips, of one group on both kinds of images.

    Attributes
    ----------
    name : str
    synthetic, real : Share
        Among generated images, and among photographs.
    difference : Estimate
        Rate on photographs less that on generated images, with Newcombe's interval of this group
        alone; missing where one of them has no image.
    p_value : float
        Of the hypothesis that both rates are equal (Fisher's exact test), adjusted by Holm's method
        over all groups of the record; NaN where one has no image.
    """

    name: str
    synthetic: Share
    real: Share
    difference: Estimate
    p_value: float


@dataclass(frozen=True, kw_only=True)
class AgreementOfRates:
    """Rates on both kinds of images, by cell or by the levels of one attribute.

    Attributes
    ----------
    where : str
        "cells", or the attribute.
    pairs : tuple of PairOfRates
    largest : Estimate
        Largest size of a difference, with an interval that allows for its selection.
    correlation : Estimate
        Spearman's rank correlation of the rates over the groups; 1 where both rank them alike.
    """

    where: str
    pairs: tuple[PairOfRates, ...]
    largest: Estimate
    correlation: Estimate

    def figure(self) -> Figure:
        """Plot the rates on generated images beside those on photographs."""
        from equipoise.report.plots import share_figure

        return share_figure(
            [
                ("generated images", [pair.synthetic for pair in self.pairs]),
                ("photographs", [pair.real for pair in self.pairs]),
            ],
            "rate, with the exact 95 % interval of each",
        )


@dataclass(frozen=True, kw_only=True)
class RatesComparison(Comparison):
    """A comparison of rates of one kind.

    Attributes
    ----------
    agreements : tuple of AgreementOfRates
    """

    agreements: tuple[AgreementOfRates, ...]

    _what = ""
    """What the rates are, in words."""

    @property
    def plotted(self) -> tuple[AgreementOfRates, ...]:
        """The parts that have a plot."""
        return self.agreements

    def shares(self) -> Iterator[tuple[str, str, str, Share]]:
        """Yield what groups are by, the group, the rate, and its numbers, for all rates."""
        for part in self.agreements:
            for pair in part.pairs:
                yield part.where, pair.name, f"{self._what}, generated images", pair.synthetic
                yield part.where, pair.name, f"{self._what}, photographs", pair.real


@dataclass(frozen=True, kw_only=True)
class PhotographsSettings(ComparisonSettings):
    """Settings of a comparison with photographs.

    Attributes
    ----------
    attribute : str
        The audited attribute.
    by : tuple of str
        Attributes to group by.
    tolerance : float
        Largest difference of error rates that is tolerated, in [0, 1).
    """

    attribute: str
    by: tuple[str, ...]
    tolerance: float = TOLERANCE


@dataclass(frozen=True, kw_only=True)
class PhotographsAudit(RatesComparison):
    """The result of a comparison of an audit of a classifier: of errors.

    Attributes
    ----------
    settings : PhotographsSettings
    """

    settings: PhotographsSettings

    _what = "errors"


@dataclass(frozen=True, kw_only=True)
class FlipPhotographsSettings(ComparisonSettings):
    """Settings of a comparison of flips with photographs.

    Attributes
    ----------
    attributes : tuple of str
        Attributes whose flips are counted.
    tolerance : float
        Largest difference of rates of flips that is tolerated, in [0, 1).
    """

    attributes: tuple[str, ...]
    tolerance: float = TOLERANCE


@dataclass(frozen=True, kw_only=True)
class FlipPhotographsAudit(RatesComparison):
    """The result of a comparison of an audit of super-resolution: of flips.

    Attributes
    ----------
    settings : FlipPhotographsSettings
    left_out : int
        Photographs on which the panel reads another cell than their label.
    """

    settings: FlipPhotographsSettings
    left_out: int

    _what = "flips"
