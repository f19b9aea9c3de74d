"""NumPy arrays of a pickle, read as data."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.runtimes.pickles.reader import Call, Name, bad_checkpoint

_CORES = ("numpy.core.multiarray", "numpy._core.multiarray")
_KINDS = ("f8", "f4", "i8", "i4", "b1")
_MOST_DIMENSIONS = 8

_ENCODE = Name("_codecs", "encode")
_DTYPE = Name("numpy", "dtype")
_RECONSTRUCT = frozenset(Name(core, "_reconstruct") for core in _CORES)
_BUFFER = frozenset(
    Name(core, "_frombuffer") for core in ("numpy.core.numeric", "numpy._core.numeric")
)

ARRAY_NAMES = frozenset(
    {
        *_RECONSTRUCT,
        *_BUFFER,
        *(Name(core, "scalar") for core in _CORES),
        Name("numpy", "ndarray"),
        _DTYPE,
        _ENCODE,
    }
)
"""Globals that arrays and NumPy's scalars are made of."""


def array_of(value: Any, where: str) -> NDArray[np.float64]:
    """Return the array that a pickle's calls would make, as float64.

    Raises
    ------
    FileFormatError
        When they make something else, or an array that its bytes do not fill.
    """
    if not isinstance(value, Call) or value.name not in _RECONSTRUCT | _BUFFER:
        raise bad_checkpoint(where, "must hold arrays of numbers", type(value).__name__)
    shape, kind, columns_first, content = _parts(value, where)
    dtype = _dtype(kind, where)
    content = _content(content, where)
    good = isinstance(shape, tuple) and len(shape) <= _MOST_DIMENSIONS
    if not good or not all(type(n) is int and n >= 0 for n in shape):
        raise bad_checkpoint(where, "must hold arrays with shapes", "something else")
    if math.prod(shape) * dtype.itemsize != len(content):
        raise bad_checkpoint(where, f"must hold the numbers of {shape}", f"{len(content)} bytes")
    numbers = np.frombuffer(content, dtype).astype(np.float64)
    return numbers.reshape(shape[::-1]).T if columns_first else numbers.reshape(shape)


def _parts(call: Call, where: str) -> tuple[Any, Any, bool, Any]:
    """Return shape, kind of number, whether columns come first, and content."""
    if call.name in _BUFFER and len(call.arguments) == 4:
        content, kind, shape, order = call.arguments
        return shape, kind, order == "F", content
    if not isinstance(call.state, tuple) or len(call.state) != 5:
        raise bad_checkpoint(where, "must hold whole arrays", "one without shape and numbers")
    _, shape, kind, columns_first, content = call.state
    return shape, kind, columns_first is True, content


def _dtype(kind: Any, where: str) -> np.dtype[Any]:
    name = kind.arguments[0] if isinstance(kind, Call) and kind.arguments else None
    if not isinstance(kind, Call) or kind.name != _DTYPE or name not in _KINDS:
        raise bad_checkpoint(where, f"must hold numbers of {', '.join(_KINDS)}", str(name)[:80])
    order = kind.state[1] if isinstance(kind.state, tuple) and len(kind.state) > 1 else "|"
    if order not in ("<", "|"):
        raise bad_checkpoint(
            where, "must have its least significant bytes first", "the other order"
        )
    return np.dtype(f"<{name}")


def _content(content: Any, where: str) -> bytes:
    # Protocols before 3 have no bytes: they write text that is to be encoded.
    if isinstance(content, Call) and content.name == _ENCODE and len(content.arguments) == 2:
        text, encoding = content.arguments
        if isinstance(text, str) and encoding == "latin1":
            try:
                return text.encode("latin1")
            except UnicodeEncodeError as error:
                raise bad_checkpoint(where, "must hold bytes as latin1", str(error)[:80]) from error
    if not isinstance(content, bytes | bytearray):
        raise bad_checkpoint(where, "must hold the bytes of arrays", type(content).__name__)
    return bytes(content)
