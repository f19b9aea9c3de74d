"""The comparison of all methods on one case; results are stored, and stored ones are reused."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from equipoise.classifiers import ClassifierPanel
from equipoise.classifiers.models import Models
from equipoise.compare.baselines import BASELINES
from equipoise.compare.case import Case
from equipoise.compare.reference import Pool, check_size
from equipoise.compare.scores import Result, Score, score
from equipoise.compare.stored import StoredResults
from equipoise.core.errors import InputError, check_count
from equipoise.core.labels import Labels
from equipoise.core.progress import Engine, Execution, Progress, no_progress
from equipoise.core.seeds import Stream, child_seed
from equipoise.core.settings import Settings
from equipoise.core.targets import Target, parse_target
from equipoise.generators.base import Generator
from equipoise.labelling.collect import collect
from equipoise.measure.features import open_features
from equipoise.measure.features.base import JoinedFeatures
from equipoise.measure.features.offline import PixelFeatures
from equipoise.measure.representation import represent
from equipoise.measure.verdict import measured_n
from equipoise.methods import FitContext
from equipoise.pipeline import open_models
from equipoise.runs.folder import RunFolder

_RESULT = 2
"""Version of what is stored of a method."""

FEATURES = ("pixels", "age")
"""Default features for distances: colours, without the blind spots of a network, and a network."""


def run_case(
    case: Case,
    folder: Path,
    progress: Progress = no_progress,
    on_result: Callable[[str, Result], None] = lambda method, result: None,
) -> dict[str, Result]:
    """Measure every method of `BASELINES` on a case, and return all results by method.

    Parameters
    ----------
    case : Case
    folder : Path
        Stores one result per method; methods with a stored result are not measured again.
    progress : Progress
        Reports completed methods, as stage "compare".
    on_result : callable
        Called with each new method and its result.

    Raises
    ------
    InputError
        When the folder holds results of another case.
    """
    panel, workers = case.context.models.panel, case.context.settings.workers

    def measuring() -> Callable[[str], Score]:
        references = case.pool.pictures(panel, case.target, workers)
        return lambda method: score(case, BASELINES[method](case), references)

    return _stored(folder).fill(_identity(case), measuring, progress, on_result)


def compare(
    settings: Settings,
    folder: Path,
    pool: int,
    features: Sequence[str] = FEATURES,
    progress: Progress = no_progress,
    on_result: Callable[[str, Result], None] = lambda method, result: None,
    engine: Engine | None = None,
) -> dict[str, Result]:
    """Compare all methods on the generator, attributes and target of the settings.

    Parameters
    ----------
    settings : Settings
        `n` is the number of labels of every method, `measure_n` the number of its draws.
    folder : Path
        Stores labels and results; an interrupted comparison is resumed from it.
    pool : int
        Number of codes of the prior that are labelled for the references. A cell of share s has
        s * pool / 3 images in each of two references; the other third serves as candidates.
    features : sequence of str
        Names of features for distances, see `open_features`; coverage uses the first.
    progress : Progress
    on_result : callable
        Called with each new method and its result.
    engine : Engine, optional
        Where the codes of the prior are labelled; threads of this process by default.

    Raises
    ------
    InputError
        When the pool breaks its rule, or the target wants nothing of a cell.
    InsufficientLabelsError
        When a cell has fewer than two codes in the pool, or `measure_n` is too small for one image
        of each.
    """
    # A part of the tilt's labels is directed, for any method that the settings name.
    settings = replace(settings, method="tilt", beside=())
    check_count("pool", pool, "Pass --pool 100000.", least=2)
    models = open_models(settings)
    generator, panel = models.generator, models.panel
    spec = parse_target(settings.target, panel.grid)
    if not spec.needs_prior:
        _measured(settings, spec.resolve(None))
    workers = settings.workers

    def labels(n: int, seed: int, name: str) -> Labels:
        table = collect(
            models,
            n,
            seed,
            folder / name,
            execution=Execution(workers=workers, progress=progress, engine=engine),
        )
        return table.labels()

    own = labels(settings.n, settings.seed, "labels")
    measured = _measured(settings, _target(settings, own))
    seed = child_seed(settings.seed, Stream.COMPARED_POOL)
    joined = open_joined(features, generator, settings.device)
    reference = Pool(generator, labels(pool, seed, "pool"), seed, measured, joined)
    case = make_case(reference, panel, own, settings, folder)
    return run_case(case, folder / "results", progress, on_result)


def open_joined(names: Sequence[str], generator: Generator, device: str = "cpu") -> JoinedFeatures:
    """Open features of a generator's images by name, to be computed in one pass.

    Parameters
    ----------
    names : sequence of str
        "pixels", or a name as for `open_features`.
    generator : Generator
    device : str

    Raises
    ------
    InputError
        When none is named, or one is unknown.
    """
    if not names or len(set(names)) < len(names):
        raise InputError("features", "must be one or more, each once", names, "Pass pixels.")
    channels = generator.image_shape[0]
    return JoinedFeatures(
        [
            PixelFeatures(channels) if name == "pixels" else open_features(name, device=device)
            for name in names
        ]
    )


def make_case(
    pool: Pool, panel: ClassifierPanel, labels: Labels, settings: Settings, folder: Path
) -> Case:
    """Return a case of labels of the prior and the target of settings; draws go to `folder`."""
    context = FitContext(
        Models(pool.generator, panel),
        labels,
        _target(settings, labels),
        settings,
        RunFolder(folder).draws,
    )
    return Case(context, pool, pool.n)


def _target(settings: Settings, labels: Labels) -> Target:
    """Return the target of settings; one that needs the prior's shares takes those of labels."""
    spec = parse_target(settings.target, labels.grid)
    return spec.resolve([cell.share for cell in represent(labels).cells])


def _measured(settings: Settings, target: Target) -> int:
    """Return the draws that are measured of each method, after checking them."""
    measured = measured_n(settings.measure_n, target.shares)
    check_size(measured, target)
    return measured


def read_results(folder: Path) -> dict[str, Result]:
    """Return the results in a folder, in the order of `BASELINES`.

    Raises
    ------
    FileFormatError
        When a result cannot be read.
    """
    return _stored(folder).read()


def _stored(folder: Path) -> StoredResults[Score]:
    return StoredResults(folder, tuple(BASELINES), Score)


def _identity(case: Case) -> str:
    """Return all that determines the results of a case, as JSON."""
    return json.dumps(
        {
            "settings": case.context.settings.to_dict(),
            "generator": case.generator.digest,
            "panel": case.context.models.panel.digest,
            "pool": [case.pool.seed, len(case.pool.labels), case.pool.n],
            "features": case.pool.features.digest,
            "n": case.n,
            "result": _RESULT,
        },
        sort_keys=True,
    )
