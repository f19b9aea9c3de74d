"""People's labels, one answer at a time, in the tables that `equipoise label import` reads.

All that is known of a rater is the table TASK/raters/NAME.csv, written whole at each answer: a
reload or the end of the server loses nothing. Places are filled in order, image by image and
attribute by attribute; the first empty one is asked for next. "unknown" stands for a skipped one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock

from equipoise.core.attributes import UNKNOWN, UNKNOWN_NAME
from equipoise.core.errors import InputError
from equipoise.core.tables import read_rows, write_rows
from equipoise.measure.people.judgement import MOST_RATERS, read_ratings
from equipoise.measure.people.task import AnnotationTask, read_task
from equipoise.stats.agreement import cohen_kappa, krippendorff_alpha
from equipoise.view.folder import own

_NAME = re.compile(r"\w[\w-]{0,31}")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)", re.IGNORECASE)


@dataclass(frozen=True)
class Question:
    """What a rater is asked next.

    Attributes
    ----------
    image, attribute : int or None
        Numbers; None where all is answered.
    done, total : int
        Places.
    """

    image: int | None
    attribute: int | None
    done: int
    total: int


@dataclass(frozen=True)
class AgreementSoFar:
    """Agreement of the raters on one attribute, over what they have answered.

    Attributes
    ----------
    attribute : str
    rated_twice : int
        Images with at least two ratings.
    kappa, alpha : float or None
    """

    attribute: str
    rated_twice: int
    kappa: float | None
    alpha: float | None


class Rating:
    """A task with its raters' tables."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.task: AnnotationTask = read_task(folder)
        self._names = self.task.grid.names

    def raters(self) -> list[str]:
        """Return the names of the raters, in order."""
        found = sorted(path.stem for path in (self.folder / "raters").glob("*.csv"))
        return [name for name in found if _NAME.fullmatch(name)][:MOST_RATERS]

    def table(self, rater: str) -> Path:
        """Return the file of a rater.

        Raises
        ------
        InputError
            When the name is none for a file.
        """
        if not _NAME.fullmatch(rater) or _RESERVED.fullmatch(rater):
            raise InputError(
                "rater", "must be letters, digits, _ and -, at most 32", rater, "Take another."
            )
        return self.folder / "raters" / f"{rater}.csv"

    def next(self, rater: str) -> Question:
        """Return what a rater is asked next."""
        return self._question(self._places(rater))

    def answer(self, rater: str, image: int, attribute: int, level: int | None) -> Question:
        """Keep an answer to the question that was asked, and return the next one.

        Parameters
        ----------
        rater : str
        image, attribute : int
            Of the question. An answer to another one, as a second click gives, changes nothing.
        level : int or None
            None to skip.

        Raises
        ------
        InputError
            When there is no such level, or there are too many raters.
        """
        levels = self.task.grid.attributes[attribute].levels if self._has(attribute) else ()
        if level is not None and not 0 <= level < len(levels):
            raise InputError("level", f"must be in 0..{len(levels) - 1}", level, "Ask again.")
        with self._locked(rater):
            places = self._places(rater)
            asked = self._question(places)
            if (asked.image, asked.attribute) != (image, attribute):
                return asked
            places[asked.done] = UNKNOWN_NAME if level is None else levels[level]
            self._write(rater, places)
            return self._question(places)

    def undo(self, rater: str) -> Question:
        """Take the last answer back, and ask for it again."""
        with self._locked(rater):
            places = self._places(rater)
            done = self._question(places).done
            if done:
                places[done - 1] = ""
                self._write(rater, places)
            return self._question(places)

    def answers(self) -> dict[str, list[str]]:
        """Return what each rater has answered: levels in order, "" where there is none."""
        return {rater: self._places(rater) for rater in self.raters()}

    def merge(self, answers: Mapping[str, Sequence[str]]) -> list[Path]:
        """Add answers from elsewhere to the tables of their raters, all of them or none.

        Parameters
        ----------
        answers : mapping of str to sequence of str
            By rater, as `answers` returns them.

        Raises
        ------
        InputError
            When a rater's table holds another answer, a name is none for a file, or there are too
            many raters.
        """
        known = {rater.casefold(): rater for rater in self.raters()}
        given = {known.get(rater.casefold(), rater): own for rater, own in answers.items()}
        if len({*known.values(), *given}) > MOST_RATERS:
            raise InputError(
                "raters", f"must be at most {MOST_RATERS}", len(given), "Import fewer."
            )
        with ExitStack() as held:
            merged = {}
            for rater in sorted(given):
                held.enter_context(self._locked(rater))
                merged[rater] = [
                    self._merged(rater, place, old, new)
                    for place, (old, new) in enumerate(
                        zip(self._places(rater), given[rater], strict=True)
                    )
                ]
            for rater, places in merged.items():
                self._write(rater, places)
        return [self.table(rater) for rater in merged]

    def _merged(self, rater: str, place: int, old: str, new: str) -> str:
        if old and new and old != new:
            image, attribute = divmod(place, len(self._names))
            raise InputError(
                f"{self._names[attribute]} of {self.task.images[image]} by {rater}",
                f"must be {old!r}, as the rater's table has it",
                new,
                "Remove the rater's table, or rename the rater.",
            )
        return old or new

    def agreement(self) -> list[AgreementSoFar]:
        """Return how far raters agree; nothing of what the classifier said."""
        tables = [self.table(name) for name in self.raters()]
        if not tables:
            return []
        ratings = read_ratings(tables, self.task)
        found = []
        for a, name in enumerate(self._names):
            given = ratings[:, :, a]
            twice = int(((given != UNKNOWN).sum(axis=0) >= 2).sum())
            kappa = cohen_kappa(given[0], given[1]) if len(given) == 2 else None
            alpha = krippendorff_alpha(given) if twice else None
            found.append(AgreementSoFar(name, twice, _finite(kappa), _finite(alpha)))
        return found

    def _has(self, attribute: int) -> bool:
        return 0 <= attribute < len(self._names)

    def _locked(self, rater: str) -> FileLock:
        table = self.table(rater)
        if not table.exists() and len(self.raters()) >= MOST_RATERS:
            raise InputError("raters", f"must be at most {MOST_RATERS}", rater, "Take another.")
        own(self.folder, table.parent).mkdir(exist_ok=True)
        return FileLock(table.with_suffix(".lock"), timeout=10)

    def _places(self, rater: str) -> list[str]:
        """Return the answers in order, "" where there is none."""
        table, places = self.table(rater), [""] * (len(self.task.images) * len(self._names))
        if not table.exists():
            return places
        first = {image: i * len(self._names) for i, image in enumerate(self.task.images)}
        for _, row in read_rows(table, ["image", *self._names]):
            start = first.get(row["image"])
            if start is not None:
                places[start : start + len(self._names)] = [row[name] for name in self._names]
        return places

    def _question(self, places: list[str]) -> Question:
        done = next((i for i, answer in enumerate(places) if not answer), len(places))
        if done == len(places):
            return Question(None, None, done, done)
        return Question(*divmod(done, len(self._names)), done, len(places))

    def _write(self, rater: str, places: list[str]) -> None:
        width = len(self._names)
        rows = (
            {"image": image, **dict(zip(self._names, places[i * width :], strict=False))}
            for i, image in enumerate(self.task.images)
        )
        write_rows(self.table(rater), ["image", *self._names], rows)


def _finite(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None
