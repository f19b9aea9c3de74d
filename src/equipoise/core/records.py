"""Records as JSON: written, and read back as the class that was written.

A record is a frozen dataclass of numbers, texts, tuples, mappings, arrays, and other records. JSON
has no NaN and no infinity: NaN is null, and infinity the text "infinite". A field of the type
`float | None` reads null as None. Reading follows the annotations of the fields, and refuses what
they do not allow: a key that no field has, a missing one without a default, a number for a text.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import numpy as np

from equipoise.core.errors import EquipoiseError, FileFormatError
from equipoise.core.files import LARGEST_RECORD, read_json, write_text

INFINITE = "infinite"
"""How positive infinity is written; negative infinity is "-infinite"."""

Record = TypeVar("Record")


class _MismatchError(Exception):
    """A value that its field does not allow: place, rule, value got."""


def to_json(value: Any) -> Any:
    """Return a record, an array or a plain value as JSON values.

    Examples
    --------
    >>> to_json((1.5, float("nan"), np.array([np.inf, 2.0])))
    [1.5, None, ['infinite', 2.0]]
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return to_json(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else INFINITE if value > 0 else f"-{INFINITE}"
    return value


def write_record(path: Path, record: Any) -> None:
    """Write a record, or plain values that hold some, as JSON, whole or not at all.

    Raises
    ------
    StorageError
        When the file cannot be written.
    """
    write_text(path, json.dumps(to_json(record), indent=1, allow_nan=False) + "\n")


def read_record(
    path: Path,
    kind: type[Record],
    remedy: str,
    *,
    what: str = "record",
    limit: int = LARGEST_RECORD,
) -> Record:
    """Read a record back as the class that `write_record` wrote.

    Parameters
    ----------
    path : Path
    kind : type
        A dataclass.
    remedy : str
        What to do where it cannot be read, as a sentence.
    what : str
        What errors call the file.
    limit : int
        Bytes at most.

    Raises
    ------
    FileFormatError
        When the file is missing, too large, no JSON, or a field has a value that it does not
        allow; the message names the field.
    """
    found = read_json(path, remedy, what=what, limit=limit, strict=True)
    return from_json(found, kind, f"{what} {path}", remedy)


def from_json(value: Any, kind: type[Record], where: str, remedy: str) -> Record:
    """Return JSON values as the record that `to_json` made them of.

    Parameters
    ----------
    value : object
        As `json.loads` gives it.
    kind : type
        A dataclass.
    where : str
        What holds the values, for the error.
    remedy : str

    Raises
    ------
    FileFormatError
        When a field has a value that it does not allow.
    """
    try:
        return cast(Record, _read(value, kind, ""))
    except _MismatchError as error:
        place, rule, got = error.args
        named = f"field {place} of {where}" if place else where
        raise FileFormatError(named, rule, got, remedy) from None


@cache
def field_types(kind: type) -> dict[str, Any]:
    """Return the resolved types of a dataclass's fields, by name."""
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _read(value: Any, kind: Any, place: str) -> Any:
    """Return a JSON value in the type of its field."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if dataclasses.is_dataclass(kind):
        return _read_record(value, cast(type, kind), place)
    if origin in (Union, types.UnionType):
        return _read_any(value, arguments, place)
    if origin is Literal:
        if not any(value == allowed and type(value) is type(allowed) for allowed in arguments):
            raise _MismatchError(place, f"must be {_words(kind)}", value)
        return value
    if origin is np.ndarray:
        return _read_array(value, get_args(arguments[1])[0], place)
    if origin is tuple:
        return _read_tuple(value, arguments, place)
    if origin is dict:
        if not isinstance(value, dict):
            raise _MismatchError(place, "must be an object", value)
        return {k: _read(item, arguments[1], f"{place}[{k!r}]") for k, item in value.items()}
    if kind is float:
        return _read_float(value, place)
    if kind in (int, str, bool, types.NoneType):
        if type(value) is not kind:
            raise _MismatchError(place, f"must be {_words(kind)}", value)
        if kind is int and not -(2**63) <= value < 2**63:
            raise _MismatchError(place, "must be a whole number of 64 bits", "a larger one")
        return value
    raise TypeError(f"a field of type {kind} in a record")


def _read_record(value: Any, kind: type, place: str) -> Any:
    if not isinstance(value, dict):
        raise _MismatchError(place, f"must be an object with the fields of {kind.__name__}", value)
    hints, start = field_types(kind), f"{place}." if place else ""
    found: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        if field.name in value:
            found[field.name] = _read(value[field.name], hints[field.name], f"{start}{field.name}")
        elif field.default is field.default_factory is dataclasses.MISSING:
            raise _MismatchError(f"{start}{field.name}", "must be there", "none")
    for key in value:
        if key not in hints:
            raise _MismatchError(f"{start}{key}", "must be a field that is known", value[key])
    try:
        return kind(**found)
    except EquipoiseError as error:
        raise _MismatchError(place, f"must be a valid {kind.__name__}", str(error)) from None


def _read_any(value: Any, kinds: tuple[Any, ...], place: str) -> Any:
    """Read a value of several types: the first that allows it, null being None before NaN."""
    ordered = sorted(kinds, key=lambda kind: kind is not types.NoneType)
    plain = [kind for kind in kinds if kind is not types.NoneType]
    if len(plain) == 1 and value is not None:
        return _read(value, plain[0], place)
    for kind in ordered:
        try:
            return _read(value, kind, place)
        except _MismatchError:
            continue
    raise _MismatchError(place, f"must be {' or '.join(map(_words, kinds))}", value)


def _read_tuple(value: Any, kinds: tuple[Any, ...], place: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise _MismatchError(place, "must be a list", value)
    if kinds[1:] == (...,):
        kinds = (kinds[0],) * len(value)
    if len(value) != len(kinds):
        raise _MismatchError(place, f"must be a list of {len(kinds)} values", value)
    return tuple(
        _read(item, kind, f"{place}[{i}]")
        for i, (item, kind) in enumerate(zip(value, kinds, strict=True))
    )


def _read_float(value: Any, place: str) -> float:
    if value is None:
        return math.nan
    if value in (INFINITE, f"-{INFINITE}"):
        return math.inf if value == INFINITE else -math.inf
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _MismatchError(place, "must be a number", value)
    try:
        return float(value)
    except OverflowError:
        raise _MismatchError(place, "must be a number of 64 bits", "a larger one") from None


def _read_array(value: Any, dtype: type[np.generic], place: str) -> np.ndarray[Any, Any]:
    """Read nested lists of numbers, all of one length at each depth."""
    leaf = int if issubclass(dtype, np.integer) else float

    def plain(item: Any, where: str) -> Any:
        if isinstance(item, list):
            return [plain(part, f"{where}[{i}]") for i, part in enumerate(item)]
        return _read(item, leaf, where)

    if not isinstance(value, list):
        raise _MismatchError(place, "must be a list", value)
    try:
        return np.array(plain(value, place), dtype)
    except (ValueError, OverflowError) as error:
        raise _MismatchError(place, f"must be an array of {dtype.__name__}", str(error)) from None


_WORDS = {int: "a whole number", str: "a text", bool: "true or false", types.NoneType: "null"}


def _words(kind: Any) -> str:
    """Name a type, for an error."""
    if get_origin(kind) is Literal:
        return " or ".join(json.dumps(allowed) for allowed in get_args(kind))
    return _WORDS.get(kind) or str(getattr(kind, "__name__", kind))
