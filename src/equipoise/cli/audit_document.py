"""Documents in the order of others, from a stored audit: audit document."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.app import audit_app, out_console
from equipoise.cli.reports import Pdf


@audit_app.command()
def document(
    folder: Annotated[
        Path, typer.Argument(help="Folder of an audit of a classifier, age or verification.")
    ],
    form: Annotated[str, typer.Option(help="annex-iv, iso-19795-10, ll144 or model-card.")],
    given: Annotated[
        Path | None,
        typer.Option(help="TOML file with texts for fields that no audit knows."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="HTML file to write. [FORM.html in the folder]")
    ] = None,
    pdf: Pdf = False,
) -> None:
    """Write a document that others ask for from a stored audit, and list what it cannot fill.

    Example: `equipoise audit document runs/audit --form annex-iv`
    """
    from equipoise.audit.documents.document import write_document
    from equipoise.report.pdf import write_pdf

    path = out or folder / f"{form}.html"
    found = write_document(folder, form, given, path)
    total = len(found.form.keys)
    out_console.print(f"document {path}: {total - len(found.open)} of {total} fields are filled")
    if pdf:
        out_console.print(f"pdf      {write_pdf(path)}")
    if found.open:
        out_console.print(f"open     {', '.join(field.key for field in found.open)}")
