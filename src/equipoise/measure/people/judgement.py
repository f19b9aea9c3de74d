"""From filled tables to truth: raters' levels, their agreement, the majority, the error matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.core.attributes import UNKNOWN, UNKNOWN_NAME, AttributeGrid
from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.estimates import Estimate
from equipoise.core.tables import read_rows, shown
from equipoise.measure.correction import Correction, correct
from equipoise.measure.error_matrix import ErrorMatrix
from equipoise.measure.people.scales import is_tone
from equipoise.measure.people.task import AnnotationTask
from equipoise.samplers.export.metadata import answer_name
from equipoise.stats.agreement import cohen_kappa, count_votes, krippendorff_alpha
from equipoise.stats.means import mean_estimate


@dataclass(frozen=True, kw_only=True)
class ToneAgreement:
    """Agreement of the raters on images of one skin tone, by the classifier's answer.

    Attributes
    ----------
    tone : str
        "skin_tone=dark".
    rated_twice : int
        Images with at least two ratings.
    agreement : Estimate
        Mean over these images of the share of pairs of ratings that agree, with Student's interval
        within [0, 1].
    alpha : float or None
        Krippendorff's nominal alpha; None when not defined.
    """

    tone: str
    rated_twice: int
    agreement: Estimate
    alpha: float | None


MOST_RATERS = 50
"""Raters of one task at most."""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Agreement of the raters on one attribute.

    Attributes
    ----------
    attribute : str
    raters : int
    rated_twice : int
        Images with at least two ratings.
    kappa : float or None
        Cohen's kappa for two raters; None for another number of raters, or when not defined.
    alpha : float or None
        Krippendorff's nominal alpha; None when not defined.
    implied_error : float or None
        Probability that a rater errs on an image, if all err alike and independently on two levels:
        (1 - sqrt(1 - 2 d)) / 2 for pairs of ratings that differ with d. None for one rater.
    ties : int
        Images that are left open because two levels have equally many votes.
    unrated : int
        Images on which no rater gave a level.
    exact : Estimate or None
        Mean over images with at least two ratings of the share of pairs of ratings that agree, with
        Student's interval within [0, 1]. Older records have none.
    within_one : Estimate or None
        The same of pairs that are at most one level apart; None unless there are three or more
        levels, in an order.
    by_tone : tuple of ToneAgreement
        In the order of the tones; empty where the classifier did not answer on skin tone, or there
        is one rater.
    """

    attribute: str
    raters: int
    rated_twice: int
    kappa: float | None
    alpha: float | None
    implied_error: float | None
    ties: int
    unrated: int
    exact: Estimate | None = None
    within_one: Estimate | None = None
    by_tone: tuple[ToneAgreement, ...] = ()


@dataclass(frozen=True, kw_only=True)
class AnnotationResult:
    """Agreement of raters, errors of the classifiers and corrected shares, from people's labels.

    Attributes
    ----------
    agreement : tuple of Agreement
        One per attribute.
    errors : tuple of ErrorMatrix
        One per attribute, then one for the cells if there are several attributes.
    corrections : tuple of Correction
        In the same order, for images chosen by answer; intervals are simultaneous within each.
    """

    agreement: tuple[Agreement, ...]
    errors: tuple[ErrorMatrix, ...]
    corrections: tuple[Correction, ...]


def read_ratings(paths: Sequence[Path], task: AnnotationTask) -> NDArray[np.int8]:
    """Read the tables that raters filled, one a rater.

    An empty place, or "unknown", is no rating; an image that a table leaves out has none.

    Parameters
    ----------
    paths : sequence of Path
        At least one.
    task : AnnotationTask
        What they were given.

    Returns
    -------
    numpy.ndarray, shape (raters, m, A), int8
        Levels; -1 where a rater gave none.

    Raises
    ------
    InputError
        When there is no table, or no such file.
    FileFormatError
        When a table is no bounded CSV, lacks a column, or a row names another image, an image
        twice, or a value that is no level; row and value are named.
    """
    if not paths:
        raise InputError("tables", "must be at least one", "none", "Give the filled to_label.csv.")
    place = {image: i for i, image in enumerate(task.images)}
    ratings = np.full((len(paths), len(place), len(task.grid.names)), UNKNOWN, np.int8)
    for rater, path in enumerate(paths):
        seen: set[str] = set()
        for line, row in read_rows(path, ["image", *task.grid.names]):
            image = row["image"].strip()
            if image not in place or image in seen:
                raise FileFormatError(
                    f"image in row {line} of {path}",
                    "must be one of those exported, once",
                    shown(image),
                    "Keep the column image as it was.",
                )
            seen.add(image)
            ratings[rater, place[image]] = _levels(row, line, path, task.grid)
    return ratings


def _levels(row: dict[str, str], line: int, path: Path, grid: AttributeGrid) -> list[int]:
    found = []
    for attribute in grid.attributes:
        value = row[attribute.name].strip()
        if value in ("", UNKNOWN_NAME):
            found.append(UNKNOWN)
        elif value in attribute.levels:
            found.append(attribute.levels.index(value))
        else:
            raise FileFormatError(
                f"{attribute.name} in row {line} of {path}",
                f"must be one of {', '.join(attribute.levels)}, or empty",
                shown(value),
                "Correct the word.",
            )
    return found


def majority(ratings: NDArray[np.int8], size: int) -> tuple[NDArray[np.int64], int, int]:
    """Return the level that most raters gave each image, and how many images have none.

    Parameters
    ----------
    ratings : numpy.ndarray, shape (raters, m), int8
        Levels; -1 where a rater gave none.
    size : int
        Number of levels.

    Returns
    -------
    truth : numpy.ndarray, shape (m,), int64
        -1 where no level has more ratings than every other.
    ties, unrated : int
        Images without a truth because levels are level, and because nobody rated.

    Examples
    --------
    >>> truth, ties, unrated = majority(np.array([[0, 1, -1], [0, 0, -1]], np.int8), 2)
    >>> truth.tolist(), ties, unrated
    ([0, -1, -1], 1, 1)
    """
    votes = count_votes(ratings, size)
    most = votes.max(axis=1)
    unrated = most == 0
    tied = ~unrated & ((votes == most[:, None]).sum(axis=1) > 1)
    truth = np.where(unrated | tied, UNKNOWN, votes.argmax(axis=1))
    return truth, int(tied.sum()), int(unrated.sum())


def evaluate_annotations(
    task: AnnotationTask, ratings: NDArray[np.int8], *, seed: int = 0
) -> AnnotationResult:
    """Return agreement, errors and corrected shares from raters' labels.

    Images with a tie count as judged, and of any level; where they and the raters' disagreement
    matter, shares have bounds alone. Images that nobody rated are left out, as if they had not been
    chosen. This is a bias where their levels differ from the others of the same answer: look at
    `unrated`. The labels of a single rater count as the truth.

    Parameters
    ----------
    task : AnnotationTask
    ratings : numpy.ndarray, shape (raters, m, A), int8
        As `read_ratings` returns them.
    seed : int
        Of the intervals' draws.
    """
    grid = task.grid
    names = tuple(answer_name(grid, row) for row in task.answers.tolist())
    agreement, errors = [], []
    truths = np.empty((len(task.images), len(grid.names)), np.int64)
    for a, attribute in enumerate(grid.attributes):
        given = ratings[:, :, a]
        truths[:, a], ties, unrated = majority(given, len(attribute.levels))
        agreement.append(
            Agreement(
                attribute=attribute.name,
                raters=len(given),
                rated_twice=_rated_twice(given),
                kappa=cohen_kappa(given[0], given[1]) if len(given) == 2 else None,
                alpha=krippendorff_alpha(given),
                implied_error=_implied_error(given),
                ties=ties,
                unrated=unrated,
                exact=_pairs_that_agree(given, 0),
                within_one=_pairs_that_agree(given, 1)
                if attribute.ordered and len(attribute.levels) > 2
                else None,
                by_tone=_by_tone(given, task),
            )
        )
        levels = tuple(f"{attribute.name}={level}" for level in attribute.levels)
        meant = task.answers[:, a].astype(np.int64)
        errors.append(_tabulate(levels, names, meant, truths[:, a], given, task))
    if len(grid.names) > 1:
        meant = grid.cell_of(task.answers)
        cells = np.stack([grid.cell_of(of_rater) for of_rater in ratings])
        errors.append(_tabulate(grid.cells, names, meant, grid.cell_of(truths), cells, task))
    corrections = tuple(correct(task.counts, table, "answer", seed=seed) for table in errors)
    return AnnotationResult(
        agreement=tuple(agreement), errors=tuple(errors), corrections=corrections
    )


def _by_tone(ratings: NDArray[np.int8], task: AnnotationTask) -> tuple[ToneAgreement, ...]:
    """Return the agreement on images of each skin tone, by the classifier's answer."""
    tones = [a for a, name in enumerate(task.grid.names) if is_tone(name)]
    if not tones or len(ratings) < 2:
        return ()
    attribute = task.grid.attributes[tones[0]]
    tone_of = task.answers[task.stratum, tones[0]]
    found = []
    for k, level in enumerate(attribute.levels):
        own = ratings[:, tone_of == k]
        found.append(
            ToneAgreement(
                tone=f"{attribute.name}={level}",
                rated_twice=_rated_twice(own),
                agreement=_pairs_that_agree(own, 0),
                alpha=krippendorff_alpha(own),
            )
        )
    return tuple(found)


def _rated_twice(ratings: NDArray[np.int8]) -> int:
    """Return the number of images with at least two ratings."""
    return int(((ratings != UNKNOWN).sum(axis=0) >= 2).sum())


def _pairs_that_agree(ratings: NDArray[np.int8], apart: int) -> Estimate:
    """Return the mean share of an image's pairs of ratings that are `apart` levels apart at most.

    Parameters
    ----------
    ratings : numpy.ndarray, shape (raters, m), int8
    apart : int
        0 for the same level, 1 for the next one too.
    """
    votes = count_votes(ratings, int(ratings.max(initial=0)) + 1)
    number = votes.sum(axis=1)
    votes, number = votes[number >= 2], number[number >= 2]
    pairs = (votes * (votes - 1)).sum(axis=1)
    if apart:
        pairs = pairs + 2 * (votes[:, 1:] * votes[:, :-1]).sum(axis=1)
    mean = mean_estimate(pairs / (number * (number - 1)), np.ones(len(votes)))
    ends = Estimate(mean.value, max(mean.low, 0.0), min(mean.high, 1.0), mean.note)
    return mean if np.isnan(mean.low) else ends


def _tabulate(
    levels: tuple[str, ...],
    answers: tuple[str, ...],
    meant: NDArray[np.int64],
    truth: NDArray[np.int64],
    ratings: NDArray[np.integer],
    task: AnnotationTask,
) -> ErrorMatrix:
    counts = np.zeros((len(levels), len(answers)), np.int64)
    known = truth != UNKNOWN
    np.add.at(counts, (truth[known], task.stratum[known]), 1)
    tied = ~known & (ratings != UNKNOWN).any(axis=0)
    return ErrorMatrix(
        levels=levels,
        answers=answers,
        meant=meant,
        counts=counts,
        tied=np.bincount(task.stratum[tied], minlength=len(answers)),
        doubt=_doubt(ratings, task.stratum, len(answers)),
    )


def _doubt(
    ratings: NDArray[np.integer], strata: NDArray[np.integer], count: int
) -> NDArray[np.float64] | None:
    """Bound the share of settled images whose level is wrong, stratum by stratum, shape (count,).

    Raters who err independently, with a probability e of at most 1/2 on an image, differ on it with
    2 e (1 - e) >= e, and most of them are wrong with at most e: the share d of pairs of ratings
    that differ bounds that of wrong majorities, however e differs from image to image. Two raters
    settle an image only where they agree, and e^2 <= e (1 - e): half of it. Settled images are at
    least 1 - d of all. None without pairs of ratings.
    """
    differ, pairs = _pairs(ratings, strata, count)
    if not pairs.any():
        return None
    overall = differ.sum() / pairs.sum()
    shares = np.divide(differ, pairs, out=np.full(count, overall), where=pairs > 0)
    part = 0.5 if len(ratings) == 2 else 1.0
    return np.asarray(np.minimum(part * shares / np.maximum(1 - shares, part), 1.0))


def _pairs(
    ratings: NDArray[np.integer], strata: NDArray[np.integer], count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Count the pairs of ratings of one image that differ, and all of them, by stratum."""
    differ, pairs = np.zeros(count), np.zeros(count)
    for one, other in combinations(ratings, 2):
        both = (one != UNKNOWN) & (other != UNKNOWN)
        pairs += np.bincount(strata[both], minlength=count)
        differ += np.bincount(strata[both & (one != other)], minlength=count)
    return differ, pairs


def _implied_error(ratings: NDArray[np.int8]) -> float | None:
    differ, pairs = _pairs(ratings, np.zeros(ratings.shape[1], np.int64), 1)
    if not pairs.any():
        return None
    return (1 - float(np.sqrt(max(1 - 2 * float(differ[0] / pairs[0]), 0.0)))) / 2
