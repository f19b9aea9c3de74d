"""The moment constraint of PromptGen (Wu et al., NeurIPS 2022, arXiv 2209.06970).

Images are tilted by exp(lambda . p), where p are the classifiers' probabilities of the levels
(marginal) or of the cells (joint), and lambda is chosen so that the mean of p is the target. Images
are accepted with this weight over its largest value, which samples the tilted distribution itself;
the original trains a flow to imitate it. Every candidate is generated and classified.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import reduce

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax

from equipoise.compare.case import Case, Outcome
from equipoise.core.labels import Labels
from equipoise.core.seeds import Stream, generator_for


def moment_constraint(*, joint: bool) -> Callable[[Case], Outcome]:
    """Return the method, with constraints on the levels of each attribute or on the cells."""

    def run(case: Case) -> Outcome:
        began = time.perf_counter()
        wanted = [case.target.shares] if joint else _marginals(case)
        tilt = fit_tilt(_probabilities(case.labels, joint), np.concatenate(wanted))
        fit = time.perf_counter() - began
        # Candidates come from the pool, whose images are classified already.
        began = time.perf_counter()
        candidates = case.pool.candidates
        probabilities = _probabilities(case.pool.labels.restricted(case.grid), joint)
        parts = np.split(tilt, np.cumsum([len(part) for part in wanted])[:-1])
        accepted = np.exp(probabilities @ tilt - sum(part.max() for part in parts))
        rng = generator_for(case.seed, Stream.COMPARED_CONSTRAINT)
        uniform = rng.random(len(candidates))
        kept = candidates[uniform < accepted[candidates]][: case.n]
        codes = case.pool.codes(kept)
        seconds = (time.perf_counter() - began) * 1000 / max(len(kept), 1)

        def of_cells(rows: NDArray[np.int64]) -> NDArray[np.float64]:
            return np.repeat(accepted[rows][:, None], case.grid.size, axis=1)

        return Outcome(
            codes,
            None,
            float(1 / accepted[candidates].mean()),
            fit,
            seconds,
            len(case.labels),
            note="" if len(kept) == case.n else f"the pool gave {len(kept)} images",
            faithfulness=case.faithfulness(of_cells),
        )

    return run


def fit_tilt(
    probabilities: NDArray[np.float64], wanted: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return lambda, shape (m,), under which the weighted mean of probabilities is as wanted.

    It minimises the convex dual, log mean exp(lambda . p) - lambda . wanted.

    Parameters
    ----------
    probabilities : numpy.ndarray, shape (n, m), float64
    wanted : numpy.ndarray, shape (m,), float64

    Examples
    --------
    >>> p = np.array([[1.0, 0.0]] * 3 + [[0.0, 1.0]])
    >>> tilt = fit_tilt(p, np.array([0.5, 0.5]))
    >>> (softmax(p @ tilt) @ p).round(3).tolist()
    [0.5, 0.5]
    """

    def dual(tilt: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = probabilities @ tilt
        value = logsumexp(logits) - np.log(len(logits)) - tilt @ wanted
        return float(value), softmax(logits) @ probabilities - wanted

    found = minimize(dual, np.zeros(probabilities.shape[1]), jac=True, method="L-BFGS-B")
    return np.asarray(found.x)


def _marginals(case: Case) -> list[NDArray[np.float64]]:
    """Return the target's shares of the levels of each attribute."""
    levels, shares = case.grid.levels, case.target.shares
    return [np.asarray(np.bincount(column, shares), np.float64) for column in levels.T]


def _probabilities(labels: Labels, joint: bool) -> NDArray[np.float64]:
    """Return probabilities of the cells, or of the levels of all attributes side by side.

    Attributes count as independent given the image, as in the original.
    """
    if not joint:
        return np.concatenate(labels.probabilities, axis=1).astype(np.float64)

    def product(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
        return (left[:, :, None] * right[:, None, :]).reshape(len(left), -1)

    return reduce(product, [p.astype(np.float64) for p in labels.probabilities])
