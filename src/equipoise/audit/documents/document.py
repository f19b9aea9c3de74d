"""A document from the stored record of an audit: filled, and with a list of what stays open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from equipoise.audit.documents.facts import Facts, read_facts
from equipoise.audit.documents.forms import FORMS, Content, Field, Form
from equipoise.core.errors import InputError
from equipoise.core.files import read_toml, write_text
from equipoise.core.toml_tables import Table
from equipoise.report.html import ALONE, Frame


@dataclass(frozen=True)
class Filled:
    """A field with its content.

    Attributes
    ----------
    field : Field
    content : Content or None
        None where the field stays open.
    given : bool
        Whether the user gave it.
    """

    field: Field
    content: Content | None
    given: bool = False


@dataclass(frozen=True)
class Document:
    """A filled form.

    Attributes
    ----------
    form : Form
    facts : Facts
    sections : tuple of (str, tuple of Filled)
    """

    form: Form
    facts: Facts
    sections: tuple[tuple[str, tuple[Filled, ...]], ...]

    @property
    def open(self) -> tuple[Field, ...]:
        """The fields that could not be filled."""
        return tuple(
            one.field for _, fields in self.sections for one in fields if one.content is None
        )


def read_given(path: Path, form: Form) -> dict[str, str]:
    """Read what a user gives for fields: a TOML file with a text for some keys of a form.

    Raises
    ------
    InputError
        When it cannot be read, a key is no field of the form, or a value is no text.
    """
    remedy = f"Write a text for each field: {form.keys[0]} = '...'."
    table = Table(read_toml(path, remedy))
    found: dict[str, str] = {}
    for key in table.fields():
        if key not in form.keys:
            raise table.error(key, f"must be one of {', '.join(form.keys)}", key)
        found[key] = table.text(key)
    return found


def fill(form: Form, facts: Facts, given: Mapping[str, str]) -> Document:
    """Fill a form; what the user gives stands before what the record says."""

    def filled(one: Field) -> Filled:
        known = one.fill(facts) if one.fill else None
        if one.key not in given:
            return Filled(one, known)
        words = (given[one.key], *(known.words if known else ()))
        return Filled(one, Content(words, known.tables if known else ()), given=True)

    sections = tuple((title, tuple(map(filled, fields))) for title, fields in form.sections)
    return Document(form, facts, sections)


def document_html(document: Document, frame: Frame = ALONE) -> str:
    """Return a document as one HTML page, which prints well."""
    return frame.fill("document.html.jinja", document=document)


def write_document(folder: Path, name: str, given: Path | None, out: Path) -> Document:
    """Write a document of a stored audit.

    Parameters
    ----------
    folder : Path
        Of the audit.
    name : str
        One of `FORMS`.
    given : Path, optional
        TOML file with texts for fields that no audit knows.
    out : Path
        The HTML file.

    Raises
    ------
    InputError
        When there is no such form, no audit, or a given key is no field.
    FileFormatError
        When the record is damaged.
    StorageError
        When the file cannot be written.
    """
    if name not in FORMS:
        known = ", ".join(FORMS)
        raise InputError("form", f"must be one of {known}", name, "Name one of them.")
    form = FORMS[name]
    texts = {} if given is None else read_given(given, form)
    document = fill(form, read_facts(folder), texts)
    write_text(out, document_html(document))
    return document
