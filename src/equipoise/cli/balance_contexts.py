"""The command `balance-contexts`: images of every prompt with a wanted mix in each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from equipoise.cli.app import app, out_console
from equipoise.cli.console import bars, dry_run, print_caveats
from equipoise.cli.contexts import show_absent, show_contexts
from equipoise.cli.options import (
    Config,
    DryRun,
    Given,
    JsonFile,
    Log,
    SettingOptions,
    takes_settings,
)
from equipoise.core.numbers import percent
from equipoise.core.settings import make_settings
from equipoise.core.tables import shown

if TYPE_CHECKING:
    from equipoise.contexts.record import BalancedContexts

_SETTINGS = SettingOptions(
    *("generator", "attributes", "classifiers", "target", "n", "seed"),
    *("abstain_below", "device", "batch_size", "workers"),
)

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
        _SETTINGS,
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
    log: Log = None,
) -> None:
    """Draw images of every prompt with a wanted mix in each.

    Labels --n images of the edits, solves for how often each is requested of each context, draws a
    folder whose metadata.csv has the column context, measures it, and writes a report. A stopped
    run goes on where it stopped.

    Example: `equipoise balance-contexts --generator toy-text --attributes smiling,skin_tone
    --n 20000 --out runs/jobs`
    """
    from equipoise.contexts.record import ContextOptions
    from equipoise.contexts.run import check_options, check_wanted

    settings = make_settings(given, config)
    options = ContextOptions(
        images=images,
        verified=verified,
        proposals=proposals,
        early_refusal=early_refusal,
        tolerance=tolerance,
    )
    check_options(options)
    if log is not None:
        from equipoise.report.trackers import check_tracker

        check_tracker(log)
    if dry:
        check_wanted(settings, options)
    dry_run(out_console, settings, {"label": settings.n}, only=_SETTINGS.names)
    out_console.print(
        f"draw     {images:,} images of each context, on top of that", highlight=False
    )
    if dry:
        return
    from equipoise.contexts.facts import contexts_facts
    from equipoise.contexts.page import REPORT
    from equipoise.contexts.run import balance_contexts as run
    from equipoise.core.progress import Execution

    with bars() as progress:
        found = run(settings, options, out, Execution(settings.workers, progress))
    show_absent("labels ", found.unseen)
    if found.exact:
        _print_exact(found, json_file)
    else:
        show_contexts(str(out), found.mix, json_file)
    print_caveats(out_console, found.caveats)
    for line in _summary(found):
        out_console.print(line, highlight=False, markup=False)
    out_console.print(f"images   {out / 'metadata.csv'}", markup=False, soft_wrap=True)
    out_console.print(f"report   {out / REPORT}", markup=False, soft_wrap=True)
    if log is not None:
        from equipoise.report.trackers import log_facts

        tracked = log_facts(contexts_facts(out, found), log)
        out_console.print(f"logged   {log}, run {tracked.id} of {tracked.store}", markup=False)


def _print_exact(found: BalancedContexts, json_file: Path | None) -> None:
    """Say that counts are exact, where a table of contexts would have equal rows."""
    from equipoise.core.records import write_record

    out_console.print(f"verdict  {found.verdict}", highlight=False)
    if json_file is not None:
        write_record(json_file, found.mix)


def _summary(found: BalancedContexts) -> list[str]:
    """Return what cells are proposed by, how faithful images are, and what is out of reach."""
    lines = [f"calls    {found.calls:.2f} for an image, and {found.labels:,} for labels"]
    sets = len(found.proposals)
    own = sum(map(sum, (one.by_prompt for one in found.proposals)))
    edited = sum(n > 0 for one in found.proposals for n in one.requested) - own
    if own:
        lines.append(
            f"prompts  give {own:,} cells in {sets:,} contexts; faithfulness "
            f"{found.faithfulness_in_words}: they are drawn until one is of the cell"
        )
    if edited:
        lines.append(
            f"edits    give {edited:,} cells in {sets:,} contexts; faithfulness is not defined for "
            "edits, which change what the model means"
        )
    if found.refusal is not None:
        lines.append(
            f"refusal  of candidates after {found.refusal.stage} of {found.refusal.steps} steps, "
            "learnt from the labels, whose states were made again"
        )
    if found.far:
        some = ", ".join(
            f"{shown(one.name)} ({percent(one.distance)})" for one in found.far[:_NAMED]
        )
        lines.append(
            f"reach    in {len(found.far):,} contexts no rates give the target; total variation of "
            f"the nearest mix: {some}. "
            f"{'Verified draws reached it' if found.options.verified else 'Pass --verified'}"
        )
    return lines
