"""All methods side by side: compare."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.app import app, out_console
from equipoise.cli.balance import compare_cost
from equipoise.cli.console import bars, dry_run, print_table
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


@app.command()
@takes_settings
def compare(
    *,
    out: Annotated[Path, typer.Option(help="Folder; keeps labels and results.")],
    config: Config = None,
    learnt: Annotated[
        Given,
        SettingOptions("generator", "attributes", "classifiers", "n", "seed", "measure_n"),
    ],
    pool: Annotated[
        int, typer.Option(help="Codes of the prior to label for the balanced references.")
    ] = 100_000,
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
    """Compare the tilt with every other method, from as many labels, for a uniform target.

    Prints a table and writes OUT/compare.md with a plot. A stopped comparison is resumed.

    Example: `equipoise compare --attributes smiling,skin_tone --pool 100000 --out runs/compare`
    """
    from equipoise.engines import open_engine

    given = {**learnt, **computed}
    settings = make_settings(given, config)
    places = open_engine(
        engine, workers=settings.workers, address=address, gpus_per_worker=gpus_per_worker
    )
    dry_run(out_console, settings, compare_cost(settings, pool))
    if dry:
        return
    from equipoise.compare.page import columns, rows, write_page
    from equipoise.compare.run import FEATURES
    from equipoise.compare.run import compare as run
    from equipoise.core.records import write_record

    with bars() as progress:
        results = run(settings, out, pool, features or FEATURES, progress, engine=places)
    print_table(out_console, columns([results]), rows([results]))
    title = f"{' x '.join(settings.attributes)}, {settings.n:,} labels"
    flags = {name: value for name, value in settings.to_dict().items() if name in given}
    flags = {**flags, "attributes": ",".join(settings.attributes), "pool": pool}
    del flags["classifiers"]
    words = [f"--{k.replace('_', '-')} {v}" for k, v in flags.items() if v is not None]
    words += [f"--features {name}" for name in features or ()]
    words += [f"--classifier {shlex.quote(uri)}" for uri in settings.classifiers]
    command = " ".join(["equipoise compare", *words])
    write_page(out / "compare.md", command, {title: [results]}, settings.directed)
    if json_file is not None:
        write_record(json_file, results)
    out_console.print(f"page     {out / 'compare.md'}")
