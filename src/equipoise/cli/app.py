"""The applications that commands register with, and where they print."""

from __future__ import annotations

import typer
from rich.console import Console

app = typer.Typer(
    help="Any wanted mix of attributes from a pre-trained image generator, without retraining it.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
)
zoo_app = typer.Typer(help="Pinned public models.", no_args_is_help=True)
app.add_typer(zoo_app, name="zoo")
audit_app = typer.Typer(
    help="Audits of your own models, with balanced images.", no_args_is_help=True
)
app.add_typer(audit_app, name="audit")
out_console = Console(markup=False, highlight=False, soft_wrap=True)
