"""Results of methods in a folder, one file each: what is stored is not measured again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from equipoise.core.errors import InsufficientLabelsError
from equipoise.core.files import read_json
from equipoise.core.folders import LocalFolder
from equipoise.core.progress import Progress, no_progress
from equipoise.core.records import from_json, write_record
from equipoise.core.resumable import ResumableFolder


@dataclass(frozen=True, kw_only=True)
class Refused:
    """Why a method does not apply to a case.

    Attributes
    ----------
    refused : str
    """

    refused: str


R = TypeVar("R")
"""Record of a method that applies."""


@dataclass(frozen=True)
class StoredResults(Generic[R]):
    """Results of methods in a folder.

    Attributes
    ----------
    folder : Path
    methods : sequence of str
        All methods, in the order of the tables.
    kind : type
        Record of a method that applies; the others are `Refused`.
    """

    folder: Path
    methods: Sequence[str]
    kind: type[R]

    def read(self) -> dict[str, R | Refused]:
        """Return the results that there are, in the order of the methods.

        Raises
        ------
        FileFormatError
            When a result cannot be read.
        """
        found: dict[str, R | Refused] = {}
        for method in self.methods:
            path = self._file(method)
            if path.is_file():
                remedy = "Delete it and run the same command again."
                stored = read_json(path, remedy, what="result", strict=True)
                kind: type[R] | type[Refused] = Refused if "refused" in stored else self.kind
                found[method] = from_json(stored, kind, f"result {path}", remedy)
        return found

    def fill(
        self,
        identity: str,
        measuring: Callable[[], Callable[[str], R]],
        progress: Progress = no_progress,
        on_result: Callable[[str, R | Refused], None] = lambda method, result: None,
    ) -> dict[str, R | Refused]:
        """Measure the methods without a result, and return all results.

        Parameters
        ----------
        identity : str
            All that determines the results.
        measuring : callable
            Returns, once and where a result is missing, what measures: from a method to its record,
            or InsufficientLabelsError where the method does not apply.
        progress : Progress
            Reports completed methods, as stage "compare".
        on_result : callable
            Called with each new method and its result.

        Raises
        ------
        InputError
            When the folder holds results of another identity.
        """
        stored = ResumableFolder(LocalFolder(self.folder), identity, "results of this comparison")
        stored.claim("case.txt", "*.json")
        results = self.read()
        left = [method for method in self.methods if method not in results]
        progress("compare", len(results), len(self.methods))
        if not left:
            return results
        measure = measuring()
        for method in left:
            try:
                write_record(self._file(method), measure(method))
            except InsufficientLabelsError as error:
                write_record(self._file(method), Refused(refused=str(error)))
            results = self.read()
            on_result(method, results[method])
            progress("compare", len(results), len(self.methods))
        return results

    def _file(self, method: str) -> Path:
        return self.folder / f"{method.replace(' ', '_').replace(',', '')}.json"
