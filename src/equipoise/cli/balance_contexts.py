"""The command `balance-contexts`: images of every prompt with a wanted mix in each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from equipoise.cli.app import app, out_console
from equipoise.cli.console import bars, dry_run, print_caveats
from equipoise.cli.contexts import show_absent, show_contexts
from equipoise.cli.options import Config, DryRun, Given, JsonFile, SettingOptions, takes_settings
from equipoise.core.errors import InputError, check_count
from equipoise.core.numbers import estimate, percent
from equipoise.core.settings import make_settings
from equipoise.core.tables import shown

if TYPE_CHECKING:
    from equipoise.methods.context_proposals import ContextRequests
    from equipoise.methods.context_refusal import EarlyRefusal

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
    proposals: Annotated[
        str,
        typer.Option(
            help="What candidates are: edits of the prompts; prompt, the prompts themselves; or "
            "both, edits where a prompt seldom gives a cell. The last two need --verified."
        ),
    ] = "edits",
    early_refusal: Annotated[
        bool,
        typer.Option(
            help="Verified draws refuse candidates half-way, where the generator can stop there "
            "and that pays."
        ),
    ] = True,
    tolerance: Annotated[
        float, typer.Option(help="Departure of a share that the verdict counts as met.")
    ] = 0.02,
    json_file: JsonFile = None,
    dry: DryRun = False,
) -> None:
    """Draw images of every prompt with a wanted mix in each.

    Labels --n images of the edits, solves for how often each is requested of each context, draws a
    folder whose metadata.csv has the column context, and measures it. A stopped run goes on where
    it stopped.

    Example: `equipoise balance-contexts --generator toy-text --attributes smiling,skin_tone
    --n 20000 --out runs/jobs`
    """
    settings = make_settings(given, config)
    check_count("images", images, "Pass --images 250.")
    if proposals != "edits" and not verified:
        rule = "must be edits without --verified: the mix of the prompts themselves is what it is"
        raise InputError("proposals", rule, proposals, "Pass --verified.")
    dry_run(out_console, settings, {"label": settings.n})
    out_console.print(
        f"draw     {images:,} images of each context, on top of that", highlight=False
    )
    if dry:
        return
    from equipoise.core.context_targets import parse_context_targets
    from equipoise.core.progress import Execution
    from equipoise.measure.contexts import measure_contexts
    from equipoise.methods.context_draws import draw_contexts
    from equipoise.methods.context_folder import identity_of, write_contexts
    from equipoise.methods.context_proposals import (
        check_prompted,
        label_variants,
        never_seen,
        request_edits,
        request_prompts,
    )
    from equipoise.methods.context_rates import calibrate_contexts
    from equipoise.methods.context_refusal import fit_refusal
    from equipoise.pipeline import open_models

    models = open_models(settings)
    grid, seed = models.panel.grid, settings.seed
    generator, _ = check_prompted(models.generator, grid, proposals)
    wanted = parse_context_targets(settings.target, grid)
    targets = wanted.of(generator.contexts)
    far: tuple[int, ...] = ()
    with bars() as progress:
        execution = Execution(settings.workers, progress)
        labels = label_variants(
            models, settings.n, seed, out / "labels", proposals, execution=execution
        )
        if proposals == "edits":
            rates = calibrate_contexts(labels.of_edits(), targets, seed)
            requests, far = (
                request_edits(rates, targets, images, verified=verified),
                rates.unreachable,
            )
        else:
            requests = request_prompts(labels, generator.contexts, targets, images, proposals)
        show_absent("labels ", never_seen(labels, generator.contexts, requests, targets))
        refusal = None
        if early_refusal:
            refusal = fit_refusal(generator, labels, requests, seed=seed, execution=execution)
        written = write_contexts(
            lambda kept: draw_contexts(
                models, requests, seed, refusal=refusal, kept=kept, execution=execution
            ),
            models,
            generator,
            identity_of(models, requests, seed, refusal.stated() if refusal else None),
            out,
        )
    names = [generator.contexts[c] for c in written.contexts]
    show_contexts(str(out), measure_contexts(written.labels, names, wanted, tolerance), json_file)
    print_caveats(out_console, models.caveats)
    lines = [
        f"calls    {written.calls / len(names):.2f} for an image, and {settings.n:,} for labels",
        *_proposal_lines(requests, refusal),
    ]
    if far:
        some = ", ".join(
            f"{shown(generator.contexts[c])} ({percent(rates.contexts[c].distance)})"
            for c in sorted(far, key=lambda c: -rates.contexts[c].distance)[:_NAMED]
        )
        lines.append(
            f"reach    in {len(far):,} contexts no rates give the target; total variation of the "
            f"nearest mix: {some}. {'Verified draws reached it' if verified else 'Pass --verified'}"
        )
    for line in lines:
        out_console.print(line, highlight=False, markup=False)
    out_console.print(f"images   {out / 'metadata.csv'}")


def _proposal_lines(requests: ContextRequests, refusal: EarlyRefusal | None) -> list[str]:
    """Return what cells are proposed by, and how faithful their images are."""
    wanted = requests.counts > 0
    own, edited = (int((wanted & by).sum()) for by in (requests.by_prompt, ~requests.by_prompt))
    sets, lines = len(wanted), []
    if own:
        true = "1" if refusal is None else f"on average at least {estimate(refusal.faithfulness)}"
        lines.append(
            f"prompts  give {own:,} cells in {sets:,} contexts; faithfulness {true}, as classifiers"
            " see cells: images are drawn until one is of the cell"
        )
    if edited:
        lines.append(
            f"edits    give {edited:,} cells in {sets:,} contexts; faithfulness is not defined for "
            "edits, which change what the model means"
        )
    if refusal is not None:
        lines.append(
            f"refusal  of candidates after {refusal.stage} of {refusal.steps} steps, learnt from "
            "the labels, whose states were made again"
        )
    return lines
