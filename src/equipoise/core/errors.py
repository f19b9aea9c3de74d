"""The exceptions of Equipoise. Each names the argument, the rule, the value got and a remedy."""

from __future__ import annotations

from numbers import Integral
from os import PathLike

LONGEST_VALUE, LONGEST_TEXT = 200, 1000
"""Characters of a value, and of each other part, that an error shows; chosen by hand. Names and
values of foreign files are without bound."""


def shortened(text: str, longest: int = LONGEST_VALUE) -> str:
    r"""Return a text of at most `longest` characters, with "?" for those that a terminal may obey.

    Examples
    --------
    >>> shortened("abcdef", 4), shortened("a\x1b[2J")
    ('ab..', 'a?[2J')
    """
    short = text if len(text) <= longest else text[: longest - 2] + ".."
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in short)


MOST_LISTED = 100
"""Values of a `Listed` that an error shows; chosen by hand."""


class Listed(tuple[str, ...]):
    """Values of which an error shows each on a line, the first hundred; one alone, beside it."""

    def __str__(self) -> str:
        if len(self) == 1:
            return shortened(self[0], LONGEST_TEXT)
        lines = [f"\n  {shortened(value, LONGEST_TEXT)}" for value in self[:MOST_LISTED]]
        more = len(self) - len(lines)
        return "".join(lines) + (f"\n  and {more:,} more" if more else "")


class EquipoiseError(Exception):
    """Base of every error that Equipoise raises on purpose.

    Parameters
    ----------
    argument : str
        What is wrong: an argument, a file, or the output of a model.
    rule : str
        The rule that it breaks, worded to follow `argument`: "must be at least 1".
    got : object
        The value that breaks the rule. The message shows its first 200 characters, or the values
        of a `Listed`.
    remedy : str
        What the reader can do about it, as a full sentence.

    Examples
    --------
    >>> print(InputError("n", "must be at least 1", -3, "Pass --n 10000."))
    n must be at least 1, got -3. Pass --n 10000.
    """

    def __init__(self, argument: str, rule: str, got: object, remedy: str) -> None:
        self.argument = argument
        self.rule = rule
        self.got = got
        self.remedy = remedy
        super().__init__(argument, rule, got, remedy)

    def __str__(self) -> str:
        shown = str(self.got)
        if not isinstance(self.got, Listed):
            shown = shortened(shown if isinstance(self.got, str | PathLike) else repr(self.got))
        if not shown.endswith(".."):
            shown = shown.removesuffix(".") or shown  # The sentence has its own full stop.
        argument, rule, remedy = (
            shortened(part, LONGEST_TEXT) for part in (self.argument, self.rule, self.remedy)
        )
        return f"{argument} {rule}, got {shown}. {remedy}"


class InputError(EquipoiseError, ValueError):
    """An argument or a setting breaks its rule."""


class InsufficientLabelsError(InputError):
    """A level or a cell has too few labelled codes for the computation."""


class ModelOutputError(EquipoiseError):
    """A generator or a classifier returned a wrong shape, type or range, or NaN."""


class FileFormatError(EquipoiseError):
    """A file is damaged, truncated, of another format, or belongs to another generator."""


class FetchError(EquipoiseError):
    """A pinned model, or the weights of a library, could not be downloaded."""


class RemoteError(EquipoiseError):
    """A service does not answer. The answers received so far are in the cache."""


class MissingProgramError(EquipoiseError):
    """A program that is needed is not installed on this machine."""


class WorkerError(EquipoiseError):
    """Workers could not start, or were lost. The shards that are done are kept."""


class DeviceMemoryError(EquipoiseError):
    """The memory of a device is too small for a batch of one image."""


class StorageError(EquipoiseError):
    """A file or a folder could not be written."""


def check_count(argument: str, value: int, remedy: str, *, least: int = 1) -> int:
    """Return `value` as an int after checking that it is a whole number of at least `least`.

    Parameters
    ----------
    argument : str
        Name of the value in errors.
    value : int
        The value. A truth value is refused.
    remedy : str
        Last sentence of the error.
    least : int

    Raises
    ------
    InputError
        When it is not; the error names `argument`.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise InputError(argument, f"must be a whole number of at least {least}", value, remedy)
    return int(value)
