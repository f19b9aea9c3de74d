"""The record of a comparison with photographs; its fields are those of `photographs.json`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from equipoise.audit.defaults import TOLERANCE
from equipoise.audit.shown import ShownAudit
from equipoise.audit.verification.record import MOST_BARS
from equipoise.core.checks import Check
from equipoise.core.estimates import Estimate
from equipoise.runs.record import ModelUsed
from equipoise.stats.shares import Share

if TYPE_CHECKING:
    from equipoise.report.figures import Figure


@dataclass(frozen=True, kw_only=True)
class PhotographsSettings:
    """Settings of a comparison with photographs.

    Attributes
    ----------
    attribute : str
        The audited attribute.
    by : tuple of str
        Attributes to group by.
    tolerance : float
        Largest difference of error rates that is tolerated, in [0, 1).
    side : int
        Pixels of each side to which photographs were cut.
    ignore : tuple of str
        `check_id`s of checks to ignore.
    seed : int
        Of the intervals' draws, in [0, 2**63).
    """

    attribute: str
    by: tuple[str, ...]
    tolerance: float = TOLERANCE
    side: int = 256
    ignore: tuple[str, ...] = ()
    seed: int = 0


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
class AgePhotographsSettings:
    """Settings of a comparison of ages with photographs.

    Attributes
    ----------
    by : tuple of str
        Attributes to group by.
    years : float
        Largest difference of mean errors that is tolerated, in years, at least 0.
    side : int
        Pixels of each side to which photographs were cut.
    ignore : tuple of str
        `check_id`s of checks to ignore.
    seed : int
        Of the intervals' draws, in [0, 2**63).
    """

    by: tuple[str, ...]
    years: float = 2.0
    side: int = 256
    ignore: tuple[str, ...] = ()
    seed: int = 0


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
class AgePhotographsAudit(ShownAudit):
    """The result of a comparison of an audit of age with the same one on photographs.

    Attributes
    ----------
    format : int
        Version of the layout.
    verdict : str
        The outcomes of all checks, in a sentence.
    settings : AgePhotographsSettings
    synthetic_n, real_n : int
        Generated images, and photographs, with both ages.
    models : tuple of ModelUsed
        The audited estimator, as on photographs.
    checks : tuple of Check
        The most severe outcome first.
    agreements : tuple of AgreementOfMeans
    caveats : tuple of str
    versions : dict of str to str
    """

    format: Literal[1] = 1
    verdict: str
    settings: AgePhotographsSettings
    synthetic_n: int
    real_n: int
    models: tuple[ModelUsed, ...]
    checks: tuple[Check, ...]
    agreements: tuple[AgreementOfMeans, ...]
    caveats: tuple[str, ...]
    versions: dict[str, str]

    @property
    def plotted(self) -> tuple[AgreementOfMeans, ...]:
        """The parts that have a plot."""
        return self.agreements


@dataclass(frozen=True, kw_only=True)
class FlipPhotographsSettings:
    """Settings of a comparison of flips with photographs.

    Attributes
    ----------
    attributes : tuple of str
        Attributes whose flips are counted.
    tolerance : float
        Largest difference of rates of flips that is tolerated, in [0, 1).
    side : int
        Pixels of each side to which photographs were cut.
    ignore : tuple of str
        `check_id`s of checks to ignore.
    seed : int
        Of the model, and of the intervals' draws, in [0, 2**63).
    """

    attributes: tuple[str, ...]
    tolerance: float = TOLERANCE
    side: int = 256
    ignore: tuple[str, ...] = ()
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class FlipPhotographsAudit(ShownAudit):
    """The result of a comparison of an audit of super-resolution with the same on photographs.

    Attributes
    ----------
    format : int
        Version of the layout.
    verdict : str
        The outcomes of all checks, in a sentence.
    settings : FlipPhotographsSettings
    synthetic_n, real_n : int
        Generated images, and photographs, that were restored.
    left_out : int
        Photographs whose panel reads another cell than their label.
    models : tuple of ModelUsed
        The audited model and the panel, as on photographs.
    checks : tuple of Check
        The most severe outcome first.
    agreements : tuple of AgreementOfRates
        Of flips.
    caveats : tuple of str
    versions : dict of str to str
    """

    format: Literal[1] = 1
    verdict: str
    settings: FlipPhotographsSettings
    synthetic_n: int
    real_n: int
    left_out: int
    models: tuple[ModelUsed, ...]
    checks: tuple[Check, ...]
    agreements: tuple[AgreementOfRates, ...]
    caveats: tuple[str, ...]
    versions: dict[str, str]

    @property
    def plotted(self) -> tuple[AgreementOfRates, ...]:
        """The parts that have a plot."""
        return self.agreements

    def shares(self) -> Iterator[tuple[str, str, str, Share]]:
        """Yield what groups are by, the group, the rate, and its numbers, for all rates."""
        for part in self.agreements:
            for pair in part.pairs:
                yield part.where, pair.name, "flips, generated images", pair.synthetic
                yield part.where, pair.name, "flips, photographs", pair.real


@dataclass(frozen=True, kw_only=True)
class MatchPhotographsSettings:
    """Settings of a comparison of false matches with photographs.

    Attributes
    ----------
    by : tuple of str
        Attributes to group by.
    threshold : float
        Similarity from which on two faces match: that of the stored audit.
    ratio : float
        Largest ratio of the rates of a group on both kinds of images that is tolerated, at least 1.
    side : int
        Pixels of each side to which photographs were cut.
    ignore : tuple of str
        `check_id`s of checks to ignore.
    seed : int
        Of the intervals' draws, in [0, 2**63).
    """

    by: tuple[str, ...]
    threshold: float
    ratio: float = 2.0
    side: int = 256
    ignore: tuple[str, ...] = ()
    seed: int = 0


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
class MatchPhotographsAudit(ShownAudit):
    """The result of a comparison of false matches with those on photographs.

    Attributes
    ----------
    format : int
        Version of the layout.
    verdict : str
        The outcomes of all checks, in a sentence.
    settings : MatchPhotographsSettings
    synthetic_n, real_n : int
        Generated images, and photographs, one of each person.
    models : tuple of ModelUsed
        What described the faces, as of photographs.
    checks : tuple of Check
        The most severe outcome first.
    agreements : tuple of AgreementOfMatches
    caveats : tuple of str
    versions : dict of str to str
    """

    format: Literal[1] = 1
    verdict: str
    settings: MatchPhotographsSettings
    synthetic_n: int
    real_n: int
    models: tuple[ModelUsed, ...]
    checks: tuple[Check, ...]
    agreements: tuple[AgreementOfMatches, ...]
    caveats: tuple[str, ...]
    versions: dict[str, str]

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


@dataclass(frozen=True, kw_only=True)
class PhotographsAudit(ShownAudit):
    """The result of a comparison of an audit with the same one on photographs.

    Attributes
    ----------
    format : int
        Version of the layout.
    verdict : str
        The outcomes of all checks, in a sentence.
    settings : PhotographsSettings
    synthetic_n, real_n : int
        Generated images, and photographs.
    models : tuple of ModelUsed
        The audited model, as on photographs.
    checks : tuple of Check
        The most severe outcome first.
    agreements : tuple of AgreementOfRates
    caveats : tuple of str
    versions : dict of str to str
    """

    format: Literal[1] = 1
    verdict: str
    settings: PhotographsSettings
    synthetic_n: int
    real_n: int
    models: tuple[ModelUsed, ...]
    checks: tuple[Check, ...]
    agreements: tuple[AgreementOfRates, ...]
    caveats: tuple[str, ...]
    versions: dict[str, str]

    @property
    def plotted(self) -> tuple[AgreementOfRates, ...]:
        """The parts that have a plot."""
        return self.agreements

    def shares(self) -> Iterator[tuple[str, str, str, Share]]:
        """Yield what groups are by, the group, the rate, and its numbers, for all rates."""
        for part in self.agreements:
            for pair in part.pairs:
                yield part.where, pair.name, "errors, generated images", pair.synthetic
                yield part.where, pair.name, "errors, photographs", pair.real
