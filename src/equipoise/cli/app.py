"""The applications that commands register with, and where they print."""

from __future__ import annotations

from dataclasses import dataclass

import typer
from rich.console import Console

app = typer.Typer(
    help="Any wanted mix of attributes from a pre-trained image generator, without retraining it.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
zoo_app = typer.Typer(help="Pinned public models.", no_args_is_help=True)
app.add_typer(zoo_app, name="zoo")
audit_app = typer.Typer(
    help="Audits of your own models, with balanced images.", no_args_is_help=True
)
app.add_typer(audit_app, name="audit")
# Lines are left whole: a terminal folds them, and a path in a log can be copied.
out_console = Console(markup=False, highlight=False, soft_wrap=True)
err_console = Console(markup=False, highlight=False, soft_wrap=True, stderr=True)

PROGRESS = ("auto", "json", "none")
"""How progress is shown: bars on a terminal and lines elsewhere, JSON lines, or not at all."""


@dataclass
class Shown:
    """What the options before the command's name say of the output; of this process.

    Attributes
    ----------
    progress : str
        One of `PROGRESS`.
    verbose : bool
        Whether an error shows where in the code it was raised.
    """

    progress: str = "auto"
    verbose: bool = False


shown = Shown()
