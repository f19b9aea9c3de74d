"""A study: several generators and targets, one report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.app import app, out_console
from equipoise.cli.balance import balance_cost, check_names
from equipoise.cli.console import bars, print_table
from equipoise.cli.options import DryRun
from equipoise.core.numbers import decimals, estimate, percent


@app.command()
def study(
    file: Annotated[Path, typer.Argument(help="The study, TOML (docs/study.md).")],
    out: Annotated[Path, typer.Option(help="Folder of the study.")],
    dry: DryRun = False,
) -> None:
    """Balance several generators to several targets, and write one report.

    Example: `equipoise study study.toml --out runs/study`
    """
    from equipoise.study.file import read_study
    from equipoise.study.run import run_study

    if dry:
        costs = []
        plan = read_study(file)
        for (generator, target), settings in plan.runs.items():
            check_names(settings)
            costs.append((generator, target, f"{sum(balance_cost(settings).values()):,}"))
        print_table(out_console, ("generator", "target", "calls, about"), costs)
        for name, wanted in plan.audits.items():
            out_console.print(
                f"audit    {name}: {wanted.n:,} verified images of each run for {wanted.model}",
                highlight=False,
            )
        return
    with bars() as progress:
        found = run_study(file, out, progress)
    rows = [
        (
            run.generator,
            run.target,
            decimals(run.kl, 4),
            percent(run.total_variation),
            estimate(run.faithfulness, percent) if run.faithfulness else "",
        )
        for run in found.runs
    ]
    names = ("generator", "target", "KL", "total variation", "least faithfulness")
    print_table(out_console, names, rows)
    out_console.print(f"report   {out / 'study.html'}")
