"""The whole flow in order: label, fit, measure, tell. The only file that knows the order."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from equipoise.classifiers import ClassifierPanel, open_panel
from equipoise.core.errors import InsufficientLabelsError
from equipoise.core.progress import Progress, no_progress
from equipoise.core.settings import Settings
from equipoise.core.targets import parse_target
from equipoise.core.versions import versions
from equipoise.generators import Generator, open_generator
from equipoise.labelling.collect import collect
from equipoise.measure.representation import represent
from equipoise.measure.sampler import measure_sampler
from equipoise.methods import METHODS, FitContext, FitResult
from equipoise.methods.shift.hyperplanes import save_directions
from equipoise.report.card import write_card
from equipoise.report.contact_sheets import write_pictures
from equipoise.report.run_page import render
from equipoise.runs import folder as store
from equipoise.runs.record import (
    Cost,
    DirectionsInfo,
    ModelUsed,
    Result,
    RunRecord,
    directions_info,
    model_used,
)
from equipoise.samplers.file import save_sampler
from equipoise.samplers.sampler import GeneratorRef, Sampler

_MEASURE_SEED = 2**60
"""Added to a run's seed for the draws that measure, of which nothing was learnt."""


@dataclass(frozen=True, eq=False)
class BalancedRun:
    """A finished run.

    Attributes
    ----------
    sampler : Sampler
        Draws the balanced codes.
    figures : RunRecord
        Every number of the run.
    folder : Path
        Holds everything, the report included.
    """

    sampler: Sampler
    record: RunRecord
    folder: Path


def open_named(settings: Settings) -> Generator:
    """Return the generator that the settings name."""
    return open_generator(
        settings.generator, device=settings.device, batch_size=settings.batch_size
    )


def open_models(settings: Settings) -> tuple[Generator, ClassifierPanel]:
    """Return the generator and the classifiers that the settings name, fetched when need be."""
    generator = open_named(settings)
    return generator, _open_named_panel(settings, generator)


def _open_named_panel(settings: Settings, generator: Generator) -> ClassifierPanel:
    return open_panel(
        settings.attributes,
        generator,
        abstain_below=settings.abstain_below,
        classifiers=settings.classifiers,
    )


def balance(
    settings: Settings,
    folder: Path | str,
    progress: Progress = no_progress,
    *,
    generator: Generator | None = None,
    panel: ClassifierPanel | None = None,
) -> BalancedRun:
    """Balance a generator: from its name to a sampler, its measured mix and a report.

    A run that was stopped goes on from what the folder holds.

    Parameters
    ----------
    settings : Settings
        What to do.
    folder : Path
        The run folder; made when missing.
    progress : Progress
        Told of each stage.
    generator : Generator, optional
        Your own, in place of the one that `settings.generator` names.
    panel : ClassifierPanel, optional
        Your own classifiers, in place of those that the settings name.

    Raises
    ------
    EquipoiseError
        When a setting, a model or the disk fails; what was computed is kept.
    """
    run = store.RunFolder(Path(folder))
    if generator is None:
        generator = open_named(settings)
    else:
        settings = replace(settings, generator=generator.name)
    if panel is None:
        panel = _open_named_panel(settings, generator)
    settings = replace(settings, attributes=panel.grid.names)
    # A bad target fails before labels are paid for.
    parse_target(settings.target, panel.grid, np.ones(panel.grid.size))
    workers, seed = settings.workers, settings.seed

    began = time.perf_counter()
    table = collect(
        generator, panel, settings.prior_n, seed, run.labels, workers=workers, progress=progress
    )
    labels = table.labels()
    if not (labels.cells >= 0).any():
        raise InsufficientLabelsError(
            "labels",
            "must have some of a known cell",
            f"none of {len(labels):,}",
            "Lower --abstain-below.",
        )
    shares = [share.share for share in represent(labels).cells]
    target = parse_target(settings.target, panel.grid, shares)

    labelled = time.perf_counter()
    context = FitContext(generator, panel, labels, target, settings, run.draws, progress)
    made: dict[str, FitResult] = {}
    for method in dict.fromkeys((settings.method, *settings.beside)):
        fitted = METHODS[method](context)
        if not made:
            # Results of another run stay until there is something in their place.
            run.clear_results()
            run.clear_later(fitted.sampler.digest)
            run.write_settings(settings)
        made[method] = fitted
        save_sampler(fitted.sampler, run.sampler_of(method, settings.method))
    quality = _try_directions(context, run)

    fitted_at = time.perf_counter()
    results = []
    for method, fitted in made.items():
        measured = measure_sampler(
            fitted.sampler,
            generator,
            panel,
            settings.measure_n,
            (seed + _MEASURE_SEED) % 2**63,
            run.draws(fitted.sampler.digest, "measure"),
            workers=workers,
            progress=progress,
        )
        results.append(
            Result(
                method,
                measured.representation,
                measured.confusion,
                1.0,
                fitted.shift,
                fitted.tilt,
            )
        )
    cost = Cost(
        settings.n,
        table.computed,
        labelled - began,
        fitted_at - labelled,
        time.perf_counter() - fitted_at,
    )

    record = RunRecord(
        settings.to_dict(),
        GeneratorRef.of(generator),
        models_used(generator, panel),
        panel.caveats,
        panel.grid,
        target,
        represent(labels, target),
        quality,
        tuple(results),
        cost,
        versions(),
    )
    run.write_record(record)
    samplers = {method: fitted.sampler for method, fitted in made.items()}
    write_pictures(run, generator, panel, labels, seed, samplers)
    render(run)
    write_card(run)
    return BalancedRun(samplers[settings.method], record, run.path)


def _try_directions(context: FitContext, run: store.RunFolder) -> DirectionsInfo:
    """Fit and save the directions for the report, or say why there are none."""
    try:
        save_directions(context.directions, run.directions)
    except InsufficientLabelsError as error:
        return DirectionsInfo((), (), (), note=str(error))
    return directions_info(context.directions)


def models_used(generator: Generator, panel: ClassifierPanel) -> tuple[ModelUsed, ...]:
    """Name every model that took part, with licence and citation where it is pinned."""
    found = model_used("generator", generator)
    for classifier in panel.classifiers:
        found += model_used("classifier", classifier)
    return found
