"""What a notebook shows of an audit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from equipoise.core.checks import Check, checks_as_html

if TYPE_CHECKING:
    from equipoise.report.plots import Plot


class ShownAudit:
    """Base of the records of audits: the verdict with its checks, and the plots of the report."""

    verdict: str
    checks: tuple[Check, ...]

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
        from equipoise.audit.plots import plotted
        from equipoise.report.plots import plot_part

        return plot_part(*plotted(self), part)
