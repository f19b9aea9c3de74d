"""What the draws of a sampler are, stated before any draw; stored with the sampler."""

from __future__ import annotations

from dataclasses import dataclass

from equipoise.core.estimates import Estimate


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
        Generator-and-classifier calls per verified image, stages of refused candidates counted.
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
    """

    faithful: str
    cells: tuple[CellStatement, ...]
