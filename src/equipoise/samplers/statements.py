"""What the draws of a sampler are, stated before any draw; stored with the sampler."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from equipoise.core.estimates import Estimate
from equipoise.core.targets import Target

ATTEMPTS = 200
"""Generator calls per wanted image after which a verified draw gives a cell up."""


@dataclass(frozen=True, kw_only=True)
class CellStatement:
    """What verified draws of a cell are, estimated before any draw.

    Intervals are at 95 %, by the Bayesian bootstrap of the labelled codes (Rubin 1981).

    Attributes
    ----------
    cell : str
    members : float
        Effective number of labelled codes of the cell (Kish 1965).
    faithfulness : Estimate
        1 less the total variation between the draws, under the weights that they carry, and the
        generator's own images of the cell. Without weights it is the mean over folds of the latent
        classifier; draws of all folds together are nearer, by convexity.
    purity : Estimate
        Share of draws that come out as requested.
    calls : Estimate
        Generator-and-classifier calls per verified image where the cell is drawn alone, stages of
        refused candidates counted.
    effective : Estimate
        Effective share of the draws under their weights; 1 where they have none.
    calls_per_effective : Estimate
        Calls per effective image.
    lost : float
        Share of the accepted members that half-space and prefilter refuse, estimated.
    """

    cell: str
    members: float
    faithfulness: Estimate
    purity: Estimate
    calls: Estimate
    effective: Estimate
    calls_per_effective: Estimate
    lost: float


@dataclass(frozen=True, kw_only=True)
class ModeStatement:
    """What verified draws of one mode are, estimated before any draw.

    Attributes
    ----------
    faithful : str
        Name of the mode: a number, exact or typical.
    cells : tuple of CellStatement
        The cells of positive target.
    calls : Estimate
        Generator-and-classifier calls per verified image of the target, many at a time: candidates
        are shared by the cells (`equipoise.samplers.shared`), stages of refused ones counted.
    calls_per_effective : Estimate
        Calls per effective image of a cell, their mean over the target.
    saved : float
        Part of the images that sharing saves, stages not counted, so that it is the same on every
        machine; NaN where `calls` is not known.
    """

    faithful: str
    cells: tuple[CellStatement, ...]
    calls: Estimate
    calls_per_effective: Estimate
    saved: float

    @property
    def reach(self) -> str:
        """Whether verified draws reach a target that one-shot draws do not, in a sentence or two.

        They reach any, but for cells that so few candidates come out as that they are given up.
        """
        rare = [c for c in self.cells if not c.calls.high <= ATTEMPTS]
        if not rare:
            return "Verified draws reach it."
        known = [
            f"{c.cell} ({c.calls.note or f'up to {c.calls.high:,.0f} calls an image'})"
            for c in rare
        ]
        return (
            f"Verified draws may not: a cell that keeps fewer than one in {ATTEMPTS} images is "
            f"given up. In doubt: {', '.join(known)}. Raise --n, or leave it out of the target."
        )

    def towards(self, target: Target, made_for: Target) -> ModeStatement:
        """Return the statement of the same draws towards another target; itself for its own.

        What draws of a cell are does not change. Calls are approximate then, and without interval:
        the part that sharing saves is taken to be the same, or none where it is not known, and no
        cell's images to cost less than alone. They are NaN where the target wants a cell that
        nothing is stated of.

        Parameters
        ----------
        target : Target
        made_for : Target
            The target of this statement.
        """
        if target.equals(made_for):
            return self
        wanted = target.shares > 0
        saved = self.saved if np.isfinite(self.saved) else 0.0
        by_cell = {cell.cell: cell for cell in self.cells}

        def cost(name: str) -> Estimate:
            alone = [
                getattr(by_cell[cell], name).value if cell in by_cell else np.nan
                for cell, is_wanted in zip(target.grid.cells, wanted, strict=True)
                if is_wanted
            ]
            costs = target.shares[wanted] * alone
            return Estimate(float(max((1 - saved) * costs.sum(), costs.max())))

        return replace(self, calls=cost("calls"), calls_per_effective=cost("calls_per_effective"))
