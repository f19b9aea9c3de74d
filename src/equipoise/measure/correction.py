"""Shares corrected for the errors of the classifier that counted them.

A classifier that errs on one image in ten turns 90 % into 82 %, however many images there are.
Images judged by people measure its errors. Which errors depends on how they were chosen:

- **given the answer**: they were drawn from these very images, by chance within each answer (or by
  chance over all). They estimate P(true level | answer), and

      share of k  =  sum over answers a of  P(answer a) P(k | a).

  Nothing is inverted, so an uninformative classifier gives wide but valid intervals. It is biased
  when the judged images are from another source: P(k | a) depends on the shares themselves.
- **given the truth**: they are from another source, where the shares differ but the classifier has
  the same errors on each true level ("label shift"). They estimate P(answer | true level), and the
  shares solve  shares @ P(answer | true) = P(answer). It is biased when these images are harder or
  easier than the judged ones, as generated faces are compared with photographs, when errors depend
  on another attribute whose mix differs (`ErrorMatrix.of_attribute` tests it), and when the judged
  images were drawn by answer. If the classifier confuses two levels completely, there are only
  bounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equipoise.core.attributes import UNKNOWN
from equipoise.core.errors import InputError, check_count
from equipoise.core.estimates import CONFIDENCE, Estimate, OfEstimate
from equipoise.core.numbers import number, percent
from equipoise.core.seeds import Stream, generator_for
from equipoise.measure.error_matrix import ErrorMatrix, check_counts
from equipoise.stats.intervals import simultaneous_region
from equipoise.stats.shares import Share
from equipoise.stats.simplex import least_squares, nearly_singular, possible_shares, solve_weights

Given = Literal["answer", "truth"]
"""What the judged images were drawn by; see the head of the module."""

Status = Literal["corrected", "bounds", "not applicable"]

_DRAWS = 4000
_SURE = 0.999
_NEGLIGIBLE = 0.1
"""Part of an interval's width that raters' disagreement may make up where a share is "corrected";
a bias of so little of the half-width costs half a point of coverage."""


@dataclass(frozen=True, kw_only=True)
class CorrectedShare(OfEstimate):
    """A share of true levels, with the classifier's share.

    Attributes
    ----------
    name : str
        A level or a cell.
    raw : Share
        The classifier's share among the images on which it did not abstain; its interval covers
        sampling error only.
    estimate : Estimate
        The corrected share, in [0, 1], NaN unless the status is "corrected". Its interval at 95 %
        is simultaneous for all shares of one `Correction`; NaN when not applicable.
    """

    name: str
    raw: Share
    estimate: Estimate


@dataclass(frozen=True, kw_only=True)
class Correction:
    """Shares corrected for the classifiers' errors.

    Attributes
    ----------
    status : str
        "corrected"; "bounds" when the judged images only bound the shares by `low` and `high`, as
        where raters disagree, whose errors may have settled images wrongly;
        "not applicable" when they do not even do that.
    reason : str
        Why it is not "corrected", what was left out, or what is assumed and was not tested; else
        empty.
    given : str
        What the judged images were chosen by: "answer" of the classifier, or "truth".
    n, judged : int
        Images counted, and images judged.
    shares : tuple of CorrectedShare
        One per level; their values sum to 1.
    condition : float or None
        Condition number of the estimated P(answer | true level), at least 1, lower is better;
        infinite when singular. It bounds the factor by which inversion amplifies noise, so it
        matters for "truth" only. None when a level was never judged.
    """

    status: Status
    reason: str
    given: Given
    n: int
    judged: int
    shares: tuple[CorrectedShare, ...]
    condition: float | None


def correct(
    counts: ArrayLike, errors: ErrorMatrix, given: Given, *, seed: int = 0, draws: int = _DRAWS
) -> Correction:
    """Correct counted answers for the classifier's errors.

    Shares are those of the source of the images: the intervals hold the chance of which images
    came, and the chance of which were judged. Both are drawn from Dirichlet posteriors with a
    symmetric prior that weighs one image in all (Perks 1947); `simultaneous_region` gives the
    intervals, and docs/decisions/0009 their coverage.

    Parameters
    ----------
    counts : array_like of int, shape (A,)
        Images by answer, of all images whose shares are corrected; A as in `errors`.
    errors : ErrorMatrix
        Of the judged images.
    given : "answer" or "truth"
        What the judged images were drawn by; see the head of this module for where each misleads.
    seed : int
        Of the draws.
    draws : int
        From the posteriors, at least 100.

    Returns
    -------
    Correction

    Raises
    ------
    InputError
        When shapes differ, a count is negative, or `given` is another word.

    Examples
    --------
    >>> errors = ErrorMatrix.of_levels(("dark", "light"), [[294, 150], [6, 150]])
    >>> found = correct([8200, 1800], errors, "answer")
    >>> [(s.name, s.raw.share, round(s.share, 3)) for s in found.shares]
    [('dark', 0.82, 0.894), ('light', 0.18, 0.106)]
    """
    answers = np.asarray(counts)
    if given not in get_args(Given):
        raise InputError(
            "given", "must be answer or truth", given, "Say what the judged images were drawn by."
        )
    if answers.shape != errors.meant.shape:
        raise InputError(
            "counts",
            f"must have one number an answer, {len(errors.answers)}",
            f"shape {answers.shape}",
            "Count the images by the answers of the error matrix.",
        )
    check_counts("images", answers)
    check_count("draws", draws, "Leave it out.", least=100)
    answers = answers.astype(np.int64)
    solve = _given_answer if given == "answer" else _given_truth
    rng = generator_for(seed, Stream.CORRECTION)
    if not answers.sum():
        found = _nothing(len(errors.levels), "there are no images")
    elif not errors.judged[answers > 0].sum() or not errors.counts.sum():
        found = _nothing(len(errors.levels), "no image was judged of the answers that were given")
    else:
        found = solve(answers, errors, rng, draws)
    return Correction(
        status=found.status,
        reason=found.reason,
        given=given,
        n=int(answers.sum()),
        judged=int(errors.counts.sum()),
        shares=tuple(
            CorrectedShare(
                name=raw.name, raw=raw, estimate=Estimate(float(share), float(low), float(high))
            )
            for raw, share, low, high in zip(
                _raw(answers, errors), found.share, found.low, found.high, strict=True
            )
        ),
        condition=_condition(answers, errors, given),
    )


@dataclass(frozen=True, eq=False)
class _Solved:
    status: Status
    reason: str
    share: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def _nothing(size: int, reason: str) -> _Solved:
    nan = np.full(size, np.nan)
    return _Solved("not applicable", reason, nan, nan, nan)


def _raw(answers: NDArray[np.int64], errors: ErrorMatrix) -> list[Share]:
    """Return what the classifier counted, among the images that it answered on."""
    known = errors.meant != UNKNOWN
    found = np.zeros(len(errors.levels), np.int64)
    np.add.at(found, errors.meant[known], answers[known])
    total = int(found.sum())
    return [
        Share.of(name, count, total)
        for name, count in zip(errors.levels, found.tolist(), strict=True)
    ]


def _condition(answers: NDArray[np.int64], errors: ErrorMatrix, given: Given) -> float | None:
    table = errors.counts[:, errors.judged > 0].astype(np.float64)
    if given == "answer":
        # Undo how many of each answer were judged: rows then follow P(answer | true) here.
        table = table / table.sum(axis=0) * answers[errors.judged > 0]
    judged = table.sum(axis=1, keepdims=True)
    if not table.size or not judged.all():
        return None
    return np.inf if table.shape[1] < len(table) else float(np.linalg.cond(table / judged))


def _dirichlet(
    rng: np.random.Generator, counts: NDArray[np.int64], draws: int
) -> NDArray[np.float64]:
    """Draw from the posterior of each row of counts, shape (..., J), as shape (draws, ..., J)."""
    # The smallest positive number keeps a row of which every gamma fell to 0 from being 0 / 0.
    shape = (draws, *counts.shape)
    drawn = rng.standard_gamma(counts + 1 / counts.shape[-1], shape) + np.finfo(np.float64).tiny
    return np.asarray(drawn / drawn.sum(axis=-1, keepdims=True))


def _given_answer(
    answers: NDArray[np.int64], errors: ErrorMatrix, rng: np.random.Generator, draws: int
) -> _Solved:
    """Mix P(true | answer) by the answers' shares; answers of which none was judged stay open."""
    judged = errors.judged
    tied = np.zeros_like(judged) if errors.tied is None else errors.tied
    seen = judged + tied > 0
    weights = _dirichlet(rng, answers, draws)
    table = np.vstack([errors.counts, tied]) if tied.any() else errors.counts
    columns = _dirichlet(rng, table.T[seen], draws)
    settled = columns[..., : len(errors.levels)]
    # What raters left open, or may have settled wrongly, can be of any level.
    doubts = np.zeros(len(answers)) if errors.doubt is None else errors.doubt
    doubt = doubts[seen][:, None]
    wrong = np.minimum(settled, doubt * settled.sum(axis=-1, keepdims=True))
    added = 1 - settled.sum(axis=-1, keepdims=True) + doubt
    mixed = weights[:, None, seen]
    least = (mixed @ (settled - wrong))[:, 0]
    most = (mixed @ np.minimum(settled + added, 1))[:, 0]
    most = most + weights[:, ~seen].sum(axis=1, keepdims=True)
    low, high = _box(least, most)
    open_ = [name for name, a, s in zip(errors.answers, answers, seen, strict=True) if a and not s]
    if open_:
        reason = f"no image was judged of {_some(open_)}, {int(answers[~seen].sum())} images"
        return _tightened("bounds", reason, np.full(len(low), np.nan), low, high)
    if (most - least).mean() > _NEGLIGIBLE * (high - low).mean():
        wrong_share = float((answers[seen] / answers[seen].sum()) @ doubts[seen])
        reason = (
            f"raters disagree: {int(tied.sum())} ties, and up to {percent(wrong_share)} of the "
            "settled "
            "labels may be wrong"
        )
        return _tightened("bounds", reason, np.full(len(low), np.nan), low, high)
    share = (errors.counts[:, seen] / judged[seen]) @ (answers[seen] / answers.sum())
    return _tightened("corrected", "", share, low, high)


def _given_truth(
    answers: NDArray[np.int64], errors: ErrorMatrix, rng: np.random.Generator, draws: int
) -> _Solved:
    """Solve shares @ P(answer | true) = P(answer)."""
    size = len(errors.levels)
    missing = [
        name
        for name, judged in zip(errors.levels, errors.counts.sum(axis=1), strict=True)
        if not judged
    ]
    if missing:
        return _nothing(size, f"no image was judged to be {_some(missing)}")
    if errors.dependence is not None and errors.dependence < 1 - CONFIDENCE:
        return _nothing(size, f"{_DEPENDS} (p = {number(errors.dependence)}): {_CELLS}")
    # Without a judged abstention, the shares are those of the known images.
    no_progress = (errors.meant == UNKNOWN) & (errors.judged == 0)
    left = int(answers[no_progress].sum())
    notes = [] if errors.dependence is not None else [_UNTESTED]
    if left:
        notes.append(f"{left} images without an answer are left out: none such was judged")
    note = "; ".join(notes)
    used = ~no_progress & ((errors.judged > 0) | (answers > 0))
    table, seen = errors.counts[:, used], answers[used]
    if not seen.sum():
        return _nothing(size, note)
    rates = table / table.sum(axis=1, keepdims=True)
    drawn = _dirichlet(rng, table, draws)
    if nearly_singular(rates, drawn):
        found = possible_shares(seen, table)
        reason = "the judged images do not separate the levels' answers"
        if found is None:
            return _nothing(size, _MISFIT)
        return _tightened("bounds", reason, np.full(size, np.nan), *found)
    weights = _dirichlet(rng, seen, draws)
    solved = least_squares(weights, drawn, seen)
    low, high = simultaneous_region(solved)
    if _outside(low, high):
        # A share near 0 may fall outside by chance, one time in twenty at most.
        low, high = simultaneous_region(solved, _SURE)
    if _outside(low, high):
        return _nothing(size, _MISFIT)
    share = solve_weights(rates, seen / seen.sum())
    return _tightened("corrected", note, share, low.clip(0, 1), high.clip(0, 1))


def _outside(low: NDArray[np.float64], high: NDArray[np.float64]) -> bool:
    return bool((high < 0).any() or (low > 1).any())


_UNTESTED = (
    "assumes that errors on each true level are the same in both sets of images, whatever their "
    "other attributes"
)
_DEPENDS = "errors depend on other attributes, whose mix may differ here"
_CELLS = "correct the cells of all attributes, and add up their shares"
_MISFIT = "no shares can give these answers: the classifier errs otherwise on these images"


def _box(
    least: NDArray[np.float64], most: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the region's lows of `least` and highs of `most`, each shape (draws, K)."""
    if np.array_equal(least, most):
        return simultaneous_region(least)
    size = least.shape[1]
    low, high = simultaneous_region(np.hstack([least, most]))
    return low[:size], high[size:]


def _tightened(
    status: Status,
    reason: str,
    share: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> _Solved:
    """Use that shares sum to 1, and let the estimate lie in its interval."""
    low, high = np.fmin(low, share), np.fmax(high, share)
    least, most = low.sum() - low, high.sum() - high
    low, high = np.clip(np.maximum(low, 1 - most), 0, 1), np.clip(np.minimum(high, 1 - least), 0, 1)
    return _Solved(status, reason, share, np.fmin(low, share), np.fmax(high, share))


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
