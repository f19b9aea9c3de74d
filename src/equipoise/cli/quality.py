"""Quality of a sampler's images, cell by cell: quality."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.app import app, out_console
from equipoise.cli.console import bars, picture_files, print_table, refuse_flags
from equipoise.cli.opening import open_saved
from equipoise.cli.options import (
    Address,
    Classifiers,
    Device,
    EngineName,
    Faithful,
    GpusPerWorker,
    JsonFile,
    SkipBroken,
    Workers,
)
from equipoise.core.numbers import estimate, number, percent
from equipoise.core.progress import Execution


@app.command()
def quality(
    what: Annotated[Path, typer.Argument(help="Run folder, or sampler file.")],
    n: Annotated[int, typer.Option(help="Draws, and images of the reference.")] = 6000,
    reference: Annotated[
        Path | None,
        typer.Option(help="Folder of images to compare with. [rejection from the prior]"),
    ] = None,
    verified: Annotated[
        bool, typer.Option("--verified", help="Verified draws in place of one-shot ones.")
    ] = False,
    faithful: Faithful = None,
    features: Annotated[
        str, typer.Option(help="age, pixels, inception, dinov2, clip, or module:function.")
    ] = "age",
    watch: Annotated[
        str | None, typer.Option(help="Further attributes whose shares should not drift.")
    ] = None,
    classifiers: Classifiers = None,
    max_codes: Annotated[
        int, typer.Option(help="Codes of the prior to try at most for the reference.")
    ] = 1_000_000,
    seed: Annotated[int, typer.Option(help="Seed of the draws.")] = 2,
    skip_broken: SkipBroken = False,
    device: Device = None,
    workers: Workers = None,
    engine: EngineName = "threads",
    address: Address = None,
    gpus_per_worker: GpusPerWorker = 0.0,
    json_file: JsonFile = None,
) -> None:
    """Compare a sampler's images with a reference: distances, coverage, diversity, drift, by cell.

    A run folder keeps the result, and its report and card show it. docs/quality.md explains each
    number. --classifier predicts attributes of --watch, or gives the new place of the sampler's own
    classifier.

    Example: `equipoise quality runs/demo --n 1200 --watch gender,age`
    """
    from equipoise.classifiers import answering, open_panel
    from equipoise.core.records import write_record
    from equipoise.core.settings import make_settings
    from equipoise.engines import open_engine
    from equipoise.measure.features import open_features
    from equipoise.measure.sampler import sampler_quality
    from equipoise.report.card import write_card
    from equipoise.report.run_page import render
    from equipoise.runs.folder import RunFolder
    from equipoise.samplers.file import load_sampler

    if not verified:
        refuse_flags("without --verified", {"faithful": faithful})
    places = open_engine(engine, workers=workers, address=address, gpus_per_worker=gpus_per_worker)
    if places is not None and reference is not None:
        refuse_flags("with --reference, which leaves nothing to label", {"engine": engine})
    run = RunFolder(what) if what.is_dir() else None
    if run is not None:
        run.read_record()  # A run without figures fails before anything is drawn.
    saved = load_sampler(run.sampler if run else what)
    given, more = answering(classifiers or (), saved.grid.names)
    if watch is None:
        refuse_flags("without --watch", {"classifier of other attributes": more or None})
    sampler, models = open_saved(saved, device, given)
    drift_panel = None
    if watch is not None:
        further = make_settings({"attributes": watch}).attributes
        names = dict.fromkeys((*sampler.grid.names, *further))
        abstain = float(sampler.settings.get("abstain_below", 0.0))
        own = (*(given or sampler.settings.get("classifiers", ())), *more)
        drift_panel = open_panel(
            tuple(names),
            models.generator,
            abstain_below=abstain,
            classifiers=tuple(dict.fromkeys(own)),
        )
    files: list[Path] = []
    if reference is None:
        refuse_flags("without --reference", {"skip-broken": skip_broken or None})
    else:
        files = picture_files(reference, skip_broken=skip_broken, workers=workers)
    with bars(resumes=False) as progress:
        found = sampler_quality(
            sampler,
            models,
            open_features(features, device=device or "cpu"),
            n,
            seed,
            drift_panel=drift_panel,
            reference=files,
            source=None if reference is None else f"{len(files):,} files of {reference}",
            max_codes=max_codes,
            of_verified=verified,
            faithful=faithful,
            execution=Execution(workers=workers, progress=progress, engine=places),
        )
    columns = (
        "cell",
        "n",
        "reference",
        "distinguished",
        "Frechet",
        "at infinite n",
        "kernel x 1,000",
    )
    rows = [
        (
            cell.name,
            f"{cell.n:,}",
            f"{cell.n_reference:,}",
            estimate(cell.distinguished, missing="-"),
            f"{number(cell.frechet.value, missing='-')}{' *' if cell.frechet.note else ''}",
            estimate(cell.frechet_extrapolated, missing="-"),
            estimate(cell.kernel, times=1000, missing="-"),
            estimate(cell.precision, missing="-"),
            estimate(cell.recall, missing="-"),
            f"{number(cell.coverage.value, missing='-')} "
            f"({number(cell.coverage_expected, missing='-')})",
        )
        for cell in (found.pooled, *found.cells)
    ]
    print_table(out_console, (*columns, "precision", "recall", "coverage (expected)"), rows)
    if notes := sorted({cell.frechet.note for cell in (found.pooled, *found.cells)} - {""}):
        out_console.print(f"*        {'; '.join(notes)}")
    out_console.print(f"compared with {found.reference}")
    out_console.print(f"features {found.about}")
    moved = [
        f"{drift.name} in {cell.name}: {percent(drift.difference.value, signed=True)}"
        for cell in found.cells
        for drift in cell.drift
        if drift.difference.low > 0 or drift.difference.high < 0
    ]
    intervals = sum(len(cell.drift) for cell in found.cells)
    if intervals:
        out_console.print(
            f"drift    {len(moved)} of {intervals} intervals exclude 0 (1 in 20 by chance)"
        )
        for line in moved:
            out_console.print(f"         {line}")
    if json_file is not None:
        write_record(json_file, found)
    if run is not None:
        run.write_quality(found, saved.digest)
        out_console.print(f"report   {render(run)}")
        out_console.print(f"card     {write_card(run)}")
