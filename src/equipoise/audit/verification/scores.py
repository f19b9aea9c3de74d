"""Scores of pairs that a service compared: for a model that hands out no descriptors.

Which pairs to ask is chosen here: as many of each two cells, at random. A pair then stands for all
pairs of its two cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.audit.answer_rows import (
    check_set,
    digests_by_name,
    fail,
    is_numbered,
    loose_words,
    number_in,
    read_answer_rows,
)
from equipoise.audit.images import AuditImages
from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.files import digest_of
from equipoise.core.seeds import Stream, generator_for

COLUMNS = ("file_name_a", "file_name_b", "score")
"""Of a table of pairs."""

_READ = (*COLUMNS, "set_digest")

_LARGEST = float(np.finfo(np.float32).max)
_REMEDY = "Correct the score, or leave it empty: its pair then counts as one without an answer."


@dataclass(frozen=True, eq=False)
class PairScores:
    """Similarity of some pairs of n images, by a service or a model of others.

    Attributes
    ----------
    name : str
        The file's name.
    digest : str
        SHA-256 of the file.
    similarity : numpy.ndarray, shape (n, n), float32
        Symmetric; NaN where a pair has no score.
    named : numpy.ndarray, shape (n,), bool
        Images of which a pair was asked.
    kept, missing : int
        Pairs with a score, and pairs without.
    distinct : numpy.ndarray, shape (n,), bool
        Images that no earlier one equals: pairs are of these.
    caveats : tuple of str
        What reports say of rows that nothing binds to this set.
    """

    name: str
    digest: str
    similarity: NDArray[np.float32]
    named: NDArray[np.bool_]
    kept: int
    missing: int
    distinct: NDArray[np.bool_]
    caveats: tuple[str, ...] = ()

    asked = 0
    pinned = ()

    @property
    def found(self) -> NDArray[np.bool_]:
        """Mask of the images that have a score with another one, shape (n,)."""
        return np.asarray(np.isfinite(self.similarity).any(axis=1))

    def stands_for(self, cells: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return how many pairs of its two cells each compared pair stands for, shape (n, n)."""
        known = np.isfinite(self.similarity)
        kinds, place = np.unique(cells, return_inverse=True)
        members = np.eye(len(kinds))[place]
        sizes = members[self.distinct].sum(axis=0)
        every = np.outer(sizes, sizes) - np.diag(sizes)
        compared = members.T @ known @ members
        times = np.divide(every, compared, out=np.zeros_like(every), where=compared > 0)
        return np.asarray(known * times[place][:, place], np.float32)


def read_scores(path: Path, images: AuditImages) -> PairScores:
    """Read scores of pairs that somebody asked for.

    Parameters
    ----------
    path : Path
        A .csv, .tsv, .parquet or .jsonl file with `file_name_a`, `file_name_b` and `score`, larger
        for more similar faces, empty where there was none; `set_digest` may be added.
    images : AuditImages

    Raises
    ------
    InputError
        When there is no such file.
    FileFormatError
        When it is damaged or too large, lacks a column, has no score, or a row names no two images
        of the set, a pair that another row names, or no finite number.
    """
    distinct = first_of_each(images)
    places = {images.digests[row]: row for row in np.flatnonzero(distinct).tolist()}
    named = {name: places[digest] for name, digest in digests_by_name(images).items()}
    similarity = np.full((len(images), len(images)), np.nan, np.float32)
    rows: dict[tuple[int, int], int] = {}
    missing = loose = 0
    for line, row in read_answer_rows(path, _READ):
        if not set(COLUMNS) <= set(row):
            raise FileFormatError(
                f"scores {path}",
                f"must have the columns {', '.join(COLUMNS)}",
                ", ".join(row)[:60],
                "Fill in the table that `equipoise audit export-set --pairs` wrote.",
            )
        names = [row[name].strip() for name in COLUMNS[:2]]
        bound = check_set(path, line, row, images)
        loose += not bound and any(map(is_numbered, names))
        pair = _pair(path, line, names, named)
        if pair in rows:
            other = f"must name a pair that row {rows[pair]} does not"
            fail(path, line, other, ", ".join(names), "Keep one.")
        rows[pair] = line
        text = row["score"].strip()
        if text:
            score = number_in(path, line, "score", text, -_LARGEST, _LARGEST, remedy=_REMEDY)
            similarity[pair] = similarity[pair[::-1]] = score
        missing += not text
    if missing == len(rows):
        raise FileFormatError(f"scores {path}", "must have a score", "none", "Fill it in.")
    asked = np.zeros(len(images), bool)
    asked[[place for pair in rows for place in pair]] = True
    return PairScores(
        path.name,
        digest_of(path),
        similarity,
        asked,
        len(rows) - missing,
        missing,
        distinct,
        loose_words(loose, len(rows), path.name),
    )


def first_of_each(images: AuditImages) -> NDArray[np.bool_]:
    """Return which images no earlier one equals, shape (n,)."""
    first = np.zeros(len(images), bool)
    first[np.unique(images.digests, return_index=True)[1]] = True
    return first


def _pair(path: Path, line: int, names: list[str], named: dict[str, int]) -> tuple[int, int]:
    """Return the places of two images, the smaller first."""
    for name in names:
        if name not in named:
            fail(path, line, "must name two images of the set", name or "none", "Correct it.")
    first, second = sorted(named[name] for name in names)
    if first == second:
        fail(path, line, "must name two different images", names[0], "Leave it out.")
    return first, second


def choose_pairs(images: AuditImages, count: int, seed: int) -> NDArray[np.int64]:
    """Return pairs to ask, as many of each two cells as there are, in random order.

    Parameters
    ----------
    images : AuditImages
    count : int
        Pairs in all, about: at least one of each two cells.
    seed : int

    Returns
    -------
    numpy.ndarray, shape (m, 2), int64
        Places of two images each.

    Raises
    ------
    InputError
        When the count is below the number of kinds of pairs.
    """
    cells, distinct = images.cells, first_of_each(images)
    kinds = np.unique(cells)
    size = len(kinds) * (len(kinds) + 1) // 2
    if count < size:
        rule = f"must be at least {size}, one for each two cells"
        raise InputError("pairs", rule, count, f"Pass --pairs {100 * size}.")
    rng = generator_for(seed, Stream.ASKED_PAIRS)
    found = []
    for i, k in enumerate(kinds):
        for m in kinds[i:]:
            own, other = (np.flatnonzero(distinct & (cells == cell)) for cell in (k, m))
            first, second = (part.ravel() for part in np.meshgrid(own, other, indexing="ij"))
            every = np.stack([first, second], axis=1)[first < second if k == m else slice(None)]
            chosen = rng.permutation(len(every))[: count // size]
            found.append(every[chosen])
    pairs = np.concatenate(found)
    return np.asarray(rng.permuted(rng.permutation(pairs), axis=1))
