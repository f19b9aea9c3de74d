"""NumPy arrays in a pickle, read as data."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.runtimes.pickles.reader import Call, Name, bad_checkpoint, bytes_of, shown

_CORES = ("numpy.core.multiarray", "numpy._core.multiarray")
_KINDS = ("f8", "f4", "i8", "i4", "b1")
"""Types of numbers that are read, as NumPy abbreviates them."""

_MOST_DIMENSIONS = 8
"""Limit on the dimensions of an array, chosen by hand."""

_DTYPE = Name("numpy", "dtype")
_RECONSTRUCT = frozenset(Name(core, "_reconstruct") for core in _CORES)
_BUFFER = frozenset(
    Name(core, "_frombuffer") for core in ("numpy.core.numeric", "numpy._core.numeric")
)


def array_of(value: Any, where: str) -> NDArray[np.float64]:
    """Return the array that a pickle describes, as float64.

    Parameters
    ----------
    value : object
        As `read_pickle` returns it.
    where : str
        Name of the file in errors.

    Raises
    ------
    FileFormatError
        When it is not an array, or its shape does not match its bytes.
    """
    if not isinstance(value, Call) or value.name not in _RECONSTRUCT | _BUFFER:
        raise bad_checkpoint(where, "must hold arrays of numbers", type(value).__name__)
    shape, kind, columns_first, content = _parts(value, where)
    dtype = _dtype(kind, where)
    content = bytes_of(content, where)
    valid = isinstance(shape, tuple) and len(shape) <= _MOST_DIMENSIONS
    if not valid or not all(type(n) is int and n >= 0 for n in shape):
        raise bad_checkpoint(where, "must hold arrays with valid shapes", "another shape")
    if math.prod(shape) * dtype.itemsize != len(content):
        raise bad_checkpoint(where, f"must hold arrays of shape {shape}", f"{len(content)} bytes")
    numbers = np.frombuffer(content, dtype).astype(np.float64)
    return numbers.reshape(shape[::-1]).T if columns_first else numbers.reshape(shape)


def _parts(call: Call, where: str) -> tuple[Any, Any, bool, Any]:
    """Return shape, type of number, whether the order is Fortran's, and content."""
    if call.name in _BUFFER and len(call.arguments) == 4:
        content, kind, shape, order = call.arguments
        return shape, kind, order == "F", content
    if not isinstance(call.state, tuple) or len(call.state) != 5:
        raise bad_checkpoint(where, "must hold complete arrays", "one without shape and numbers")
    _, shape, kind, columns_first, content = call.state
    return shape, kind, columns_first is True, content


def _dtype(kind: Any, where: str) -> np.dtype[Any]:
    name = kind.arguments[0] if isinstance(kind, Call) and kind.arguments else None
    if not isinstance(kind, Call) or kind.name != _DTYPE or name not in _KINDS:
        raise bad_checkpoint(where, f"must hold numbers of {', '.join(_KINDS)}", shown(name))
    order = kind.state[1] if isinstance(kind.state, tuple) and len(kind.state) > 1 else "|"
    if order not in ("<", "|"):
        raise bad_checkpoint(where, "must be little-endian", "big-endian numbers")
    return np.dtype(f"<{name}")
