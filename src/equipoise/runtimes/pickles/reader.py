"""The pickle language read as data.

A pickle is a program that may call anything. This reader knows its instructions, and builds plain
values only; a global becomes a `Name`, a call of one a `Call`, and neither is ever looked up,
imported or called. Names must be on a list that the caller gives; all others are refused.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from equipoise.core.errors import FileFormatError

MOST_INSTRUCTIONS = 2_000_000
MOST_MEMOS = 1_000_000

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
    "EMPTY_SET": list,  # Members need not be hashed.
}
_MARK = object()


@dataclass(frozen=True)
class Name:
    """A global that a pickle names; never looked up."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False)
class Call:
    """A call that a pickle asks for; never made.

    Attributes
    ----------
    name : Name
        What would be called.
    arguments : tuple
        With what.
    state : object
        The state that the result would be given.
    items : dict
        The items that the result would be given.
    """

    name: Name
    arguments: tuple[Any, ...]
    state: Any
    items: dict[Any, Any]


def read_pickle(
    stream: io.BytesIO,
    allowed: Collection[Name],
    where: str,
    resolve: Callable[[Any], Any] | None = None,
) -> Any:
    """Read one pickle from the stream, to its STOP.

    Parameters
    ----------
    stream : io.BytesIO
    allowed : collection of Name
        The globals that may be named.
    where : str
        What errors call the file.
    resolve : callable, optional
        Gives the value of a persistent identity; without it there must be none.

    Returns
    -------
    object
        Plain values, `Name` and `Call`.

    Raises
    ------
    FileFormatError
        When the pickle is cut or damaged, names another global, has an instruction that plain
        values do not need, or is too long.
    """
    reader = _Reader(frozenset(allowed), where, resolve)
    try:
        for number, (instruction, argument, _) in enumerate(pickletools.genops(stream)):
            if number >= MOST_INSTRUCTIONS:
                raise bad_checkpoint(
                    where, f"must have at most {MOST_INSTRUCTIONS:,} instructions", "more"
                )
            reader.step(instruction.name, argument)
        return reader.value()
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
        reason = f"{type(error).__name__}: {str(error)[:200]}"
        raise bad_checkpoint(where, "must be a whole pickle", reason) from error


class _Reader:
    """The stack and the memo of one pickle."""

    def __init__(
        self, allowed: frozenset[Name], where: str, resolve: Callable[[Any], Any] | None
    ) -> None:
        self._allowed, self._where, self._resolve = allowed, where, resolve
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def value(self) -> Any:
        """Return what is left when the pickle ends."""
        (value,) = self._stack
        return value

    def step(self, name: str, argument: Any) -> None:
        """Follow one instruction."""
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
                    self._where, f"must remember at most {MOST_MEMOS:,} values", "more"
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
        elif name in ("TUPLE", "LIST"):
            found = self._to_mark()
            stack.append(tuple(found) if name == "TUPLE" else found)
        elif name == "DICT":
            items: dict[Any, Any] = {}
            self._set_items(items, self._to_mark())
            stack.append(items)
        elif name in ("APPEND", "APPENDS", "ADDITEMS"):
            found = [stack.pop()] if name == "APPEND" else self._to_mark()
            if not isinstance(stack[-1], list):
                raise ValueError("items appended to what is no list")
            stack[-1].extend(found)
        elif name in ("SETITEM", "SETITEMS"):
            found = [stack.pop(-2), stack.pop()] if name == "SETITEM" else self._to_mark()
            self._set_items(stack[-1], found)
        elif name in ("GLOBAL", "STACK_GLOBAL", "REDUCE", "NEWOBJ", "BUILD"):
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
            stack.append(self._name(module, name))
        elif instruction == "STACK_GLOBAL":
            name, module = stack.pop(), stack.pop()
            stack.append(self._name(module, name))
        elif instruction == "BUILD":
            state = stack.pop()
            if not isinstance(stack[-1], Call) or stack[-1].state is not None:
                raise bad_checkpoint(
                    self._where, "must give each object one state", "a state for something else"
                )
            stack[-1].state = state
        else:
            arguments, called = stack.pop(), stack.pop()
            if not isinstance(called, Name) or not isinstance(arguments, tuple):
                raise bad_checkpoint(
                    self._where,
                    "must call globals by name",
                    f"a call of a {type(called).__name__}",
                )
            stack.append(Call(called, arguments, None, {}))

    def _name(self, module: Any, name: Any) -> Name:
        if type(module) is not str or type(name) is not str:
            raise ValueError("a global whose name is no text")
        found = Name(module, name)
        if found not in self._allowed:
            rule = "must name no global but those of tensors"
            raise bad_checkpoint(self._where, rule, f"{str(found)[:200]!r}")
        return found

    def _set_items(self, target: Any, flat: list[Any]) -> None:
        items = target.items if isinstance(target, Call) else target
        if not isinstance(items, dict) or len(flat) % 2:
            raise ValueError("items set on what is no mapping")
        for key, value in zip(flat[::2], flat[1::2], strict=True):
            # A key made of nested tuples would be hashed without end to its depth.
            if not isinstance(key, _KEYS):
                raise ValueError(f"a key of type {type(key).__name__}")
            items[key] = value

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
    """Return the error of a foreign file that breaks a rule."""
    return FileFormatError(
        where,
        rule,
        got,
        "Give a StyleGAN2 or 3 of NVIDIA, rosinality or genforce, or fetch it anew.",
    )
