"""What a notebook shows of an audit."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from equipoise.core.checks import Check, checks_as_html

if TYPE_CHECKING:
    from equipoise.report.figures import Figure
    from equipoise.report.plots import Plot


class PlottedPart(Protocol):
    """A table of an audit that has a plot: rates of groups with their intervals."""

    def figure(self) -> Figure:
        """Return the plot."""
        ...


class ShownAudit:
    """Base of the records of audits: the verdict with its checks, and the plots of the report."""

    verdict: str
    checks: tuple[Check, ...]
    caveats: tuple[str, ...]

    @property
    @abstractmethod
    def plotted(self) -> Sequence[PlottedPart]:
        """The parts that have a plot."""

    def _repr_html_(self) -> str:
        return checks_as_html(self.verdict, self.checks)

    def plot(self, part: int = 0) -> Plot:
        """Return a plot of the report, with intervals; a notebook shows it.

        Parameters
        ----------
        part : int
            0 for the cells, then one for each attribute, or each further table.

        Raises
        ------
        InputError
            When there is no such part.
        """
        from equipoise.report.plots import plot_part

        return plot_part(self.plotted, lambda one: one.figure(), part)
