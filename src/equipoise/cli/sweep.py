"""The command `sweep`: the mix within every prompt at several values of an option."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.app import app, out_console
from equipoise.cli.console import bars, dry_run, print_caveats, print_table
from equipoise.cli.options import Config, DryRun, Given, JsonFile, SettingOptions, takes_settings
from equipoise.core.numbers import decimals, estimate
from equipoise.core.settings import make_settings
from equipoise.core.tables import shown

_SETTINGS = SettingOptions(
    *("generator", "attributes", "classifiers", "target", "seed"),
    *("abstain_below", "device", "batch_size", "workers"),
)


@app.command()
@takes_settings
def sweep(
    *,
    out: Annotated[Path, typer.Option(help="Folder that keeps the labels of each value.")],
    values: Annotated[
        str, typer.Option("--sweep", help="Option of the generator, and its values.")
    ] = "guidance=1,3,5,7.5",
    images: Annotated[int, typer.Option(help="Images of each prompt at each value.")] = 250,
    config: Config = None,
    given: Annotated[
        Given,
        _SETTINGS,
    ],
    json_file: JsonFile = None,
    dry: DryRun = False,
) -> None:
    """Measure the mix within every prompt, without edits, at several values of an option.

    One row a value: the mean deviation ratio of the prompts, and the worst prompt. The noise is the
    same at every value. A stopped run keeps its labels, and goes on.

    Example: `equipoise sweep --generator 'diffusers-text:sd15?prompts=jobs.csv' --attributes gender
    --sweep guidance=1,3,5,7.5 --out runs/guidance`
    """
    from equipoise.methods.context_sweep import ContextSweep, parse_sweep, sweep_row

    settings = make_settings(given, config)
    key, every = parse_sweep(values)
    dry_run(out_console, settings, {}, only=_SETTINGS.names)
    out_console.print(
        f"sweep    {images:,} images of each prompt at each of {len(every)} values",
        highlight=False,
    )
    if dry:
        return
    from dataclasses import replace

    from equipoise.core.context_targets import parse_context_targets
    from equipoise.core.progress import Execution
    from equipoise.core.records import write_record
    from equipoise.generators.address import with_option
    from equipoise.pipeline import open_models

    rows = []
    for number, value in enumerate(every):
        models = open_models(
            replace(settings, generator=with_option(settings.generator, key, value))
        )
        if not number:
            print_caveats(out_console, models.caveats)
        targets = parse_context_targets(settings.target, models.panel.grid)
        with bars() as progress:
            execution = Execution(settings.workers, progress)
            folder = out / f"labels-{number:02d}"
            rows.append(
                sweep_row(
                    value, models, images, settings.seed, folder, targets, execution=execution
                )
            )
    print_table(
        out_console,
        (key, "mean deviation ratio", "worst prompt", "its ratio", "pool", "unknown"),
        [
            (
                row.value,
                estimate(row.mean, decimals),
                shown(row.worst),
                estimate(row.worst_deviation, decimals),
                estimate(row.pooled, decimals),
                f"{row.unknown:,}",
            )
            for row in rows
        ],
    )
    out_console.print(
        f"floor    a perfect generator has a mean of {rows[0].floor:.2f} at {images:,} images",
        highlight=False,
    )
    if json_file is not None:
        write_record(json_file, ContextSweep(option=key, images=images, rows=tuple(rows)))
