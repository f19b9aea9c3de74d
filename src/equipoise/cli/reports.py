"""The report of an audit at the end of its command: where it is, and as PDF where it is wanted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.app import out_console


def _needs_browser(pdf: bool) -> bool:
    """Refuse --pdf without a browser, before anything is done."""
    from equipoise.report.pdf import find_browser

    if pdf:
        find_browser()
    return pdf


Pdf = Annotated[
    bool,
    typer.Option(
        "--pdf",
        callback=_needs_browser,
        help="Print the report as PDF beside the HTML file; needs Chromium or Chrome.",
    ),
]


def print_report(page: Path, pdf: bool) -> None:
    """Print where the report is, and write the PDF beside it."""
    from equipoise.report.pdf import write_pdf

    out_console.print(f"report   {page}")
    if pdf:
        out_console.print(f"pdf      {write_pdf(page)}")
