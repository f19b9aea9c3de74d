"""A reader of pickles that executes nothing.

A pickle is a program that may call anything. This reader interprets its instructions but builds
plain values only. A global becomes a `Name`, and a call becomes a `Call`; neither is looked up,
imported or called, whatever its name. Who uses a value checks the names that it is made of.
"""

from __future__ import annotations

import io
import pickletools
import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from equipoise.core.errors import FileFormatError
from equipoise.core.reasons import reason_of

MOST_INSTRUCTIONS = 2_000_000
"""Limit on a pickle's instructions, chosen by hand: a file may repeat some without end."""

MOST_MEMOS = 1_000_000
"""Limit on a pickle's memoised values, chosen by hand."""

REMEDY = "Give a file that docs/generators lists, or download it again."
"""Last sentence of the error of a checkpoint, where no better one is known."""

_KEYS = (str, int, float, bool, bytes, type(None))
_PLAIN = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
    "BYTEARRAY8",
    *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
}
_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: dict[str, type] = {
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": list,  # A list, because its members may not be hashable.
}
_CALLS = ("REDUCE", "NEWOBJ", "NEWOBJ_EX", "INST", "OBJ")
_MARK = object()


@dataclass(frozen=True)
class Name:
    """A global that a pickle refers to; it is never looked up."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}".lstrip(".")


@dataclass(eq=False, repr=False)
class Call:
    """A call that a pickle contains; it is never made.

    Attributes
    ----------
    name : Name
        The function or class.
    arguments : tuple
    state : object
        State that would be set on the result; None where there is none.
    items : dict
        Items that would be set on the result.
    """

    name: Name
    arguments: tuple[Any, ...]
    state: Any
    items: dict[Any, Any]


@dataclass(eq=False, repr=False)
class OddKey:
    """A key of a mapping that is no plain value; two are never equal."""

    value: Any


def read_pickle(
    stream: io.BytesIO,
    where: str,
    resolve: Callable[[Any], Any] | None = None,
) -> Any:
    """Read one pickle from a stream, up to its STOP instruction.

    Parameters
    ----------
    stream : io.BytesIO
    where : str
        Name of the file in errors.
    resolve : callable, optional
        Returns the value of a persistent identity; without it there must be none.

    Returns
    -------
    object
        Plain values, `Name` and `Call`.

    Raises
    ------
    FileFormatError
        When the pickle is truncated or damaged, has an instruction that cannot be read as data, or
        is too long.
    """
    reader = _Reader(where, resolve)
    try:
        with warnings.catch_warnings():
            # A damaged text may hold escapes that Python advises against.
            warnings.simplefilter("ignore", DeprecationWarning)
            for number, (instruction, argument, _) in enumerate(pickletools.genops(stream)):
                if number >= MOST_INSTRUCTIONS:
                    raise bad_checkpoint(
                        where, f"must have at most {MOST_INSTRUCTIONS:,} instructions", "more"
                    )
                reader.step(instruction.name, argument)
        return reader.value()
    except (
        *(ValueError, LookupError, TypeError, AttributeError, OverflowError),
        *(MemoryError, EOFError, struct.error),
    ) as error:
        reason = f"one that breaks off or is damaged ({reason_of(error)})"
        raise bad_checkpoint(where, "must be a whole pickle", reason) from error


class _Reader:
    """The stack and the memo of one pickle."""

    def __init__(self, where: str, resolve: Callable[[Any], Any] | None) -> None:
        self._where, self._resolve = where, resolve
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def value(self) -> Any:
        """Return the one value on the stack at the end."""
        (value,) = self._stack
        return value

    def step(self, name: str, argument: Any) -> None:
        """Interpret one instruction."""
        stack = self._stack
        if name in _PLAIN:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name == "MARK":
            stack.append(_MARK)
        elif name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            if len(self._memo) >= MOST_MEMOS:
                raise bad_checkpoint(
                    self._where, f"must memoise at most {MOST_MEMOS:,} values", "more"
                )
            self._memo[len(self._memo) if name == "MEMOIZE" else argument] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(self._memo[argument])
        elif name in ("PROTO", "FRAME", "STOP"):
            pass
        elif name == "POP":
            stack.pop()
        elif name == "POP_MARK":
            self._to_mark()
        elif name == "DUP":
            stack.append(stack[-1])
        else:
            self._build(name, argument)

    def _build(self, name: str, argument: Any) -> None:
        stack = self._stack
        if name in _EMPTY:
            stack.append(_EMPTY[name]())
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            count = int(name[-1])
            stack[-count:] = [self._values(stack[-count:], count)]
        elif name in ("TUPLE", "LIST", "FROZENSET"):
            found = self._to_mark()
            stack.append(tuple(found) if name == "TUPLE" else found)
        elif name == "DICT":
            items: dict[Any, Any] = {}
            self._set_items(items, self._to_mark())
            stack.append(items)
        elif name in ("APPEND", "APPENDS", "ADDITEMS"):
            found = [stack.pop()] if name == "APPEND" else self._to_mark()
            if isinstance(stack[-1], list):
                stack[-1].extend(found)
            elif not isinstance(stack[-1], Call):  # What a foreign list holds is of no use.
                raise ValueError("items appended to something that is not a list")
        elif name in ("SETITEM", "SETITEMS"):
            found = [stack.pop(-2), stack.pop()] if name == "SETITEM" else self._to_mark()
            self._set_items(stack[-1], found)
        elif name in ("GLOBAL", "STACK_GLOBAL", "BUILD", *_CALLS):
            self._name_or_call(name, argument)
        elif name in ("BINPERSID", "PERSID") and self._resolve is not None:
            stack.append(self._resolve(stack.pop() if name == "BINPERSID" else argument))
        else:
            raise bad_checkpoint(
                self._where, "must hold plain values and tensors", f"instruction {name}"
            )

    def _name_or_call(self, instruction: str, argument: Any) -> None:
        stack = self._stack
        if instruction == "GLOBAL":
            module, _, name = argument.partition(" ")
            stack.append(Name(module, name))
        elif instruction == "STACK_GLOBAL":
            name, module = stack.pop(), stack.pop()
            if type(module) is not str or type(name) is not str:
                raise ValueError("a global whose name is not a text")
            stack.append(Name(module, name))
        elif instruction == "BUILD":
            state = stack.pop()
            if not isinstance(stack[-1], Call) or stack[-1].state is not None:
                raise bad_checkpoint(
                    self._where, "must set one state per object", "a state of something else"
                )
            stack[-1].state = state
        else:
            self._call(instruction, argument)

    def _call(self, instruction: str, argument: Any) -> None:
        stack = self._stack
        if instruction in ("INST", "OBJ"):
            found = self._to_mark()
            module, _, name = (argument or "").partition(" ")
            called = Name(module, name) if instruction == "INST" else found.pop(0)
            arguments = tuple(found)
        else:
            named = stack.pop() if instruction == "NEWOBJ_EX" else {}
            arguments, called = stack.pop(), stack.pop()
            if not isinstance(arguments, tuple) or not isinstance(named, dict):
                raise ValueError("a call without arguments")
            arguments = (*arguments, named) if named else arguments
        if not isinstance(called, Name):
            # As an attribute of a class, which old protocols look up by getattr.
            called = Name("", f"a call of a {type(called).__name__}")
        stack.append(Call(called, arguments, None, {}))

    def _set_items(self, target: Any, flat: list[Any]) -> None:
        items = target.items if isinstance(target, Call) else target
        if not isinstance(items, dict) or len(flat) % 2:
            raise ValueError("items set on something that is not a mapping")
        for key, value in zip(flat[::2], flat[1::2], strict=True):
            # Hashing a key of deeply nested tuples would exhaust the stack.
            items[key if isinstance(key, _KEYS) else OddKey(key)] = value

    def _to_mark(self) -> list[Any]:
        found: list[Any] = []
        while (value := self._stack.pop()) is not _MARK:
            found.append(value)
        return found[::-1]

    @staticmethod
    def _values(values: list[Any], count: int) -> tuple[Any, ...]:
        if len(values) != count or any(value is _MARK for value in values):
            raise ValueError("an empty stack")
        return tuple(values)


def bad_checkpoint(where: str, rule: str, got: object) -> FileFormatError:
    """Return the error of a checkpoint that breaks a rule.

    Parameters
    ----------
    where : str
        Name of the file in the error.
    rule : str
        Worded to follow `where`: "must be ...".
    got : object
        The value that breaks the rule.
    """
    return FileFormatError(where, rule, got, REMEDY)


_ENCODE = Name("_codecs", "encode")


def bytes_of(value: Any, where: str) -> bytes:
    """Return the bytes that a pickle holds; protocols before 3 store a text and its encoding.

    Raises
    ------
    FileFormatError
        When the value is none.
    """
    if isinstance(value, Call) and value.name == _ENCODE and len(value.arguments) == 2:
        text, encoding = value.arguments
        if isinstance(text, str) and encoding == "latin1":
            try:
                return text.encode("latin1")
            except UnicodeEncodeError as error:
                raise bad_checkpoint(where, "must hold bytes as latin1", str(error)[:80]) from error
    if not isinstance(value, bytes | bytearray):
        raise bad_checkpoint(where, "must hold numbers as bytes", shown(value))
    return bytes(value)


def shown(value: Any) -> str:
    """Return what a value of a pickle is, as errors name it, at most about 200 characters.

    Lists and mappings are named by their type alone, because they may hold themselves.
    """
    if isinstance(value, Call | Name):
        return repr(str(value.name if isinstance(value, Call) else value)[:200])
    if isinstance(value, str | int | float | None):
        return repr(value if not isinstance(value, str) else value[:200])[:202]
    return type(value).__name__
