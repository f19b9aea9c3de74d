"""Which images people are to judge: by chance within each answer of the classifier."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.errors import InputError, check_count
from equipoise.human.answered import Answered
from equipoise.seeds import Stream, generator_for


@dataclass(frozen=True, eq=False)
class Chosen:
    """Images to judge, and how many there are of each answer.

    Attributes
    ----------
    rows : numpy.ndarray, shape (m,), int64
        Which images, in an order that tells nothing.
    stratum : numpy.ndarray, shape (m,), int64
        The answer that the classifier gave on each.
    answers : numpy.ndarray, shape (S, A), int8
        The different answers on all attributes at once; -1 is an abstention.
    counts : numpy.ndarray, shape (S,), int64
        Images of each answer, judged or not.
    """

    rows: NDArray[np.int64]
    stratum: NDArray[np.int64]
    answers: NDArray[np.int8]
    counts: NDArray[np.int64]


def choose(
    answered: Answered,
    *,
    per_answer: int | None = None,
    at_random: int | None = None,
    seed: int = 0,
) -> Chosen:
    """Choose images to judge.

    Answers are those on all attributes at once, abstentions included, so that cells and single
    attributes can both be corrected. Equal numbers from each answer tell most of rare cells; a
    plain random sample may hold none of them.

    Parameters
    ----------
    answered : Answered
    per_answer : int
        Images of each answer; all of an answer that has fewer.
    at_random : int
        Instead: images over all, whatever their answer; all when there are fewer.
    seed : int
        The same seed chooses the same images in the same order.

    Raises
    ------
    InputError
        When neither or both sizes are given, or one is below 1.
    """
    if (per_answer is None) == (at_random is None):
        raise InputError(
            "per_answer and at_random",
            "must be one of the two",
            (per_answer, at_random),
            "Pass --per-answer 60.",
        )
    answers, stratum = np.unique(answered.levels, axis=0, return_inverse=True)
    stratum = stratum.reshape(-1)
    rng = generator_for(seed, Stream.SPLIT, 9)
    order = rng.permutation(len(stratum))
    if per_answer is None:
        rows = order[: check_count("at_random", at_random or 0, "Pass --at-random 400.")]
    else:
        check_count("per_answer", per_answer, "Pass --per-answer 60.")
        places = [order[stratum[order] == s][:per_answer] for s in range(len(answers))]
        rows = rng.permutation(np.concatenate(places))
    counts = np.bincount(stratum, minlength=len(answers))
    return Chosen(rows, stratum[rows], answers, counts)
