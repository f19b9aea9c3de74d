"""All methods side by side: compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.app import app, out_console
from equipoise.cli.balance import compare_cost
from equipoise.cli.compare_contexts import command_words, compare_within
from equipoise.cli.console import bars, dry_run, print_table, refuse_flags
from equipoise.cli.options import (
    Address,
    Config,
    DryRun,
    EngineName,
    Given,
    GpusPerWorker,
    JsonFile,
    SettingOptions,
    takes_settings,
)
from equipoise.core.settings import make_settings

_POOL = 100_000

_SHOWN = ("method", "KL (floor)", "faithfulness", "calls", "cheaper from")
"""Columns of the page that a terminal has room for."""


@app.command()
@takes_settings
def compare(
    *,
    out: Annotated[Path, typer.Option(help="Folder; keeps labels and results.")],
    config: Config = None,
    learnt: Annotated[
        Given,
        SettingOptions(
            "generator", "attributes", "classifiers", "target", "n", "seed", "measure_n"
        ),
    ],
    contexts: Annotated[
        str | None,
        typer.Option(
            help="Compare ways to a mix within every context: a list of prompts (CSV), or own for "
            "the contexts that the generator has.",
            show_default=False,
        ),
    ] = None,
    pool: Annotated[
        int | None,
        typer.Option(help="Codes of the prior to label for the balanced references. [100000]"),
    ] = None,
    features: Annotated[
        list[str] | None,
        typer.Option(help="Where distances are taken; may be given again. [pixels, age]"),
    ] = None,
    computed: Annotated[Given, SettingOptions("abstain_below", "device", "batch_size", "workers")],
    engine: EngineName = "threads",
    address: Address = None,
    gpus_per_worker: GpusPerWorker = 0.0,
    json_file: JsonFile = None,
    dry: DryRun = False,
) -> None:
    """Compare the tilt with every other method, from as many labels.

    Prints a short table, and writes OUT/compare.md with all columns and a plot. A stopped one is
    resumed. With --contexts the rows are prompts as they are, edits, the best of several images,
    and calibrated and verified draws, with early refusal and without.

    Example: `equipoise compare --attributes smiling,skin_tone --pool 100000 --out runs/compare`
    Example: `equipoise compare --generator toy-text --attributes smiling,skin_tone --contexts own
    --n 20000 --out runs/ways`
    """
    from equipoise.engines import open_engine

    given = {**learnt, **computed}
    if contexts is not None:
        other = engine if engine != "threads" else None
        flags = {"pool": pool, "features": features, "engine": other, "address": address}
        refuse_flags("with --contexts", flags)
        compare_within(given, config, contexts, out, json_file, dry=dry)
        return
    settings = make_settings(given, config)
    pool = _POOL if pool is None else pool
    places = open_engine(
        engine, workers=settings.workers, address=address, gpus_per_worker=gpus_per_worker
    )
    dry_run(out_console, settings, compare_cost(settings, pool))
    if dry:
        return
    from equipoise.compare.page import columns, left_out, rows, write_page
    from equipoise.compare.run import FEATURES
    from equipoise.compare.run import compare as run
    from equipoise.core.records import write_record

    with bars() as progress:
        results = run(settings, out, pool, features or FEATURES, progress, engine=places)
    shown = [columns([results]).index(name) for name in _SHOWN]
    print_table(out_console, _SHOWN, [[row[i] for i in shown] for row in rows([results])])
    for line in left_out([results]):
        if line.startswith("- "):
            out_console.print(f"caveat   {line.removeprefix('- ')}")
    title = f"{' x '.join(settings.attributes)}, {settings.n:,} labels"
    command = command_words(settings, given, {"pool": str(pool)}, features or ())
    write_page(out / "compare.md", command, {title: [results]}, settings.directed)
    if json_file is not None:
        write_record(json_file, results)
    out_console.print(f"page     {out / 'compare.md'}")
