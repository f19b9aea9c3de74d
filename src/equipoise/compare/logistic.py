"""Logistic regression on codes or on features of the stem, with acceptance by a threshold.

The simplest latent classifier: what a more elaborate one has to surpass.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from equipoise.compare.case import Case, Outcome
from equipoise.core.errors import InsufficientLabelsError
from equipoise.core.parallel import batches
from equipoise.methods.tilt.cost import measured_cost
from equipoise.samplers.verified import exact_counts

RECALL = 0.9
"""Share of the members of a cell that its threshold accepts."""

_HELD_OUT = 0.2
_C = 0.1
_COMPONENTS = 256
"""Principal components of features of the stem; like the other two, chosen by hand."""

_LEAST = 10
"""Labels of a cell, at least, so that both parts have some."""

_ROUND = 4096
_BATCH = 64
_MOST_CANDIDATES = 400_000


def logistic(*, stem: bool) -> Callable[[Case], Outcome]:
    """Return the method, on features of the stem or on codes, with verified draws."""

    def run(case: Case) -> Outcome:
        began = time.perf_counter()

        def features(codes: NDArray[np.float32]) -> NDArray[np.float32]:
            return case.generator.stem(codes).reshape(len(codes), -1) if stem else codes

        model, thresholds = _fit(features(case.codes), case)
        fit = time.perf_counter() - began
        began = time.perf_counter()
        codes, requested, made, looked = _draw(case, features, model, thresholds)
        seconds = (time.perf_counter() - began) * 1000 / max(len(codes), 1)

        def read(some: NDArray[np.float32]) -> object:
            return model.predict_proba(features(some))

        calls = made + looked * measured_cost(case.context.models, read, case.seed)

        def acceptances(rows: NDArray[np.int64]) -> NDArray[np.float64]:
            found = model.predict_proba(features(case.pool.codes(rows)))
            return np.asarray(found >= thresholds, np.float64)

        missing = case.n - len(codes)
        return Outcome(
            codes,
            requested,
            calls / max(len(codes), 1),
            fit,
            seconds,
            len(case.labels),
            note=f"{missing} images were not found" if missing else "",
            faithfulness=case.faithfulness(acceptances),
        )

    return run


def _fit(features: NDArray[np.float32], case: Case) -> tuple[Pipeline, NDArray[np.float64]]:
    """Fit P(cell | features), and the threshold of each cell on codes that were held out.

    Raises
    ------
    InsufficientLabelsError
        When a cell has fewer labels than both parts need.
    """
    known = np.flatnonzero(case.labels.cells >= 0)
    cells = case.labels.cells[known]
    counts = np.bincount(cells, minlength=case.grid.size)
    if counts.min() < _LEAST:
        raise InsufficientLabelsError(
            f"cell {case.grid.cells[int(counts.argmin())]!r}",
            f"must have {_LEAST} labelled codes",
            int(counts.min()),
            "Label more codes.",
        )
    train, rest = train_test_split(
        np.arange(len(known)), test_size=_HELD_OUT, random_state=case.seed, stratify=cells
    )
    steps = [StandardScaler()]
    if features.shape[1] > _COMPONENTS:
        steps += [PCA(_COMPONENTS, random_state=case.seed), StandardScaler()]
    model = make_pipeline(*steps, LogisticRegression(C=_C, max_iter=500))
    model.fit(features[known[train]], cells[train])
    found = model.predict_proba(features[known[rest]])
    thresholds = [
        np.quantile(found[cells[rest] == k, k], 1 - RECALL) for k in range(case.grid.size)
    ]
    return model, np.array(thresholds)


def _draw(
    case: Case,
    features: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    model: Pipeline,
    thresholds: NDArray[np.float64],
) -> tuple[NDArray[np.float32], NDArray[np.int64], int, int]:
    """Return verified codes, their cells, and the images made and codes read for them."""
    seed = case.draw_seed
    wanted = exact_counts(case.target, case.n)
    have, calls, looked = np.zeros(case.grid.size, np.int64), 0, 0
    codes: list[NDArray[np.float32]] = []
    requested: list[NDArray[np.int64]] = []
    for low, high in batches(0, _MOST_CANDIDATES, _ROUND):
        open_cells = np.flatnonzero(have < wanted)
        if not len(open_cells):
            break
        candidates = case.generator.prior.codes(seed, low, high)
        accepted, looked = model.predict_proba(features(candidates)) >= thresholds, high
        for k in open_cells.tolist():
            # As many as are likely to be needed: the rest of a round would be made for nothing.
            rows = np.flatnonzero(accepted[:, k])[: 2 * int(wanted[k] - have[k]) + _BATCH]
            cells = case.cells_of(candidates[rows])
            hits = np.flatnonzero(cells == k)[: wanted[k] - have[k]]
            full = have[k] + len(hits) == wanted[k]
            calls += int(hits[-1]) + 1 if full else len(rows)
            have[k] += len(hits)
            codes.append(candidates[rows[hits]])
            requested.append(np.full(len(hits), k))
    return np.concatenate(codes), np.concatenate(requested), calls, looked
