"""Labelled codes as the networks that have not seen them read them, and what follows for draws.

Every labelled code stands for codes of the prior, by its weight. What a rule would accept of it is
known before a single image is drawn, and so are, with intervals, the faithfulness, the purity and
the cost of draws (docs/faithfulness.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from equipoise.core.attributes import AttributeGrid
from equipoise.core.estimates import Estimate
from equipoise.core.labels import LabelledCodes
from equipoise.core.seeds import Stream, generator_for
from equipoise.methods.tilt.fit_latent import LatentFit
from equipoise.samplers.statements import CellStatement
from equipoise.stats.intervals import effective_interval
from equipoise.stats.shares import effective_number

LEAST_MEMBERS = 20.0
"""Effective number of labelled members of a cell below which they are too few to go by."""

_RESAMPLES = 300
_NORMAL = 1.96
_ROUNDING = 1e-12
_MOST_ERROR = 1e6
"""Variance of the classifier's error, in units of a rate's own, at which labels stand alone."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Labelled codes with what networks that were not fitted to them say.

    Attributes
    ----------
    grid : AttributeGrid
    codes : numpy.ndarray, shape (n, dim), float32
    cells : numpy.ndarray, shape (n,), int64
        -1 where unknown.
    weights : numpy.ndarray, shape (n,), float64
        With which the codes stand for the prior; their mean is 1.
    log_h : numpy.ndarray, shape (n, K), float64
    seed : int
        Of the bootstrap.
    """

    grid: AttributeGrid
    codes: NDArray[np.float32]
    cells: NDArray[np.int64]
    weights: NDArray[np.float64]
    log_h: NDArray[np.float64]
    seed: int

    @classmethod
    def of(cls, fit: LatentFit, labelled: LabelledCodes, seed: int) -> HeldOut:
        """Take the labelled codes that a latent classifier was fitted to, fold by fold."""
        return cls(
            labelled.labels.grid,
            labelled.codes,
            labelled.labels.cells,
            labelled.weights / labelled.weights.mean(),
            fit.held_out.astype(np.float64),
            seed,
        )

    @cached_property
    def member(self) -> NDArray[np.float64]:
        """1 where a code is of a cell, shape (n, K)."""
        return np.eye(self.grid.size + 1)[self.cells, :-1]  # Row -1, of unknown cells, is 0.

    @cached_property
    def members(self) -> NDArray[np.float64]:
        """Effective number of labelled codes of each cell (Kish 1965), shape (K,)."""
        own = self.member * self.weights[:, None]
        return np.asarray(own.sum(axis=0) ** 2 / np.square(own).sum(axis=0).clip(1e-300))

    @cached_property
    def own_weights(self) -> NDArray[np.float64]:
        """How far each code stands for each cell, shape (n, K).

        A cell with too few members takes all codes, each as far as it is held to be of the cell.
        """
        by_label = self.members >= LEAST_MEMBERS
        return np.asarray(
            np.where(by_label, self.member, np.exp(self.log_h)) * self.weights[:, None]
        )

    @cached_property
    def resampled(self) -> NDArray[np.float64]:
        """Weights of the codes in each resample, shape (B, n)."""
        rng = generator_for(self.seed, Stream.HELD_OUT_BOOTSTRAP)
        return rng.exponential(size=(_RESAMPLES, len(self.cells))) * self.weights

    def quantiles(self, level: float) -> NDArray[np.float64]:
        """Return the quantile of P(cell | code) over the members of each cell, shape (K,).

        It is lowered by more than rounding, so that a threshold there accepts the code at it, and
        all that are alike.
        """
        found = [
            np.quantile(log_h, level, weights=weights, method="inverted_cdf")
            for log_h, weights in zip(self.log_h.T, self.own_weights.T, strict=True)
        ]
        return np.exp(found) * (1 - _ROUNDING)

    def confusion(
        self, accepted: NDArray[np.float64], weights: NDArray[np.float64] | None = None
    ) -> NDArray[np.float64]:
        """Return what requests bring by the labels: rows requested, columns achieved.

        Parameters
        ----------
        accepted : numpy.ndarray, shape (n, K), float64
            Probability that each cell accepts each code.
        weights : numpy.ndarray, shape (n,) or (B, n), float64, optional
            `weights` by default.

        Returns
        -------
        numpy.ndarray, shape (K, K + 1) or (B, K, K + 1), float64
            The last column is of unknown images. Rows sum to 1, or are 0 where nothing is accepted.
        """
        of_prior = self.weights if weights is None else weights
        return _by_request(of_prior, accepted, np.column_stack([self.member, self.cells < 0]))

    def corrected_confusion(
        self, accepted: NDArray[np.float64], predicted: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return what requests bring by the latent classifier's word, corrected by the labels.

        Labels correct it by the difference that they find on their own codes (Sarndal, Swensson and
        Wretman 1992, "Model Assisted Survey Sampling", chapter 6), and only as far as it is known:
        where few are accepted, the difference is mostly noise, and the best of several rules the
        luckiest. So it is shrunk by the error that the classifier makes in all rows (normal
        empirical Bayes, Efron and Morris 1973).

        Parameters
        ----------
        accepted : numpy.ndarray, shape (n, K), float64
            Probability that each cell accepts each code.
        predicted : numpy.ndarray, shape (K, K), float64
            The confusion that the latent classifier predicts, from codes without labels; NaN in the
            rows of cells for which these are too few, where labels stand alone.

        Returns
        -------
        confusion : numpy.ndarray, shape (K, K + 1), float64
            As `confusion` returns.
        drawn : numpy.ndarray, shape (B, K, K + 1), float64
            The same in each resample of the labels, with their noise unshrunk: the error that all
            rows share is a guess for any one of them.
        """
        h = np.exp(self.log_h)
        known = self.member.sum(axis=1, keepdims=True)

        def difference(found: NDArray[np.float64], rows: NDArray[np.float64]) -> Any:
            return found[..., :-1] - _by_request(rows, accepted, h * known)

        by_label, resampled = self.confusion(accepted), self.confusion(accepted, self.resampled)
        found = difference(by_label, self.weights)
        usable = np.asarray(np.isfinite(predicted).all(axis=1))
        rates = np.where(usable[:, None], predicted, 0.0) * (1 - by_label[:, -1:])
        taken = self.weights[:, None] * accepted
        seen = usable & (taken > 0).any(axis=0)
        spread = np.square(taken[:, seen]).T @ (h * (1 - h))
        noise = spread / np.square(taken[:, seen].sum(axis=0))[:, None]
        scale = (rates * (1 - rates))[seen]
        centre, apart = by_label.copy(), resampled - by_label
        centre[usable, :-1] = rates[usable]
        centre[seen, :-1] += _believed(found[seen], noise, scale) * found[seen]
        apart[:, usable, :-1] = (difference(resampled, self.resampled) - found)[:, usable]
        return _rows_to_1(centre), _rows_to_1(centre + apart)

    def statements(
        self,
        accepted: NDArray[np.float64],
        by_rule: NDArray[np.float64],
        *,
        weighted: bool,
        stage_calls: NDArray[np.float64],
        wanted: NDArray[np.bool_],
    ) -> tuple[CellStatement, ...]:
        """State what verified draws of each wanted cell are.

        Parameters
        ----------
        accepted : numpy.ndarray, shape (n, K), float64
            Probability that each cell accepts each code.
        by_rule : numpy.ndarray, shape (n, K), float64
            The same without half-space and prefilter.
        weighted : bool
            Whether draws carry weights.
        stage_calls : numpy.ndarray, shape (K,), float64
            Cost of the stages of all candidates per draw, in calls.
        wanted : numpy.ndarray, shape (K,), bool
        """
        stated = []
        base, resamples = self.weights[None], self.resampled
        for k in np.flatnonzero(wanted).tolist():
            own = self.member[:, k] > 0
            enough = self.members[k] >= LEAST_MEMBERS
            if not enough:
                stated.append(_unknown(self.grid.cells[k], float(self.members[k])))
                continue
            chances, of_own = accepted[:, k], accepted[own, k]

            figures = partial(_figures, own=own, accepted=chances, weighted=weighted)
            (faithful,), (pure,), (effective,) = figures(base)
            drawn = figures(resamples)
            taken = self.weights * chances
            purity = _share(pure, drawn[1], effective_number(taken))
            per_draw = 1 + float(stage_calls[k])
            with np.errstate(divide="ignore"):
                costs = per_draw / np.array([pure, purity.high, purity.low])
            calls = Estimate(*costs.tolist())
            share, per_effective = Estimate(1.0), calls
            if weighted:
                share = _share(effective, drawn[2], self.members[k])
                per_effective = _ratio(calls.value / effective, per_draw / (drawn[1] * drawn[2]))
            lost = 1 - (self.weights[own] @ of_own) / (self.weights[own] @ by_rule[own, k])
            stated.append(
                CellStatement(
                    cell=self.grid.cells[k],
                    members=float(self.members[k]),
                    faithfulness=_share(faithful, drawn[0], self.members[k]),
                    purity=purity,
                    calls=calls,
                    effective=share,
                    calls_per_effective=per_effective,
                    lost=float(lost),
                )
            )
        return tuple(stated)


def _believed(
    difference: NDArray[np.float64], noise: NDArray[np.float64], scale: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how far each difference is believed, in [0, 1]; all are (rows, K).

    The classifier's error has the variance t * scale. The factor t is that for which the squared
    differences are as large as they should be (Paule and Mandel 1982); rows sum to 0.
    """
    free = difference.shape[0] * (difference.shape[1] - 1)

    def surplus(t: float) -> float:
        return float((np.square(difference) / (noise + t * scale).clip(1e-300)).sum() - free)

    if difference.size == 0 or surplus(0.0) <= 0:
        return np.zeros_like(difference)
    most = 1.0
    while surplus(most) > 0 and most < _MOST_ERROR:
        most *= 2
    t = most if surplus(most) > 0 else float(brentq(surplus, 0.0, most))
    return np.asarray(t * scale / (t * scale + noise).clip(1e-300))


def _rows_to_1(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    kept = rows.clip(0)
    return np.asarray(kept / kept.sum(axis=-1, keepdims=True).clip(1e-300))


def _by_request(
    weights: NDArray[np.float64], accepted: NDArray[np.float64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the mean of values over what each request accepts, shape (..., K, columns).

    Parameters
    ----------
    weights : numpy.ndarray, shape (n,) or (B, n), float64
    accepted : numpy.ndarray, shape (n, K), float64
    values : numpy.ndarray, shape (n, columns), float64
    """
    pairs = (accepted[:, :, None] * values[:, None, :]).reshape(len(accepted), -1)
    sums = (weights @ pairs).reshape(*weights.shape[:-1], accepted.shape[1], values.shape[1])
    return np.asarray(sums / (weights @ accepted)[..., None].clip(1e-300))


def faithfulness(members: NDArray[np.float64], density: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 less the total variation between draws of a density and the members of a cell.

    Parameters
    ----------
    members : numpy.ndarray, shape (B, n), float64
        Weights with which codes stand for the members; not all 0 in a row.
    density : numpy.ndarray, shape (n,), float64
        Of the draws at each code, relative to the prior, up to a factor.

    Returns
    -------
    numpy.ndarray, shape (B,), float64
    """
    total = members.sum(axis=1)
    mean = (members @ density / total).clip(1e-300)
    apart = np.abs(density / mean[:, None] - 1)
    return np.asarray(1 - (members * apart).sum(axis=1) / total / 2)


def _figures(
    rows: NDArray[np.float64],
    *,
    own: NDArray[np.bool_],
    accepted: NDArray[np.float64],
    weighted: bool,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return faithfulness, purity and effective share under weights of codes, each shape (B,).

    Parameters
    ----------
    rows : numpy.ndarray, shape (B, n), float64
        Weights of the codes.
    own : numpy.ndarray, shape (n,), bool
        Which codes are members of the cell.
    accepted : numpy.ndarray, shape (n,), float64
        Probability that the cell accepts each code.
    weighted : bool
        Whether draws carry weights.
    """
    members, of_own = rows[:, own], accepted[own]
    total, taken = members.sum(axis=1), members @ of_own
    purity = taken / (rows @ accepted).clip(1e-300)
    mean = (taken / total).clip(1e-300)
    if weighted:
        reached = of_own > 0
        inverse = np.divide(1.0, of_own, out=np.zeros_like(of_own), where=reached)
        within = members @ reached / total
        # Weights sum to `within`, as none reaches what is never accepted.
        return within, purity, within**2 * total / (mean * (members @ inverse))
    return faithfulness(members, of_own), purity, np.ones(len(rows))


def _share(value: float, drawn: NDArray[np.float64], trials: float) -> Estimate:
    """Return a share with the interval of as many independent codes as it is worth.

    The resamples say how many these are, at most as many as there are effective trials: near 0 and
    1, what was not seen yet is not in the resamples. The interval is that of Korn and Graubard
    1998, whose ends lie on both sides of the share.
    """
    error = float(drawn.std())
    worth = trials
    if error > 1e-9 and 0 < value < 1:
        worth = min(value * (1 - value) / error**2, trials)
    return Estimate(float(value), *effective_interval(min(max(value, 0.0), 1.0), worth))


def _ratio(value: float, drawn: NDArray[np.float64]) -> Estimate:
    """Return a positive number with a normal interval of its logarithm."""
    spread = _NORMAL * float(np.log(drawn).std())
    return Estimate(float(value), float(value * np.exp(-spread)), float(value * np.exp(spread)))


def _unknown(cell: str, members: float) -> CellStatement:
    none = Estimate.missing(f"{members:.0f} effective labelled members, {LEAST_MEMBERS:.0f} needed")
    return CellStatement(
        cell=cell,
        members=members,
        faithfulness=none,
        purity=none,
        calls=none,
        effective=none,
        calls_per_effective=none,
        lost=np.nan,
    )
