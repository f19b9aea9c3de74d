"""The exceptions of Equipoise. Each names the argument, the rule, the value got and a remedy."""

from __future__ import annotations

from numbers import Integral


class EquipoiseError(Exception):
    """Base of every error that Equipoise raises on purpose.

    Parameters
    ----------
    argument : str
        What is wrong: an argument, a file, or the output of a model.
    rule : str
        The rule that it breaks, worded to follow `argument`: "must be at least 1".
    got : object
        The value that breaks the rule.
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
        shown = shown.rstrip(".") or shown  # The sentence has its own full stop.
        return f"{self.argument} {self.rule}, got {shown}. {self.remedy}"


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
