"""Drift of attributes: scores of restored images less those of their originals, by cell.

A score is what an attribute is read from: a probability, an age in years, an angle of colour. It
may drift where no level changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from equipoise.audit.answers import predict_cached
from equipoise.audit.decision_rule import is_shown, outcome_of, size_of
from equipoise.audit.images import Pictures
from equipoise.audit.named_gaps import mean_gap
from equipoise.audit.record import Asking
from equipoise.audit.superres.checks import Pending, pending_gap
from equipoise.audit.superres.record import AttributeDrift, CellDrift
from equipoise.classifiers.base import Classifier
from equipoise.classifiers.models import AnyClassifierAddress
from equipoise.core.checks import Check, Evidence
from equipoise.core.estimates import around
from equipoise.core.numbers import estimate, number, p_text
from equipoise.core.progress import Execution
from equipoise.stats.means import mean_estimate, mean_with_error

TOLERATED = 0.2
"""Standard deviations of a score that a drift, or a gap of drifts, may have: a small effect after
Cohen 1988, "Statistical power analysis for the behavioral sciences"."""

WATCHED = "watched"
"""Role, among the costs, of classifiers that are asked for their scores alone."""

Scores = dict[str, NDArray[np.float64]]


def read_scores(
    classifiers: Sequence[Classifier],
    pictures: Pictures,
    folder: Path,
    addresses: Sequence[AnyClassifierAddress] = (),
    *,
    execution: Execution = Execution(),
) -> tuple[Scores, tuple[Asking, ...]]:
    """Return the scores of the attributes that have one, shape (n,) each, NaN where one failed.

    Parameters
    ----------
    classifiers : sequence of Classifier
        Of an attribute that several predict, the first one counts.
    pictures, folder
        As for `read_levels`.
    addresses : sequence of ClassifierAddress or PanelClassifierAddress
        Those of the classifiers, by which workers of an engine open them.
    execution : Execution
        Threads, engine and progress.
    """
    scores: Scores = {}
    costs = []
    opened_by: Sequence[AnyClassifierAddress | None] = addresses or [None] * len(classifiers)
    for classifier, address in zip(classifiers, opened_by, strict=True):
        found = predict_cached(
            classifier, pictures, folder, stage=WATCHED, address=address, execution=execution
        )
        costs.append(Asking.of(WATCHED, classifier.name, found))
        if found.scores is None:
            continue
        for attribute, column in zip(found.attributes, found.scores.T, strict=True):
            if np.isfinite(column).any():
                scores.setdefault(attribute.name, column.astype(np.float64))
    return scores, tuple(costs)


def find_drift(
    before: Scores,
    after: Scores,
    names: Sequence[str],
    cells: NDArray[np.int64],
    weights: NDArray[np.float64],
) -> tuple[tuple[AttributeDrift, ...], list[Pending]]:
    """Return the drift of each attribute by cell, and its checks.

    Parameters
    ----------
    before, after : dict of str to numpy.ndarray, shape (n,)
        Scores of originals, and of restored images. An attribute that only one of them has, or
        whose scores are all alike, is left out.
    names : sequence of str
        The K cells.
    cells : numpy.ndarray, shape (n,), int64
        Of each original.
    weights : numpy.ndarray, shape (n,), float64
        Above 0.

    Returns
    -------
    drifts : tuple of AttributeDrift
    checks : list
        Of the mean drift and of its gap between cells; each is made from its corrected p-value.
    """
    drifts: list[AttributeDrift] = []
    checks: list[Pending] = []
    for attribute in (name for name in before if name in after):
        change = after[attribute] - before[attribute]
        known = np.isfinite(change)
        spread = float(np.std(before[attribute][known])) if known.any() else 0.0
        if known.sum() < 2 or spread == 0:
            continue
        groups = np.unique(cells).tolist()
        own = [known & (cells == k) for k in groups]
        drifts.append(
            AttributeDrift(
                attribute=attribute,
                deviation=spread,
                overall=_of("all", known, change, weights),
                cells=tuple(
                    _of(names[k], rows, change, weights)
                    for k, rows in zip(groups, own, strict=True)
                ),
            )
        )
        standard = change / spread
        checks.append(_mean_check(attribute, standard[known], weights[known]))
        present = [names[k] for k, rows in zip(groups, own, strict=True) if rows.any()]
        what = f"mean drift of {attribute}, in standard deviations of the originals,"
        gap = mean_gap(
            f"drift_gap:{attribute}",
            what,
            present,
            standard[known],
            cells[known],
            weights[known],
            True,
        )
        if gap is not None:
            checks.append(pending_gap(gap, TOLERATED, len(present), _deviations))
    return tuple(drifts), checks


def _of(
    name: str,
    rows: NDArray[np.bool_],
    change: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> CellDrift:
    return CellDrift(
        name=name,
        n=int(rows.sum()),
        change=mean_estimate(change[rows], weights[rows]),
        size=mean_estimate(np.abs(change[rows]), weights[rows]),
    )


def _mean_check(
    attribute: str, standard: NDArray[np.float64], weights: NDArray[np.float64]
) -> Pending:
    """Return the check of the mean drift over all images, in standard deviations."""
    mean, squared, free = mean_with_error(standard, weights)
    error = float(np.sqrt(squared))
    moved = around(mean, error, free)
    p_value = float(2 * t.sf(abs(mean) / error, free)) if error else float(mean == 0)

    def check(corrected: float) -> Check:
        found = size_of(moved)
        words = "No drift is significant"
        if is_shown(found, corrected):
            words = f"Scores {'rise' if mean > 0 else 'fall'}"
        return Check(
            check_id=f"drift:{attribute}",
            title=f"Does {attribute} stay the same on average?",
            outcome=outcome_of(found, corrected, TOLERATED),
            words=f"{words}: the mean change is {estimate(moved, _deviations)} of the originals, "
            f"p = {p_text(corrected)} corrected.",
            evidence=Evidence(estimate=found, p_value=corrected),
        )

    return p_value, check


def _deviations(value: float | None) -> str:
    return f"{number(value, 2)} SD"
