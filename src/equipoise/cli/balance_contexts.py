"""The command `balance-contexts`: images of every prompt with a wanted mix in each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.app import app, out_console
from equipoise.cli.console import bars, dry_run, print_caveats
from equipoise.cli.contexts import show_contexts
from equipoise.cli.options import Config, DryRun, Given, JsonFile, SettingOptions, takes_settings
from equipoise.core.errors import check_count
from equipoise.core.numbers import percent
from equipoise.core.settings import make_settings
from equipoise.core.tables import shown

_NAMED = 5
"""Contexts out of reach that the terminal names."""


@app.command("balance-contexts")
@takes_settings
def balance_contexts(
    *,
    out: Annotated[Path, typer.Option(help="Folder: labels, images and metadata.csv go there.")],
    config: Config = None,
    given: Annotated[
        Given,
        SettingOptions(
            *("generator", "attributes", "classifiers", "target", "n", "seed"),
            *("abstain_below", "device", "batch_size", "workers"),
        ),
    ],
    images: Annotated[int, typer.Option(help="Images of each context.")] = 250,
    verified: Annotated[
        bool, typer.Option("--verified", help="Exact counts: keep images that are as requested.")
    ] = False,
    tolerance: Annotated[
        float, typer.Option(help="Departure of a share that the verdict counts as met.")
    ] = 0.02,
    json_file: JsonFile = None,
    dry: DryRun = False,
) -> None:
    """Draw images of every prompt with a wanted mix in each, by edits of the prompts.

    Labels --n images of the edits, solves for how often each is requested of each context, draws a
    folder whose metadata.csv has the column context, and measures it. A stopped run keeps its
    labels, and draws again from the first image.

    Example: `equipoise balance-contexts --generator toy-text --attributes smiling,skin_tone
    --n 20000 --out runs/jobs`
    """
    settings = make_settings(given, config)
    check_count("images", images, "Pass --images 250.")
    dry_run(out_console, settings, {"label edits": settings.n})
    out_console.print(
        f"draw     {images:,} images of each context, on top of that", highlight=False
    )
    if dry:
        return
    from equipoise.core.progress import Execution
    from equipoise.core.targets import parse_target
    from equipoise.measure.contexts import measure_contexts
    from equipoise.methods.context_draws import check_prompted, count_edits, draw_contexts
    from equipoise.methods.context_folder import prepare_folder, write_contexts
    from equipoise.methods.context_rates import calibrate_contexts
    from equipoise.pipeline import open_models

    models = open_models(settings)
    grid = models.panel.grid
    generator, _ = check_prompted(models.generator, grid)
    prepare_folder(out)
    target = parse_target(settings.target, grid).resolve(None)
    with bars() as progress:
        execution = Execution(settings.workers, progress)
        counts = count_edits(models, settings.n, settings.seed, out / "labels", execution=execution)
        rates = calibrate_contexts(counts, target, settings.seed)
        drawn = draw_contexts(
            models, rates, target, images, settings.seed, verified=verified, execution=execution
        )
        written = write_contexts(drawn, generator, out)
    names = [generator.contexts[c] for c in written.contexts]
    show_contexts(str(out), measure_contexts(written.labels, names, target, tolerance), json_file)
    print_caveats(out_console, models.caveats)
    lines = [
        f"calls    {written.calls / len(names):.2f} for an image, and {settings.n:,} for labels",
        f"edits    {len(generator.edits)} for each of {len(generator.contexts):,} contexts; "
        "faithfulness is not defined for edits, which change what the model means",
    ]
    if far := rates.unreachable:
        some = ", ".join(
            f"{shown(generator.contexts[c])} ({percent(rates.contexts[c].distance)})"
            for c in sorted(far, key=lambda c: -rates.contexts[c].distance)[:_NAMED]
        )
        lines.append(
            f"reach    in {len(far):,} contexts no rates give the target; total variation of the "
            f"nearest mix: {some}. Verified draws can reach it"
        )
    for line in lines:
        out_console.print(line, highlight=False, markup=False)
    out_console.print(f"images   {out / 'metadata.csv'}")
