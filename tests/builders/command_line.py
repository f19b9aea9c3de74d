"""The command line, as tests call it: `equipoise.cli.main` in this process.

A process of its own loads torch again for each command, which takes seconds.
"""

from __future__ import annotations

import contextlib
import io
import sys
from dataclasses import dataclass
from unittest import mock

import pytest

from equipoise.cli import main
from equipoise.cli.app import err_console, out_console

WIDTH = 200
"""Columns of the terminal, enough for a sentence to stay on one line."""


@dataclass(frozen=True)
class Done:
    """What a command left."""

    code: int
    stdout: str
    stderr: str

    @property
    def error(self) -> str:
        """Standard error on one line."""
        return " ".join(self.stderr.split())


def run(*arguments: object, code: int = 0) -> Done:
    """Run `equipoise` with some arguments, and check its exit code and that it shows no traceback.

    An exception that `main` does not turn into a sentence passes through and fails the test.
    """
    out, err = io.StringIO(), io.StringIO()
    words = ["equipoise", *map(str, arguments)]
    left = 0
    with (
        mock.patch.object(sys, "argv", words),
        # The console read the environment when it was made, and pytest-xdist sets it.
        pytest.MonkeyPatch.context() as environment,
        mock.patch.multiple(out_console, _width=WIDTH),
        mock.patch.multiple(err_console, _width=WIDTH),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        # One variable alone is put back. A command may set others that the state of a library in
        # this process goes by: Ray keeps the token that RAY_AUTH_MODE asked for.
        environment.setenv("COLUMNS", str(WIDTH))
        try:
            main()
        except SystemExit as exit:
            left = exit.code if isinstance(exit.code, int) else int(exit.code is not None)
    done = Done(left, out.getvalue(), err.getvalue())
    assert "Traceback" not in done.stderr, done.stderr
    assert done.code == code, f"{' '.join(words)}\n{done.stdout}\n{done.stderr}"
    return done
