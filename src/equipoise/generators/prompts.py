"""Lists of prompts: the contexts of a text-to-image model, read from a CSV file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from equipoise.core.errors import FileFormatError, InputError, Listed
from equipoise.core.tables import read_rows, shown
from equipoise.generators.edit_words import LONGEST, EditWords

_MOST = 100_000
"""Rows of a list at most; chosen by hand."""

_NAMED = 5
"""Contexts that an error names."""

_SUM = 1e-6
"""Smallest sum of the shares; chosen by hand."""


@dataclass(frozen=True, eq=False, kw_only=True)
class PromptList:
    """Prompts of C contexts, each with V - 1 edits.

    Attributes
    ----------
    contexts : tuple of str
        Name of each context, shape (C,).
    texts : tuple of tuple of str
        Prompts, shape (C, V): each context's own, and its edits.
    negatives : tuple of str
        Negative prompt of each context, shape (C,); empty for none.
    shares : tuple of float
        How often each context is drawn, shape (C,); they sum to 1.
    edits : tuple of str
        Cell that each edit asks for, shape (V - 1,): "gender=female".
    """

    contexts: tuple[str, ...]
    texts: tuple[tuple[str, ...], ...]
    negatives: tuple[str, ...]
    shares: tuple[float, ...]
    edits: tuple[str, ...]

    def only(self, context: str) -> PromptList:
        """Return the list of one context alone.

        Raises
        ------
        InputError
            When there is no such context.
        """
        if context not in self.contexts:
            some = ", ".join(map(shown, self.contexts[:_NAMED]))
            more = len(self.contexts) - _NAMED
            raise InputError(
                "context",
                "must be an id of the list of prompts",
                shown(context),
                f"Pass one of {some}" + (f", or of {more:,} more." if more > 0 else "."),
            )
        at = self.contexts.index(context)
        return PromptList(
            contexts=(context,),
            texts=(self.texts[at],),
            negatives=(self.negatives[at],),
            shares=(1.0,),
            edits=self.edits,
        )


def read_prompts(path: Path, words: EditWords | None = None) -> PromptList:
    """Read a list of prompts.

    Parameters
    ----------
    path : Path
        CSV with a row for each prompt, and these columns: `id`, the name of the context; `text`,
        the prompt. Optional ones are `share`, how often the context is drawn, relative to the
        others; `negative`, what the images are to be without; and `cell`, such as "gender=female",
        in a row that is an edit of the context's prompt and asks for that cell.
    words : EditWords, optional
        Each text is then a template that edits are made of, and no row is an edit.

    Raises
    ------
    InputError
        When there is no such file.
    FileFormatError
        When it is no list of prompts: an empty or repeated row, a wrong share, a context without a
        prompt of its own or without an edit that others have. The error names the row.
    """
    what = "list of prompts"
    own: dict[str, tuple[str, float, str]] = {}
    edited: dict[str, dict[str, str]] = {}
    cells: dict[str, None] = {}
    made: dict[str, tuple[str, ...]] = {}
    for number, (line, row) in enumerate(read_rows(path, ("id", "text"), what=what)):
        if number >= _MOST:
            rule = f"must have at most {_MOST:,} rows"
            raise FileFormatError(f"{what} {path}", rule, "more", "Split it.")
        place = f"row {line} of {path}"
        name, text, cell = (row.get(key, "").strip() for key in ("id", "text", "cell"))
        for key, value in (("id", name), ("text", text)):
            if not 0 < len(value) <= LONGEST:
                rule = f"must be a text of 1 to {LONGEST} characters"
                raise FileFormatError(f"{key} in {place}", rule, shown(value), "Write it.")
        if len(name.splitlines()) > 1:
            rule = "must be on one line"
            raise FileFormatError(f"id in {place}", rule, shown(name), "Shorten it.")
        if cell in edited.get(name, {}) or (not cell and name in own):
            rule = "must be the only one of its id and cell"
            raise FileFormatError(place, rule, shown(f"{name} {cell}".strip()), "Remove a row.")
        for key in ("share", "negative") if cell else ():
            if value := row.get(key, "").strip():
                rule = "must be empty in a row with a cell; the context's own row has it"
                raise FileFormatError(f"{key} in {place}", rule, shown(value), "Move it there.")
        if cell and words is not None:
            rule = "must be empty where edits are made of words"
            raise FileFormatError(f"cell in {place}", rule, shown(cell), "Leave words out.")
        if cell:
            edited.setdefault(name, {})[cell] = text
            cells[cell] = None
        else:
            own[name] = text, _share(row.get("share", ""), place), row.get("negative", "").strip()
            if words is not None:
                made[name] = words.texts(text, len(made), f"text in {place}")
    if not own:
        raise FileFormatError(f"{what} {path}", "must have a prompt", "none", "Add rows.")
    for name in own | edited:
        missing = [cell for cell in cells if cell not in edited.get(name, {})]
        if name not in own or missing:
            rule = "must have a row without cell, and one for each cell that occurs"
            lacks = [""] * (name not in own) + missing
            got = Listed(f"none for the cell {shown(cell)!r}" for cell in lacks)
            raise FileFormatError(f"id {shown(name)} in {path}", rule, got, "Add the rows.")
    texts = tuple(
        (text, *(edited[name][cell] for cell in cells)) for name, (text, _, _) in own.items()
    )
    if words is not None:
        texts, cells = tuple(made.values()), dict.fromkeys(words.cells)
    shares = np.array([share for _, share, _ in own.values()])
    if shares.sum() < _SUM:
        rule = "must not all be 0"
        raise FileFormatError(f"shares in {path}", rule, float(shares.sum()), "Raise one.")
    return PromptList(
        contexts=tuple(own),
        texts=texts,
        negatives=tuple(negative for _, _, negative in own.values()),
        shares=tuple((shares / shares.sum()).tolist()),
        edits=tuple(cells),
    )


def _share(text: str, place: str) -> float:
    """Return a relative share, 1 where none is given."""
    try:
        share = float(text) if text.strip() else 1.0
    except ValueError:
        share = float("nan")
    if not 0 <= share < 1e9:
        rule = "must be a number from 0, or empty"
        raise FileFormatError(f"share in {place}", rule, shown(text), "Correct it.")
    return share
