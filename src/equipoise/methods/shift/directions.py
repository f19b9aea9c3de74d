"""Fit the directions of attributes: one or more hyperplanes per attribute in code space.

A linear support vector machine separates the codes of two sides. Its unit normal is the direction,
and its offset is the boundary (Tan, Shen and Zhou 2020, arXiv 2012.04842, section 3; Shen et al.
2020, arXiv 1907.10786). It is fitted to the most confident codes of each side. Their fraction is a
setting, or is chosen by accuracy on held-out codes.

An attribute of more than two levels is *ordered* or *one-vs-rest*. An ordered attribute, such as
dark < medium < light, has one normal and a boundary between neighbouring levels. A one-vs-rest
attribute has a hyperplane for each level.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.svm import LinearSVC

from equipoise.core.attributes import Attribute
from equipoise.core.errors import InputError, InsufficientLabelsError
from equipoise.core.labels import Labels
from equipoise.core.seeds import Stream, generator_for
from equipoise.core.settings import MULTILEVEL
from equipoise.methods.shift.hyperplanes import Direction, Directions, Hyperplane, level_name

FRACTIONS = (0.1, 0.25, 0.5, 1.0)
"""Fractions of most confident codes that are tried when none is set, chosen by hand."""

LEAST_SAMPLES = 20
"""Labelled codes that each level needs, chosen by hand. Of 20, 15 % for testing are 3: with fewer,
an accuracy says nothing."""

_CHOOSING, _TESTING = 0.15, 0.15
"""Shares of the codes that choose the fraction, and that test, chosen by hand."""

_LEAST_CONFIDENT = 10
"""Codes of each side that are fitted on at least, chosen by hand: half of `LEAST_SAMPLES`."""

_DIRECTION_C = 0.01
"""Regularisation of the machine that finds the normal, chosen by hand: strong, since there are
often fewer codes of a rare level than dimensions."""

_BOUNDARY_C = 1e3
"""Regularisation along one axis: so weak that it has no effect."""

_PEAK_GRID = 1001
"""Positions at which the most probable one of an inner level is sought, chosen by hand."""


def fit_directions(
    codes: NDArray[np.float32],
    labels: Labels,
    *,
    fraction: float | None = None,
    multilevel: str = "ordered",
    seed: int = 0,
) -> Directions:
    """Fit the hyperplanes of every attribute to labelled codes.

    Parameters
    ----------
    codes : numpy.ndarray, shape (n, dim), float32
        Codes from the prior.
    labels : Labels
        Their labels. A code that is unknown on an attribute is not used for that attribute.
    fraction : float, optional
        Share of the most confident codes of each side to fit on, in (0, 1]. By default, each
        attribute takes the one of `FRACTIONS` with the best balanced accuracy on held-out codes.
    multilevel : str
        "ordered" or "one-vs-rest", for attributes of more than two levels. An attribute whose
        levels have no order is always one-vs-rest.
    seed : int
        Seed of the split into codes to fit on (70 %), to choose the fraction (15 %), and to test
        (15 %). In [0, 2**63).

    Returns
    -------
    Directions

    Raises
    ------
    InsufficientLabelsError
        When a level has fewer than `LEAST_SAMPLES` codes. The error says how many are missing, and
        about how many more codes of the prior would contain them.
    InputError
        When fraction, multilevel or seed breaks its rule, or the levels of an ordered attribute
        do not rise along one direction.

    References
    ----------
    Tan, Shen and Zhou 2020, arXiv 2012.04842, section 3.
    """
    if fraction is not None and not 0 < fraction <= 1:
        raise InputError("fraction", "must be in (0, 1]", fraction, "Leave it out.")
    if multilevel not in MULTILEVEL:
        raise InputError(
            "multilevel", f"must be one of {', '.join(MULTILEVEL)}", multilevel, "Leave it out."
        )
    part = generator_for(seed, Stream.HYPERPLANE_HELD_OUT).random(len(codes))
    testing, choosing = part < _TESTING, (part >= _TESTING) & (part < _TESTING + _CHOOSING)
    fractions = FRACTIONS if fraction is None else (fraction,)
    found = []
    for a, attribute in enumerate(labels.grid.attributes):
        levels = labels.levels[:, a]
        check_samples(attribute, levels)
        ordered = len(attribute.levels) == 2 or (attribute.ordered and multilevel == "ordered")
        data = _Data(codes, levels, labels.probabilities[a], labels.scores[:, a], choosing, testing)
        fits = [_fit(attribute, ordered, data, f, seed) for f in fractions]
        found.append(max(fits, key=data.choice_accuracy))
    return Directions(labels.grid, tuple(found))


def check_samples(attribute: Attribute, levels: ArrayLike, least: int = LEAST_SAMPLES) -> None:
    """Check that each level has at least `least` labelled codes.

    Parameters
    ----------
    attribute : Attribute
    levels : array_like of int, shape (n,)
        Level numbers of the codes; -1 for unknown.
    least : int

    Raises
    ------
    InsufficientLabelsError
        When a level has fewer; the error names it.
    """
    found = np.asarray(levels)
    counts = np.bincount(found[found >= 0], minlength=len(attribute.levels))
    level = int(counts.argmin())
    if counts[level] >= least:
        return
    missing = least - int(counts[level])
    if counts[level]:
        more = int(np.ceil(missing * len(found) / counts[level]))
        remedy = f"About {more:,} more codes would find the {missing} that are missing."
    else:
        remedy = (
            f"{missing} are missing and the {len(found):,} codes so far show none: its share is "
            f"below {3 / max(len(found), 1):.2g} (95 %). Collect many more, or drop the level."
        )
    raise InsufficientLabelsError(
        f"level {level_name(attribute, level)}",
        f"needs at least {least} labelled codes",
        f"{counts[level]} of {len(found):,}",
        remedy,
    )


@dataclass(frozen=True, eq=False)
class _Data:
    """The codes of one attribute: to fit on, to choose the fraction, and to test."""

    codes: NDArray[np.float32]
    levels: NDArray[np.int8]
    probabilities: NDArray[np.float32]
    scores: NDArray[np.float32]
    choosing: NDArray[np.bool_]
    testing: NDArray[np.bool_]

    @property
    def fitting(self) -> NDArray[np.bool_]:
        """The rows to fit on, all of them known."""
        return ~self.choosing & ~self.testing & (self.levels >= 0)

    def choice_accuracy(self, direction: Direction) -> float:
        """Return the mean balanced accuracy on the rows that choose the fraction."""
        rows = self.choosing & (self.levels >= 0)
        accuracies = []
        for plane in direction.planes:
            numbers = [direction.attribute.level(name) for name in plane.positive]
            truth = np.isin(self.levels[rows], numbers)
            if 0 < truth.sum() < len(truth):
                guess = self.codes[rows] @ plane.normal > plane.offset
                accuracies.append(balanced_accuracy_score(truth, guess))
        return float(np.mean(accuracies)) if accuracies else 0.0


def _fit(attribute: Attribute, ordered: bool, data: _Data, fraction: float, seed: int) -> Direction:
    if ordered:
        return _fit_ordered(attribute, data, fraction, seed)
    planes = [
        _fit_plane(data, (name,), data.levels == k, data.probabilities[:, k], fraction, seed)
        for k, name in enumerate(attribute.levels)
    ]
    return Direction(attribute, ordered, tuple(planes))


def _most_confident(
    confidence: NDArray[np.float32],
    rows: NDArray[np.bool_],
    fraction: float,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Return the share `fraction` of `rows` with the highest confidence, at least 10 of them."""
    # Shuffled, so that equally confident rows are not preferred for their index.
    candidates = rng.permutation(np.flatnonzero(rows))
    count = min(len(candidates), max(_LEAST_CONFIDENT, int(np.ceil(fraction * len(candidates)))))
    order = np.argsort(-confidence[candidates], kind="stable")
    return candidates[order[:count]]


def _separate(
    codes: NDArray[np.float32], positive: NDArray[np.bool_], seed: int
) -> NDArray[np.float64]:
    """Return the unit normal of a linear SVM, shape (dim,), float64."""
    machine = LinearSVC(
        C=_DIRECTION_C,
        class_weight="balanced",
        dual=False,
        random_state=seed % 2**32,
        max_iter=5000,
    )
    machine.fit(codes.astype(np.float64), positive)
    weights = machine.coef_[0]
    return np.asarray(weights / np.linalg.norm(weights))


def _boundary(projected: NDArray[np.float64], positive: NDArray[np.bool_], seed: int) -> float:
    """Return the boundary of two sides along a normal, both sides weighted equally.

    The machine that found the normal is strongly regularised, which biases its offset towards the
    middle of all codes. The boundary is therefore fitted again along the normal alone, without
    regularisation.
    """
    centre, scale = float(projected.mean()), float(projected.std())
    rows = ((projected - centre) / scale)[:, None]
    machine = LinearSVC(
        C=_BOUNDARY_C,
        class_weight="balanced",
        dual=False,
        random_state=seed % 2**32,
        max_iter=5000,
        intercept_scaling=100,
    ).fit(rows, positive)
    slope = float(machine.coef_[0, 0])
    if slope <= 0:
        raise InputError(
            "levels of an ordered attribute",
            "must rise along one direction",
            "a boundary whose higher levels are below it",
            "Pass --multilevel one-vs-rest.",
        )
    return centre - scale * float(machine.intercept_[0]) / slope


def _fit_plane(
    data: _Data,
    names: tuple[str, ...],
    positive: NDArray[np.bool_],
    confidence: NDArray[np.float32],
    fraction: float,
    seed: int,
) -> Hyperplane:
    """Fit the hyperplane between `positive` and the other known rows."""
    usable = data.fitting
    rng = generator_for(seed, Stream.HYPERPLANE_ROWS)
    rows = np.concatenate(
        [
            _most_confident(confidence, usable & positive, fraction, rng),
            _most_confident(-confidence, usable & ~positive, fraction, rng),
        ]
    )
    normal = _separate(data.codes[rows], positive[rows], seed)
    offset = _boundary(data.codes[usable] @ normal, positive[usable], seed)
    return _tested(data, names, positive, normal, offset, fraction, len(rows))


def _tested(
    data: _Data,
    names: tuple[str, ...],
    positive: NDArray[np.bool_],
    normal: NDArray[np.float64],
    offset: float,
    fraction: float,
    fitted: int,
) -> Hyperplane:
    test = data.testing & (data.levels >= 0)
    projected = data.codes[test] @ normal
    truth = positive[test]
    both = 0 < truth.sum() < len(truth)
    return Hyperplane(
        names,
        normal,
        offset,
        accuracy=float(balanced_accuracy_score(truth, projected > offset)) if both else np.nan,
        auc=float(roc_auc_score(truth, projected)) if both else np.nan,
        fraction=fraction,
        fitted=fitted,
        held_out=int(test.sum()),
    )


def _fit_ordered(attribute: Attribute, data: _Data, fraction: float, seed: int) -> Direction:
    """Fit one normal for all levels, then a boundary between each pair of neighbours."""
    confidence = data.scores
    if not np.isfinite(confidence[data.levels >= 0]).all():
        confidence = (data.probabilities @ np.arange(len(attribute.levels))).astype(np.float32)
    counts = np.bincount(data.levels[data.levels >= 0], minlength=len(attribute.levels))
    # The boundary that splits the codes most evenly has the most codes on its smaller side.
    below = counts.cumsum()[:-1] / counts.sum()
    middle = int(np.abs(below - 0.5).argmin())
    names = attribute.levels[middle + 1 :]
    first = _fit_plane(data, names, data.levels > middle, confidence, fraction, seed)
    if len(attribute.levels) == 2:
        return Direction(attribute, True, (first,))
    usable = data.fitting
    projected = data.codes[usable] @ first.normal
    planes = []
    for level in range(len(attribute.levels) - 1):
        positive = data.levels > level
        offset = _boundary(projected, positive[usable], seed)
        names = attribute.levels[level + 1 :]
        planes.append(_tested(data, names, positive, first.normal, offset, fraction, first.fitted))
    return Direction(attribute, True, tuple(planes), _peaks(projected, data.levels[usable]))


def _peaks(projected: NDArray[np.float64], levels: NDArray[np.int8]) -> tuple[float, ...]:
    """Return the coordinate along the normal where each inner level is most probable.

    Probabilities are those of a multinomial logistic regression on the projection.
    """
    model = LogisticRegression(C=_BOUNDARY_C).fit(projected[:, None], levels)
    grid = np.linspace(projected.min(), projected.max(), _PEAK_GRID)
    best = model.predict_proba(grid[:, None])[:, 1:-1].argmax(axis=0)
    return tuple(float(grid[i]) for i in best)
