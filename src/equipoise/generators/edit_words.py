"""Words of levels, by which edits of prompts are made from templates.

A template has a slot for each attribute: "a portrait of a {gender} nurse". Without its slots it is
the prompt itself; with them filled it is the edit that asks for a cell. Several wordings of a level
take turns over the contexts, so that a mix does not hang on one of them.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.files import read_toml
from equipoise.core.tables import shown
from equipoise.core.toml_tables import Table

_GUIDE = "docs/generators/text-to-image.md"

_MOST = 64
"""Attributes, levels of each, and wordings of each level at most; chosen by hand."""

_CELLS = 1000
"""Combinations of levels at most; chosen by hand."""

LONGEST = 2000
"""Characters of a prompt at most; chosen by hand."""

_SLOT = re.compile(r"\{([^{}]*)\}")
_ARTICLE = re.compile(r"\b([Aa])n?((?:\s*\{[^{}]*\})+)\s*(\w*)")
"""An article before slots, the slots, and the word after them."""


@dataclass(frozen=True)
class EditWords:
    """Words of the levels of attributes.

    Attributes
    ----------
    words : dict of str to dict of str to tuple of str
        By attribute and level, the wordings.
    """

    words: dict[str, dict[str, tuple[str, ...]]]

    @property
    def cells(self) -> tuple[str, ...]:
        """Cells that edits ask for: every combination of levels."""
        return tuple(
            ", ".join(f"{name}={level}" for name, level in zip(self.words, levels, strict=True))
            for levels in product(*self.words.values())
        )

    def texts(self, template: str, number: int, what: str = "text") -> tuple[str, ...]:
        """Return a context's prompt, and its edits in the order of `cells`.

        Parameters
        ----------
        template : str
            With a slot {attribute} for each attribute.
        number : int
            Of the context, which decides the wordings.
        what : str
            What errors call the template.

        Raises
        ------
        FileFormatError
            When a slot is missing or stands for no attribute, or a text is empty or too long.
        """
        slots = _SLOT.findall(template)
        if sorted(slots) != sorted(self.words):
            rule = (
                f"must have the slots {', '.join(f'{{{name}}}' for name in self.words)} once each"
            )
            raise FileFormatError(what, rule, shown(template), "Write them where words go.")
        found = [_filled(template, dict.fromkeys(self.words, ""))]
        for levels in product(*self.words.values()):
            chosen = {}
            for k, (name, level) in enumerate(zip(self.words, levels, strict=True)):
                wordings = self.words[name][level]
                chosen[name] = wordings[(number + k) % len(wordings)]
            found.append(_filled(template, chosen))
        for text in found:
            if not 0 < len(text) <= LONGEST:
                rule = f"must have 1 to {LONGEST} characters, with its slots empty and filled"
                raise FileFormatError(what, rule, shown(text) or "none", "Word it otherwise.")
        return tuple(found)


def _filled(template: str, words: dict[str, str]) -> str:
    """Return a template with its slots filled; "a" and "an" before a slot follow the next word."""

    def with_article(found: re.Match[str]) -> str:
        inside = _SLOT.sub(lambda slot: words[slot[1]], found[2])
        following = (inside.split() or [found[3]])[0]
        letter = "n" if following[:1].lower() in tuple("aeiou") else ""
        return f"{found[1]}{letter} {inside} {found[3]}"

    text = _ARTICLE.sub(with_article, template)
    text = " ".join(_SLOT.sub(lambda slot: words[slot[1]], text).split())
    return re.sub(r" ?,(?: ?,)+", ",", text).replace(" ,", ",").strip(" ,")


def read_edit_words(path: Path) -> EditWords:
    """Read words of levels.

    Parameters
    ----------
    path : Path
        TOML with a table for each attribute, and in it a list of wordings for each level:
        female = ["female", "woman"].

    Raises
    ------
    InputError
        When there is no such file, or a table breaks a rule.
    FileFormatError
        When it is no TOML.
    """
    if not path.is_file():
        raise InputError("words", "must be a file", path, "Correct the path.")
    file = Table(read_toml(path, f"{_GUIDE} shows one."), guide=_GUIDE)
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for name in file.fields():
        table = file.table(name)
        found[name] = {level: table.texts(level) for level in table.fields()}
        sizes = [len(found[name]), *map(len, found[name].values())]
        if not all(0 < size <= _MOST for size in sizes) or sizes[0] < 2:
            rule = f"must have two levels or more, each with 1 to {_MOST} wordings"
            raise file.error(name, rule, str(found[name])[:60])
    if not 0 < len(found) <= _MOST:
        raise InputError("words", "must have a table for each attribute", len(found), "Add one.")
    if (cells := math.prod(map(len, found.values()))) > _CELLS:
        rule = f"must have at most {_CELLS:,} combinations of levels"
        raise InputError("words", rule, f"{cells:,}", "Leave attributes or levels out.")
    return EditWords(found)
