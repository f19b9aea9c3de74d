"""From where on a tilt accepts codes in full: quantiles over each cell's own codes.

The ceiling keeps a cell's ordinary members beside its clearest (docs/decisions/0004); the clearance
does the same for codes that are clear of unwanted cells.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from equipoise.labels import LabelledCodes
from equipoise.latent_fit import LatentFit
from equipoise.quantiles import weighted_quantile

CEILING = 0.7
"""Quantile of h over the cell's own codes from which on every code is accepted, c_k."""

NOTHING_AVOIDED = 1e-9
"""A clearance that every code has."""

LEAST_OWN = 20.0
"""Effective number of a cell's own codes below which they are too few to go by."""


def ceilings_of(
    fit: LatentFit, labelled: LabelledCodes, wanted: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the `CEILING` quantile of held-out h over each cell's own codes, shape (K,).

    A cell with too few of its own takes all codes, each as far as it is held to be of the cell.
    Infinite for cells that are not wanted.
    """
    h = np.exp(fit.held_out.astype(np.float64))
    own = _own_weights(h, labelled)
    ceilings = np.full(len(wanted), np.inf)
    for k in np.flatnonzero(wanted):
        ceilings[k] = weighted_quantile(h[:, k], own[:, k], CEILING)
    return ceilings


def clearances_of(
    fit: LatentFit, labelled: LabelledCodes, wanted: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the `CEILING` quantile, over each cell's own codes, of held-out P(no unwanted cell).

    Shape (K,), above 0; 1 where every cell is wanted.
    """
    h = np.exp(fit.held_out.astype(np.float64))
    own = _own_weights(h, labelled)
    clear = 1 - h[:, ~wanted].sum(axis=1)
    found = [weighted_quantile(clear, own[:, k], CEILING) for k in range(len(wanted))]
    return np.clip(found, NOTHING_AVOIDED, 1.0)


def _own_weights(h: NDArray[np.float64], labelled: LabelledCodes) -> NDArray[np.float64]:
    """Return how far each code stands for each cell, shape (n, K).

    A cell with too few codes of its own takes all, each as far as it is held to be of the cell.
    """
    cells = labelled.labels.cells
    enough = labelled.effective() >= LEAST_OWN
    member = np.where(enough, cells[:, None] == np.arange(h.shape[1]), h)
    return np.asarray(member * (labelled.weights * labelled.known)[:, None])
