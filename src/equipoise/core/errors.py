"""The exceptions that a caller can act on: argument, rule, value got, remedy."""

from __future__ import annotations

from numbers import Integral


class EquipoiseError(Exception):
    """Base of every error that Equipoise raises on purpose.

    Parameters
    ----------
    argument : str
        What is wrong: an argument, a file, a model's answer.
    rule : str
        The rule that it breaks, worded to follow `argument`: "must be at least 1".
    got : object
        The value that broke the rule.
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
        shown = self.got if isinstance(self.got, str) else repr(self.got)
        return f"{self.argument} {self.rule}, got {shown}. {self.remedy}"


class InputError(EquipoiseError, ValueError):
    """An argument or a setting that breaks its rule."""


class InsufficientLabelsError(InputError):
    """A level or a cell has too few labelled codes for what is asked of it."""


class ModelOutputError(EquipoiseError):
    """A generator or a classifier answered with a wrong shape, type, range, or with NaN."""


class FileFormatError(EquipoiseError):
    """A file that is damaged, cut, foreign, or of another generator."""


class FetchError(EquipoiseError):
    """A pinned model, or the weights of a library, could not be fetched."""


class RemoteError(EquipoiseError):
    """A remote classifier that will not or cannot answer; what it has answered is in its cache."""


class MissingProgramError(EquipoiseError):
    """A part that this machine lacks a program for."""


class StorageError(EquipoiseError):
    """A file or folder could not be written."""


def check_count(argument: str, value: int, remedy: str, *, least: int = 1) -> int:
    """Return `value` when it is a whole number of at least `least`.

    Raises
    ------
    InputError
        Otherwise, naming `argument`.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise InputError(argument, f"must be a whole number of at least {least}", value, remedy)
    return int(value)
