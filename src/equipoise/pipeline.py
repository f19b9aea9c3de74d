"""The whole flow in order: label, fit, measure, report. The only file that knows the order."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from equipoise.classifiers import ClassifierPanel, open_panel
from equipoise.classifiers.models import ModelAddresses, Models
from equipoise.core.errors import InsufficientLabelsError
from equipoise.core.frames import Tabular
from equipoise.core.labels import Labels
from equipoise.core.progress import Engine, Execution, Progress, no_progress
from equipoise.core.seeds import Stream, child_seed
from equipoise.core.settings import Settings
from equipoise.core.targets import parse_target
from equipoise.core.versions import versions
from equipoise.generators import Generator, open_generator
from equipoise.generators.neighbours import check_neighbours
from equipoise.labelling.collect import collect
from equipoise.measure.lighting import DrawnImages, Lighting, is_tone, lighting_of
from equipoise.measure.representation import Representation, Shares, represent
from equipoise.measure.sampler import MeasuredSampler, measure_sampler
from equipoise.methods import FitContext, FitResult, fit
from equipoise.methods.shift.hyperplanes import save_directions
from equipoise.report.card import write_card
from equipoise.report.contact_sheets import write_first_pictures, write_pictures, write_sheet
from equipoise.report.plots import Plot, share_figure
from equipoise.report.run_page import render
from equipoise.runs.folder import LIGHTING, RunFolder
from equipoise.runs.place import RunPlace
from equipoise.runs.record import (
    Cost,
    DirectionsInfo,
    ModelUsed,
    Result,
    RunRecord,
    directions_info,
    model_used,
)
from equipoise.runs.status import device_caveats
from equipoise.samplers.file import save_sampler
from equipoise.samplers.sampler import GeneratorRef, Sampler

_LIT = 300
"""Draws whose lighting is examined; chosen by hand: the interval of a correlation is +-.11 wide."""


@dataclass(frozen=True, eq=False)
class BalancedRun(Tabular):
    """A finished run.

    Attributes
    ----------
    sampler : Sampler
        Draws the balanced codes.
    record : RunRecord
        Every number of the run.
    folder : Path
        Holds everything, the report included; of a run in a store all but the labels.
    """

    sampler: Sampler
    record: RunRecord
    folder: Path

    @property
    def representation(self) -> Representation:
        """The mix of new draws of the sampler, compared with the target."""
        return self.record.results[0].representation

    def shares(self) -> Shares:
        """Return the share of each cell in new draws of the sampler; a notebook shows a table.

        Each has `name`, `share`, its exact interval at 95 % as `low` and `high`, `target`, and
        `joint`, the simultaneous interval at 95 % over all cells.
        """
        return Shares(self.representation.cells)

    def table(self) -> pa.Table:
        """Return the shares of cells and levels; the columns are those of `Representation`."""
        return self.representation.table()

    def plot(self) -> Plot:
        """Return the shares of the cells with simultaneous intervals, beside the prior's own."""
        return Plot(share_figure([("prior", self.record.prior.cells), ("balanced", self.shares())]))

    def _repr_html_(self) -> str:
        report = escape(str(RunFolder(self.folder).report))
        return f"{self.representation._repr_html_()}<p>Report: <code>{report}</code></p>"


def open_models(settings: Settings) -> Models:
    """Open the generator and the classifiers that the settings name; fetch what the cache lacks."""
    return ModelAddresses.of(settings).open()


def open_named(settings: Settings) -> Generator:
    """Open the generator that the settings name."""
    return open_generator(
        settings.generator, device=settings.device, batch_size=settings.batch_size
    )


def _open_panel(settings: Settings, generator: Generator) -> ClassifierPanel:
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
    engine: Engine | None = None,
) -> BalancedRun:
    """Balance a generator: from its name to a sampler, its measured mix and a report.

    A stopped run continues from what the folder holds.

    Parameters
    ----------
    settings : Settings
    folder : Path or str
        The run folder, made when missing; or its address in a store, "s3://bucket/run". Labels are
        then written there, and all else when the run is finished.
    progress : Progress
        Called at each step of each stage.
    generator : Generator, optional
        Your own, in place of the one that `settings.generator` names.
    panel : ClassifierPanel, optional
        Your own classifiers, in place of those that the settings name.
    engine : Engine, optional
        Where codes are labelled, of `equipoise.engines`; threads of this process by default. It
        needs the generator and the classifiers that the settings name.

    Raises
    ------
    EquipoiseError
        When a setting, a model or the disk fails; what was computed is kept.
    """
    place, execution = RunPlace.of(folder), Execution(settings.workers, progress, engine)
    run = place.folder
    own = generator or open_named(settings)
    if generator is not None:
        check_neighbours(generator)
    # Workers check that these addresses give the same models.
    addresses = None if generator is not None else ModelAddresses.of(settings)
    models = Models(own, panel or _open_panel(settings, own), addresses, settings.mixed_devices)
    settings = replace(
        settings,
        generator=settings.generator if generator is None else own.name,
        attributes=models.panel.grid.names,
    )
    spec = parse_target(settings.target, models.panel.grid)

    if not run.labels.exists():
        write_first_pictures(run, own, settings.seed)
    times = [time.perf_counter()]
    table = collect(models, settings.prior_n, settings.seed, place.labels, execution=execution)
    labels = _some_known(table.labels())
    target = spec.resolve([share.share for share in represent(labels).cells])
    times.append(time.perf_counter())

    context = FitContext(models, labels, target, settings, place.draws, execution)
    fitted = _fit_methods(context, run)
    directions = _try_directions(context, run)
    times.append(time.perf_counter())
    samplers = {method: found.sampler for method, found in fitted.items()}
    write_pictures(run, models, labels, settings.seed, samplers)

    began = time.perf_counter()
    measured = {method: _measure(found, context) for method, found in fitted.items()}
    lighting = _examine_lighting(
        samplers[settings.method], measured[settings.method].labels, context, run
    )
    measuring = time.perf_counter() - began

    record = RunRecord(
        settings=settings,
        generator=GeneratorRef.of(own),
        models=models_used(models),
        caveats=(*models.caveats, *_device_caveats(place, settings)),
        grid=models.panel.grid,
        target=target,
        prior=represent(labels, target),
        directions=directions,
        results=tuple(
            Result(
                method=method,
                representation=measured[method].representation,
                confusion=measured[method].confusion,
                calls_per_image=1.0,
                shift=found.shift,
                tilt=found.tilt,
            )
            for method, found in fitted.items()
        ),
        cost=Cost(
            labels=settings.n,
            labels_computed=table.computed,
            seconds_labelling=times[1] - times[0],
            seconds_fitting=times[2] - times[1],
            seconds_measuring=measuring,
        ),
        versions=versions(),
        lighting=lighting,
    )
    run.write_record(record)
    render(run)
    write_card(run)
    place.publish()
    return BalancedRun(samplers[settings.method], record, run.path)


def _device_caveats(place: RunPlace, settings: Settings) -> tuple[str, ...]:
    return device_caveats(str(place.home)) if settings.mixed_devices else ()


def _some_known(labels: Labels) -> Labels:
    """Return the labels, or refuse them when none is of a known cell."""
    if not (labels.cells >= 0).any():
        raise InsufficientLabelsError(
            "labels",
            "must have some of a known cell",
            f"none of {len(labels):,}",
            "Lower --abstain-below.",
        )
    return labels


def _fit_methods(context: FitContext, run: RunFolder) -> dict[str, FitResult]:
    """Fit the chosen method and those beside it, and save their samplers."""
    settings = context.settings
    fitted: dict[str, FitResult] = {}
    for method in dict.fromkeys((settings.method, *settings.beside)):
        found = fit(method, context)
        if not fitted:
            # Results of another run stay until there is something in their place.
            run.clear_results()
            run.clear_later(found.sampler.digest)
            run.write_settings(settings)
        fitted[method] = found
        save_sampler(found.sampler, run.sampler_of(method, settings.method))
    return fitted


def _measure(fitted: FitResult, context: FitContext) -> MeasuredSampler:
    """Measure a method on new draws, which nothing was fitted to."""
    settings = context.settings
    return measure_sampler(
        fitted.sampler,
        context.models,
        settings.measure_n,
        child_seed(settings.seed, Stream.MEASURED_DRAWS),
        context.draws_folder(fitted.sampler.digest, "measure"),
        execution=context.execution,
    )


def _examine_lighting(
    sampler: Sampler, labels: Labels, context: FitContext, run: RunFolder
) -> Lighting | None:
    """Return what lighting explains of the skin tone of the first draws, made once more."""
    if not any(is_tone(labels.grid, name) for name in labels.grid.names):
        return None
    some = labels.take(slice(0, _LIT))
    seed = child_seed(context.settings.seed, Stream.MEASURED_DRAWS)
    drawn = DrawnImages(context.generator, sampler.draw(len(some), seed).codes, some)

    def write(images: NDArray[np.uint8]) -> str:
        path = run.picture(LIGHTING)
        write_sheet(path, images, synthetic=True)
        return path.name

    return lighting_of(drawn.known(), labels.grid.names, write)


def _try_directions(context: FitContext, run: RunFolder) -> DirectionsInfo:
    """Fit and save the directions for the report, or record why there are none."""
    try:
        save_directions(context.directions, run.directions)
    except InsufficientLabelsError as error:
        return DirectionsInfo(planes=(), normals=(), cosines=(), note=str(error))
    return directions_info(context.directions)


def models_used(models: Models) -> tuple[ModelUsed, ...]:
    """Name every model that took part, with licence and citation where it is pinned."""
    found = model_used("generator", models.generator)
    for classifier in models.panel.classifiers:
        found += model_used("classifier", classifier)
    return found
