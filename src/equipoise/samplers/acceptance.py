"""The rule by which a cell accepts candidates: from the probability of the cell alone.

A cell accepts a code with probability a(h) = max(floor, min(1, (h / full) ** power)), where h is
P(cell | code) by the latent classifier. What the rule favours is known, so that it can be stated
and undone by weights:

- an infinite power is a threshold at `full`: the cheapest rule for a given total variation to the
  generator's own images of the cell (the lemma of Neyman and Pearson 1933);
- the power 1/2 is the cheapest rule where each image carries the weight 1 / a (optimal allocation,
  Neyman 1934): by Cauchy and Schwarz, E[a] E_cell[1 / a] is least for a proportional to sqrt(h);
- greater finite powers favour clear members of the cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


def mode_name(faithful: str | float) -> str:
    """Return the name of a mode of acceptance, whose number may be written in several ways.

    Examples
    --------
    >>> mode_name(".90"), mode_name(0.9), mode_name("exact")
    ('0.9', '0.9', 'exact')
    """
    try:
        return f"{float(faithful):g}"
    except ValueError:
        return str(faithful)


@dataclass(frozen=True, eq=False)
class AcceptanceRule:
    """Acceptance of K cells.

    Attributes
    ----------
    full : numpy.ndarray, shape (K,), float64
        P(cell | code) from which on every code is accepted, above 0; infinite for a cell that
        cannot be requested.
    power : numpy.ndarray, shape (K,), float64
        Above 0; infinite for a threshold.
    floor : numpy.ndarray, shape (K,), float64
        Least probability of acceptance, in [0, 1).
    """

    full: NDArray[np.float64]
    power: NDArray[np.float64]
    floor: NDArray[np.float64]

    @classmethod
    def thresholds(cls, full: NDArray[np.float64]) -> AcceptanceRule:
        """Return the rule that accepts from thresholds on, shape (K,)."""
        return cls(full, np.full(len(full), np.inf), np.zeros(len(full)))

    @property
    def cells(self) -> NDArray[np.bool_]:
        """Which cells can be requested, shape (K,)."""
        return np.isfinite(self.full)

    def of_cell(self, cell: int) -> AcceptanceRule:
        """Return the rule of one cell alone."""
        return AcceptanceRule(*(array[cell : cell + 1] for array in vars(self).values()))

    def log_acceptance(self, log_h: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the logarithm of the probability that each cell accepts each code.

        Parameters
        ----------
        log_h : numpy.ndarray, shape (..., K)
            log P(cell | code).

        Returns
        -------
        numpy.ndarray, shape (..., K), float64
            -inf for what is never accepted.

        Examples
        --------
        >>> rule = AcceptanceRule(np.array([0.5]), np.array([2.0]), np.array([0.01]))
        >>> np.exp(rule.log_acceptance(np.log([[0.9], [0.25], [0.001]]))).round(3).tolist()
        [[1.0], [0.25], [0.01]]
        """
        with np.errstate(divide="ignore"):
            missing = np.minimum(log_h.astype(np.float64) - np.log(self.full), 0.0)
            floor = np.log(self.floor)
        power = np.where(missing < 0, self.power, 1.0)  # An infinite power times 0 is 0 here.
        return np.asarray(np.where(self.cells, np.maximum(power * missing, floor), -np.inf))

    def tensors(self) -> Mapping[str, NDArray[Any]]:
        """Return the arrays to store, by name."""
        return {f"rule.{name}": value for name, value in vars(self).items()}
