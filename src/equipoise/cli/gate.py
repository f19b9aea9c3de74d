"""The end of an audit in continuous integration: JUnit XML, and an exit status that says no."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from equipoise.cli.app import out_console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from equipoise.core.checks import Check, Outcome

GATE_FAILED = 3
"""Exit status of a command whose checks fail the gate; see docs/shell.md."""


class FailOn(StrEnum):
    """From which outcome on a check fails the gate."""

    ISSUE = "issue"
    UNDECIDED = "undecided"
    TIP = "tip"


Gate = Annotated[
    FailOn | None,
    typer.Option(
        "--fail-on",
        help=f"Exit with status {GATE_FAILED} if a check has this outcome or a worse one.",
    ),
]
JUnit = Annotated[
    Path | None, typer.Option("--junit", help="Write the checks to this file as JUnit XML.")
]


def end_gate(
    name: str, checks: Sequence[Check], fail_on: FailOn | None, junit: Path | None
) -> None:
    """Write JUnit XML where it is wanted, and exit where the gate fails.

    Without `fail_on`, issues count as failures in the XML, and the command ends as usual.
    """
    from equipoise.core.checks import OUTCOMES
    from equipoise.core.files import write_text
    from equipoise.report.junit import failing, to_junit

    worst = (fail_on or FailOn.ISSUE).value
    outcomes: tuple[Outcome, ...] = OUTCOMES[: OUTCOMES.index(worst) + 1]
    if junit is not None:
        write_text(junit, to_junit(name, checks, outcomes))
    failed = failing(outcomes, checks)
    if fail_on is not None and failed:
        out_console.print(f"gate     failed: {', '.join(check.check_id for check in failed)}")
        raise typer.Exit(GATE_FAILED)
