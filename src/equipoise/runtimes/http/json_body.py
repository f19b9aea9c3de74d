"""JSON bodies from places and values: {"requests[0].image.content": "..."}."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_STEP = re.compile(r'\[(\d{1,2})\]|(?:^|\.)([^.\[\]"]+)|\["([^"]+)"\]')


def json_body(values: Mapping[str, Any]) -> Any:
    """Return the document that has each value at its place.

    Parameters
    ----------
    values : mapping
        From places to values. A place is keys joined by dots, or in brackets and quotes, with
        positions in lists in brackets.

    Raises
    ------
    ValueError
        When a place cannot be read, two contradict each other, or a list has a gap.

    Examples
    --------
    >>> json_body({"images[0].data": "..", "images[0].kind": "face", "options.max faces": 1})
    {'images': [{'data': '..', 'kind': 'face'}], 'options': {'max faces': 1}}
    """
    root: dict[str | int, Any] = {}
    for place, value in values.items():
        steps = _steps(place)
        here = root
        for step in steps[:-1]:
            here = here.setdefault(step, {})
            if not isinstance(here, dict):
                raise ValueError(f"{place} lies within a value")
        if steps[-1] in here:
            raise ValueError(f"{place} is given twice")
        here[steps[-1]] = value
    return _document(root)


def _steps(place: str) -> list[str | int]:
    steps: list[str | int] = []
    end = 0
    for match in _STEP.finditer(place):
        if match.start() != end:
            break
        steps.append(int(match[1]) if match[1] else match[2] or match[3])
        end = match.end()
    if end != len(place) or not steps:
        raise ValueError(f"{place} must be keys and positions, as in images[0].data")
    return steps


def _document(here: Any) -> Any:
    """Return objects for steps by key, and lists for steps by position."""
    if not isinstance(here, dict):
        return here
    if all(isinstance(key, str) for key in here):
        return {key: _document(value) for key, value in here.items()}
    if sorted(here, key=str) != sorted(range(len(here)), key=str):
        raise ValueError(f"positions of a list must be 0 to {len(here) - 1}, got {list(here)}")
    return [_document(here[i]) for i in range(len(here))]
