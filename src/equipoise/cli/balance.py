"""The whole flow: balance, demo, report; and the cost of a command before it begins."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from equipoise.cli.app import app, out_console
from equipoise.cli.console import (
    bars,
    dry_run,
    print_caveats,
    print_representation,
    print_statement,
)
from equipoise.cli.options import (
    Address,
    Config,
    DryRun,
    EngineName,
    Given,
    GpusPerWorker,
    JsonFile,
    Log,
    SettingOptions,
    takes_settings,
)
from equipoise.core.numbers import percent
from equipoise.core.progress import Engine
from equipoise.core.settings import Settings, make_settings

if TYPE_CHECKING:
    from equipoise.core.targets import Target
    from equipoise.methods.calibration import Calibration


@app.command()
@takes_settings
def balance(
    *,
    out: Annotated[str, typer.Option(help="Run folder, or its address in a store.")],
    config: Config = None,
    given: Annotated[Given, SettingOptions()],
    engine: EngineName = "threads",
    address: Address = None,
    gpus_per_worker: GpusPerWorker = 0.0,
    log: Log = None,
    json_file: JsonFile = None,
    dry: DryRun = False,
) -> None:
    """Balance a generator: label, fit, measure, report.

    Example: `equipoise balance --attributes smiling,skin_tone --out runs/faces`
    """
    from equipoise.engines import open_engine

    settings = make_settings(given, config)
    places = open_engine(
        engine, workers=settings.workers, address=address, gpus_per_worker=gpus_per_worker
    )
    _run_balance(settings, out, json_file, dry, places, log)


@app.command()
@takes_settings
def demo(
    *,
    out: Annotated[Path, typer.Option(help="Run folder.")] = Path("runs/demo"),
    given: Annotated[Given, SettingOptions("n", "seed", "faithful", "measure_n", "workers")],
    json_file: JsonFile = None,
    dry: DryRun = False,
) -> None:
    """Balance smiling x skin tone on the pinned face generator, by tilt and by shift.

    Example: `equipoise demo --n 2000 --measure-n 1000 --out runs/small`
    """
    _run_balance(
        make_settings({**given, "beside": ("shift-calibrated", "shift")}), str(out), json_file, dry
    )


def _run_balance(
    settings: Settings,
    out: str,
    json_file: Path | None,
    dry: bool,
    engine: Engine | None = None,
    log: str | None = None,
) -> None:
    if log is not None:
        from equipoise.report.trackers import check_tracker

        check_tracker(log)
    if dry:
        check_names(settings)
    dry_run(out_console, settings, balance_cost(settings))
    if dry:
        return
    from equipoise.audit.preflight.before_run import check_models
    from equipoise.core.records import write_record
    from equipoise.pipeline import balance as run
    from equipoise.pipeline import open_models
    from equipoise.runs.place import RunPlace

    panel = None
    if settings.classifiers:
        models = open_models(settings)
        check_models(models, settings.seed)
        panel = models.panel
    with bars() as progress:
        done = run(settings, out, progress, panel=panel, engine=engine)
    print_representation(out_console, "the generator as it is", done.record.prior)
    for result in done.record.results:
        print_representation(out_console, result.method, result.representation)
    print_caveats(out_console, done.record.caveats)
    if json_file is not None:
        write_record(json_file, done.record)
    place = RunPlace.of(out)
    sampler = place.home / place.folder.sampler.name
    out_console.print(f"report   {place.home / place.folder.report.name}")
    out_console.print(f"sampler  {sampler}")
    if log is not None:
        from equipoise.report.trackers import log_run

        tracked = log_run(done.folder, log)
        out_console.print(f"logged   {log}, run {tracked.id} of {tracked.store}")
    verified = ""
    if (tilt := done.record.results[0].tilt) is not None:
        print_statement(out_console, tilt.verified[0])
        if not tilt.calibration.reachable:
            verified = " --verified"
            out_console.print(
                "one-shot  the target is out of reach: the nearest mix has a total variation of "
                f"{percent(tilt.calibration.distance)} from it. {tilt.verified[0].reach}"
            )
        elif doubt := _doubtful(tilt.calibration, done.record.target):
            verified = " --verified"
            out_console.print(f"one-shot  {doubt}")
    images = "images" if "://" in out else f"{out}/images"
    out_console.print(f"next     equipoise sample {sampler} --n 1000{verified} --out {images}")


def check_names(settings: Settings) -> None:
    """Refuse a generator, an attribute or a target that the run itself would refuse.

    Models of one's own may be large, or be downloaded first: those of Equipoise alone are opened.
    """
    from equipoise.core.targets import parse_target
    from equipoise.generators import NAMES, check_name
    from equipoise.pipeline import open_models

    check_name(settings.generator)
    if not settings.classifiers and settings.generator in NAMES:
        parse_target(settings.target, open_models(settings).panel.grid)


def _doubtful(calibration: Calibration, target: Target) -> str:
    """Return in words which share the labels leave most uncertain; "" within the tolerance."""
    from equipoise.measure.verdict import TOLERANCE

    shares = zip(target.grid.cells, calibration.low, calibration.high, target.shares, strict=True)
    off, cell, low, high, share = max(
        (max(high - share, share - low), cell, low, high, share)
        for cell, low, high, share in shares
    )
    if off <= TOLERANCE:
        return ""
    return (
        f"the labels leave the mix uncertain: {cell} may come out at {percent(low)} to "
        f"{percent(high)}, target {percent(share)}. Raise --n, or take verified draws."
    )


@app.command()
def report(run: Annotated[Path, typer.Argument(help="Run folder.")]) -> None:
    """Write the report of a stored run again.

    Example: `equipoise report runs/demo`
    """
    from equipoise.report.run_page import render
    from equipoise.runs.folder import RunFolder

    out_console.print(f"report   {render(RunFolder(run))}")


@app.command()
def card(run: Annotated[Path, typer.Argument(help="Run folder.")]) -> None:
    """Write the card of a stored run: card.json, and card.md for a model's or data set's page.

    Example: `equipoise card runs/demo`
    """
    from equipoise.report.card import write_card
    from equipoise.runs.folder import RunFolder

    out_console.print(f"card     {write_card(RunFolder(run))}")


_MEASURED = 9000
"""Draws that are measured by default of 2 to 12 cells of equal target; others are known later."""


def balance_cost(settings: Settings) -> dict[str, int]:
    """Return the calls of `balance`."""
    methods = {settings.method, *settings.beside}
    mixture = "mixture" in methods
    return {
        "label": settings.prior_n,
        "label directed draws": settings.directed_n * ("tilt" in methods or mixture),
        "calibrate": settings.directed_n * (("shift-calibrated" in methods) + mixture),
        "fit the mixture to, at least": settings.mixture_n * mixture,
        "measure (about)": (settings.measure_n or _MEASURED) * len(methods),
    }


def compare_cost(settings: Settings, pool: int) -> dict[str, int]:
    """Return the calls of `compare`, whatever method the settings name."""
    from equipoise.compare.baselines import BASELINES
    from equipoise.compare.reference import MOST

    learnt = replace(settings, method="tilt")
    measured = settings.measure_n or _MEASURED
    return {
        "label": settings.n,
        "label directed draws": learnt.directed_n,
        "calibrate five methods": 5 * learnt.calibration_n,
        "verify draws for a mixture, at least": learnt.mixture_n,
        "label for the references": pool,
        "make references of, at most": MOST * measured,
        "verify draws of five methods, at least": 5 * measured,
        "measure (about)": measured * len(BASELINES),
    }
