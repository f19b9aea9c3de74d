"""Places in a JSON answer: `faces[0].gender`, `faces[0].expressions.*`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_STEP = re.compile(r"\[(\d{1,4})\]|(?:^|\.)([A-Za-z0-9_$@-]+)")

MISSING = object()
"""What `AnswerPath.find` gives where the answer has no such place, or null there."""


@dataclass(frozen=True)
class AnswerPath:
    """A place in a JSON document.

    Attributes
    ----------
    text : str
        As written.
    steps : tuple of str or int
        Keys of objects and positions in lists.
    """

    text: str
    steps: tuple[str | int, ...]

    def find(self, document: Any) -> Any:
        """Return the value at this place, or `MISSING`.

        Examples
        --------
        >>> parse_path("faces[0].gender").find({"faces": [{"gender": "male"}]})
        'male'
        """
        here = document
        for step in self.steps:
            if isinstance(step, int):
                found = isinstance(here, list) and step < len(here)
            else:
                found = isinstance(here, dict) and step in here
            if not found:
                return MISSING
            here = here[step]
        return MISSING if here is None else here


def parse_path(text: str) -> AnswerPath:
    """Return a place from its text.

    Raises
    ------
    ValueError
        When the text is not keys joined by dots, with positions in brackets.
    """
    steps: list[str | int] = []
    end = 0
    for match in _STEP.finditer(text):
        if match.start() != end:
            break
        steps.append(int(match[1]) if match[1] else match[2])
        end = match.end()
    if end != len(text) or not steps or text.startswith("."):
        raise ValueError("must be keys and positions, as in faces[0].gender")
    return AnswerPath(text, tuple(steps))
