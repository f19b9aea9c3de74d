"""The report of a stored audit, as one HTML file that loads nothing from a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from equipoise.core.errors import EquipoiseError, InputError
from equipoise.core.files import write_text
from equipoise.core.records import read_record
from equipoise.report.html import ALONE, Frame, consistent
from equipoise.runs.record import ModelUsed


class HasModels(Protocol):
    """A record that names the audited model first."""

    @property
    def models(self) -> tuple[ModelUsed, ...]:
        """What was asked."""
        ...


Audit = TypeVar("Audit", bound=HasModels)


@dataclass(frozen=True, kw_only=True)
class AuditPage(Generic[Audit]):
    """The report of one kind of audit.

    Attributes
    ----------
    name : str
        Of the record, FOLDER/NAME.json, and of the report beside it.
    command : str
        The command that makes it, after `equipoise audit`.
    record : type
        Class of the record.
    fill : callable
        Fills the template with a record, and the pictures of its folder.
    """

    name: str
    command: str
    record: type[Audit]
    fill: Callable[[Audit, Path, Frame], str]

    def html(self, folder: Path, frame: Frame = ALONE) -> str:
        """Return the report of an audit.

        Parameters
        ----------
        folder : Path
        frame : Frame
            What stands around it.

        Raises
        ------
        FileFormatError
            When the record is missing or damaged.
        """
        path = folder / f"{self.name}.json"
        remedy = f"Run `equipoise audit {self.command} --out {folder}` again."
        record = read_record(path, self.record, remedy, what="audit")
        with consistent(f"audit {path}", remedy):
            return self.fill(record, folder, frame)

    def refuse_other(self, folder: Path, models: tuple[ModelUsed, ...]) -> None:
        """Refuse a folder that has an audit of a model of another name: it would be lost.

        Parameters
        ----------
        folder : Path
        models : tuple of ModelUsed
            The audited model first.

        Raises
        ------
        InputError
            When it has one.
        """
        try:
            found = read_record(folder / f"{self.name}.json", self.record, "", what="audit")
        except EquipoiseError:
            return  # None, or one that cannot be read.
        held, own = found.models[0].name, models[0].name
        if held != own:
            rule = f"must hold no audit of another model than {own}"
            raise InputError(f"out {folder}", rule, held, "Choose another folder by --out.")

    def write(self, folder: Path) -> Path:
        """Write the report of an audit beside its record and pictures, and return its path.

        Raises
        ------
        FileFormatError
            When the record is missing or damaged.
        StorageError
            When the report cannot be written.
        """
        path = folder / f"{self.name}.html"
        write_text(path, self.html(folder))
        return path
