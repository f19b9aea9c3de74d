"""Ages of the images of an audit, in years: from a table, or from a classifier's score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.audit.answer_rows import (
    SUFFIXES,
    NamedImage,
    image_named,
    number_in,
    read_answer_rows,
    rows_of_images,
)
from equipoise.audit.answers import Predictions, predict_cached
from equipoise.audit.images import AuditImages
from equipoise.audit.level_map import choose_attribute
from equipoise.audit.record import Asking
from equipoise.classifiers.base import NO_FACE, Classifier
from equipoise.classifiers.models import ClassifierAddress
from equipoise.core.attributes import Attribute
from equipoise.core.errors import FileFormatError, InputError, ModelOutputError
from equipoise.core.files import digest_of
from equipoise.core.progress import Execution

AGE = "age"
"""The attribute that estimates ages, and the column of a table of ages."""

OLDEST = 130.0
"""Years above which an age is none; chosen by hand."""

_COLUMNS = ("file_name", "index", "set_digest", AGE)
_FOUND_ONLY_LEVELS = (
    "Give an estimator whose score is an age: `score` in a description, or a table of ages."
)


@dataclass(frozen=True, eq=False)
class Ages:
    """Ages of n images.

    Attributes
    ----------
    name : str
        Of the estimator or the table.
    digest : str
        SHA-256 of what determines the ages.
    years : numpy.ndarray, shape (n,), float64
        In [0, `OLDEST`]; NaN where there is none.
    cost : Asking
    pinned, caveats : tuple of str
        As of a `Classifier`.
    recorded : bool
        Whether they come from a table.
    no_face : int
        Images in which no face was found.
    """

    name: str
    digest: str
    years: NDArray[np.float64]
    cost: Asking
    pinned: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()
    recorded: bool = False
    no_face: int = 0

    @property
    def missing(self) -> int:
        """Images without an age."""
        return int(np.isnan(self.years).sum())


def is_table(source: str) -> bool:
    """Return whether a name is that of a table, by its suffix."""
    return source.lower().endswith(SUFFIXES)


def read_ages(path: Path, images: AuditImages, role: str) -> Ages:
    """Read a table of ages: `file_name` or `index`, and `age` in years, empty where there is none.

    Parameters
    ----------
    path : Path
        A .csv, .tsv, .parquet or .jsonl file.
    images : AuditImages
        Those without a row have no age.
    role : str
        "model" or "reference", for the record.

    Raises
    ------
    InputError
        When there is no such file.
    FileFormatError
        When it is damaged or too large, has no column `age` or no row, or a row names no image of
        the set, one that another row names, or an age outside [0, `OLDEST`].
    """
    named: list[NamedImage] = []
    found: list[float] = []
    for line, row in read_answer_rows(path, _COLUMNS):
        if AGE not in row:
            columns = ", ".join(row)
            raise FileFormatError(
                f"ages {path}", f"must have the column {AGE}", columns[:60], "Name the column so."
            )
        named.append(image_named(path, line, row))
        text = row[AGE].strip()
        found.append(number_in(path, line, AGE, text, 0, OLDEST) if text else np.nan)
    if not named:
        raise FileFormatError(f"ages {path}", "must have a row", "none", "Write the ages.")
    rows, caveats = rows_of_images(path, named, images)
    years = np.array([found[rows[d]] if d in rows else np.nan for d in images.digests])
    cost = Asking(
        role=role,
        name=path.name,
        asked=0,
        kept=len(rows),
        failed=int(np.isnan(years).sum()),
        seconds=0.0,
    )
    return Ages(path.name, digest_of(path), years, cost, caveats=caveats, recorded=True)


def ask_ages(
    estimator: Classifier,
    images: AuditImages,
    cache: Path,
    role: str,
    *,
    address: ClassifierAddress | None = None,
    execution: Execution = Execution(),
) -> Ages:
    """Ask a classifier, whose score of the attribute age is taken for years.

    Parameters
    ----------
    estimator : Classifier
        It predicts `age`, or one attribute only. Abstentions and failures have no age.
    images : AuditImages
    cache : Path
        Folder of its predictions.
    role : str
        "model" or "reference", for the record.
    address, execution
        As for `predict_cached`.

    Raises
    ------
    InputError
        When it predicts several attributes, none of them age.
    ModelOutputError
        When its scores are no ages: numbers of levels, probabilities, or out of [0, `OLDEST`].
    FileFormatError, StorageError
        As `predict_cached`.
    """
    predictions = predict_cached(
        estimator, images.pictures, cache, stage=role, address=address, execution=execution
    )
    place = choose_attribute(predictions.attributes, AGE, estimator.name)
    years = _years(estimator.name, predictions.attributes[place], predictions, place)
    cost = Asking.of(role, estimator.name, predictions)
    caveats = tuple(estimator.caveats)
    return Ages(
        estimator.name,
        estimator.digest,
        years,
        cost,
        tuple(estimator.pinned),
        caveats,
        no_face=int((predictions.levels[:, place] == NO_FACE).sum()),
    )


def _years(
    name: str, attribute: Attribute, predictions: Predictions, place: int
) -> NDArray[np.float64]:
    """Return the scores of an attribute as years, NaN where there is no answer."""
    if predictions.scores is None:
        raise InputError(f"model {name!r}", "must give numbers", "words", _FOUND_ONLY_LEVELS)
    levels = predictions.levels[:, place]
    scores = predictions.scores[:, place].astype(np.float64)
    known = scores[levels >= 0]
    got = ""
    if not np.isfinite(known).all():
        got = "no score"
    elif len(known) and ((known == levels[levels >= 0]).all() or _chances(attribute, known)):
        got = "numbers of levels, or probabilities"
    elif len(known) and not (known.min() >= 0 and known.max() <= OLDEST):
        got = f"{known.min():.4g} to {known.max():.4g}"
    if got:
        raise ModelOutputError(
            f"score of {attribute.name!r} of {name!r}",
            f"must be an age in years, from 0 to {OLDEST:g}",
            got,
            _FOUND_ONLY_LEVELS,
        )
    return np.where(levels >= 0, scores, np.nan)


def _chances(attribute: Attribute, scores: NDArray[np.float64]) -> bool:
    return len(attribute.levels) == 2 and bool(scores.min() >= 0 and scores.max() <= 1)


def parse_challenges(limit: float, challenges: Sequence[float]) -> tuple[float, ...]:
    """Return the ages of the rules, each once and increasing, after checking them.

    Raises
    ------
    InputError
        When one is below the limit, or the limit is no age.
    """
    if not 0 < limit <= OLDEST:
        raise InputError("limit", f"must be above 0 and at most {OLDEST:g}", limit, "Pass 18.")
    for challenge in challenges:
        if not limit <= challenge <= OLDEST:
            raise InputError(
                "challenge",
                f"must be from the limit {limit:g} to {OLDEST:g}",
                challenge,
                "Pass --challenge 25, or another --limit.",
            )
    return tuple(sorted(set(challenges)))
