"""The command line: one command a stage and the whole; no logic."""

from __future__ import annotations

import io
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.text import Text

from equipoise.cli import (  # noqa: F401  (they register)
    audit,
    audit_age,
    audit_answers,
    audit_document,
    audit_photographs,
    audit_verification,
    balance,
    balance_contexts,
    compare,
    doctor,
    files,
    hub,
    labelling,
    measuring,
    people,
    quality,
    sampling,
    status,
    study,
    superres,
    sweep,
    view,
)
from equipoise.cli.app import PROGRESS, app, err_console, out_console, shown
from equipoise.core.errors import EquipoiseError, InputError
from equipoise.core.threads import set_threads


def _version(wanted: bool) -> None:
    if wanted:
        from equipoise import __version__

        out_console.print(f"equipoise {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    threads: Annotated[
        int | None,
        typer.Option(help="Threads of the whole process. [the cores that it may use]"),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print errors alone.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Show where in the code an error was raised.")
    ] = False,
    progress: Annotated[
        str | None,
        typer.Option(help="auto, json (a line for machines) or none.", show_default=False),
    ] = None,
) -> None:
    if progress not in (None, *PROGRESS):
        raise InputError(
            "--progress", f"must be one of {', '.join(PROGRESS)}", progress, "Leave it out."
        )
    out_console.quiet = quiet
    shown.progress = progress or ("none" if quiet else "auto")
    shown.verbose = verbose
    set_threads(threads)


@contextmanager
def _errors() -> Iterator[None]:
    """Print an error as a sentence, and exit with the usual status."""
    try:
        yield
    except EquipoiseError as error:
        if shown.verbose:
            traceback.print_exception(error)
        err_console.print(Text("Error: ", "bold red") + Text(str(error)))
        sys.exit(2)


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that knows fewer characters shows "?" for others, rather than end the work.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    with _errors():
        app(standalone_mode=True)
