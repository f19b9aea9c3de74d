"""Typed access to the tables of a TOML file: each bad or unknown field is named."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from equipoise.core.errors import InputError


class Table:
    """One table of a file. Fields are taken one by one; `done` checks that none is left.

    Each method that takes a field removes it, and raises `InputError` when the field breaks the
    method's rule, or is missing and has no default.

    Parameters
    ----------
    values : dict
        The fields, as `tomllib` returns them.
    place : str
        Name of the table in errors, such as "request" or "attribute[0]"; empty for the whole file.
    guide : str
        The page that lists the fields; errors name it.
    """

    def __init__(
        self,
        values: dict[str, Any],
        place: str = "",
        guide: str = "docs/remote-classifiers.md",
    ) -> None:
        self._values, self._place, self._guide = dict(values), place, guide

    def name(self, field: str) -> str:
        """Return the full name of a field, as errors give it."""
        return f"field {self._place}.{field}" if self._place else f"field {field}"

    def error(self, field: str, rule: str, got: object) -> InputError:
        """Return the error that a field breaks a rule."""
        return InputError(self.name(field), rule, got, f"{self._guide} names the fields.")

    def __contains__(self, field: str) -> bool:
        return field in self._values

    def value(self, field: str, rule: str, default: Any = None) -> Any:
        """Take a field of any type.

        Raises
        ------
        InputError
            When it is missing and `default` is None; the error states `rule`.
        """
        found = self._values.pop(field, default)
        if found is None:
            raise self.error(field, rule, "none")
        return found

    def text(
        self, field: str, default: str | None = None, choices: Sequence[str] | None = None
    ) -> str:
        """Take a text that is not empty, and one of `choices` if they are given."""
        rule = f"must be one of {', '.join(choices)}" if choices else "must be a text"
        found = self.value(field, rule, default)
        if not isinstance(found, str) or not found or (choices and found not in choices):
            raise self.error(field, rule, found)
        return found

    def sentences(self, field: str) -> tuple[str, ...]:
        """Take a list of full sentences, each with its period; empty by default."""
        found = self.texts(field, ())
        if not all(text.endswith(".") for text in found):
            raise self.error(field, "must be full sentences", found)
        return found

    def texts(self, field: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """Take a list of texts that are not empty."""
        rule = "must be a list of texts"
        found = self.value(field, rule, default)
        if not isinstance(found, list | tuple) or not all(isinstance(t, str) and t for t in found):
            raise self.error(field, rule, found)
        return tuple(found)

    def flag(self, field: str) -> bool:
        """Take a truth value; false by default."""
        found = self.value(field, "must be true or false", False)
        if not isinstance(found, bool):
            raise self.error(field, "must be true or false", found)
        return found

    def number(self, field: str, default: float | None, low: float, high: float) -> float:
        """Take a number in [low, high]."""
        rule = f"must be a number in [{low:g}, {high:g}]"
        found = self.value(field, rule, default)
        if not _is_number(found) or not low <= found <= high:
            raise self.error(field, rule, found)
        return float(found)

    def whole(self, field: str, default: int | None, low: int, high: int) -> int:
        """Take a whole number in [low, high]."""
        found = self.number(field, default, low, high)
        if found != int(found):
            raise self.error(field, "must be a whole number", found)
        return int(found)

    def numbers(self, field: str, default: tuple[float, ...] | None = None) -> tuple[float, ...]:
        """Take a list of finite numbers."""
        rule = "must be a list of numbers"
        found = self.value(field, rule, default)
        if not isinstance(found, list | tuple) or not all(_is_number(n) for n in found):
            raise self.error(field, rule, found)
        return tuple(float(n) for n in found)

    def table(self, field: str) -> Table:
        """Take a table; an empty one by default."""
        found = self.value(field, "must be a table", {})
        if not isinstance(found, dict):
            raise self.error(field, "must be a table", found)
        place = f"{self._place}.{field}" if self._place else field
        return Table(found, place, self._guide)

    def tables(self, field: str) -> list[Table]:
        """Take a list of at least one table."""
        rule = f"must be at least one table [[{field}]]"
        found = self.value(field, rule)
        if not isinstance(found, list) or not found or not all(isinstance(t, dict) for t in found):
            raise self.error(field, rule, found)
        return [Table(values, f"{field}[{i}]", self._guide) for i, values in enumerate(found)]

    def fields(self) -> list[str]:
        """Return the names of the fields that were not taken yet."""
        return list(self._values)

    def done(self) -> None:
        """Check that all fields were taken.

        Raises
        ------
        InputError
            When one was not; the error names it.
        """
        for field in self._values:
            raise self.error(field, "must be a field that is known", self._values[field])


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
