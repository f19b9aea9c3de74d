"""A finished run in an experiment tracker: settings, shares, statements, report, plots, pictures.

One run folder is one run of the tracker: `mlflow.json` and its like in the folder hold its name
there, so that the same command logs to it again. Other settings begin another run.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from equipoise.core.errors import EquipoiseError, InputError, RemoteError
from equipoise.core.estimates import Estimate
from equipoise.core.plugins import install, load_library
from equipoise.core.records import read_record, write_record
from equipoise.core.settings import Settings
from equipoise.measure.representation import MixShare
from equipoise.runs.folder import RunFolder
from equipoise.runs.record import RunRecord

if TYPE_CHECKING:
    from equipoise.report.figures import Figure

_PROJECT = "equipoise"
"""MLflow's experiment and the project of Weights & Biases."""

_MOST_METRICS, _MOST_PARAMETERS = 1000, 100
"""What MLflow takes in one request."""


@dataclass(frozen=True)
class TrackedRun:
    """Where a run was logged; the layout of a tracker's file in the run folder.

    Attributes
    ----------
    store : str
        Address of the tracker's store.
    id : str
        Name of the run there.
    settings : str
        SHA-256 of the settings that decide the numbers.
    """

    store: str
    id: str
    settings: str


@dataclass(frozen=True)
class RunFacts:
    """What a tracker is given of a run.

    Attributes
    ----------
    name : str
    folder : Path
    settings : dict of str to str
    numbers : dict of str to float
        Finite ones, by name: "tilt/share/smiling_yes.skin_tone_dark".
    files : tuple of Path
        Report, record, card and settings.
    pictures : tuple of Path
    plots : dict of str to Figure
        By name; they are written as PNG files into FOLDER/plots when a run is logged.
    """

    name: str
    folder: Path
    settings: dict[str, str]
    numbers: dict[str, float]
    files: tuple[Path, ...]
    pictures: tuple[Path, ...]
    plots: dict[str, Figure]

    @property
    def written_plots(self) -> tuple[Path, ...]:
        """Files of the plots."""
        return tuple(self.folder / "plots" / f"{name}.png" for name in self.plots)

    @property
    def images(self) -> dict[str, Path]:
        """Files of pictures and plots by name, "plots/shares"."""
        kinds = (("pictures", self.pictures), ("plots", self.written_plots))
        return {f"{kind}/{path.stem}": path for kind, paths in kinds for path in paths}

    @property
    def digest(self) -> str:
        """SHA-256 of the settings that decide the numbers."""
        deciding = {name: value for name, value in self.settings.items() if name != "workers"}
        return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()


def check_tracker(name: str) -> None:
    """Check that a tracker is known, and its library installed.

    Raises
    ------
    InputError
        Otherwise.
    """
    _library(name)


def log_run(folder: Path | str, tracker: str) -> TrackedRun:
    """Log a finished run to a tracker; again where it was logged before.

    Parameters
    ----------
    folder : Path
        Run folder.
    tracker : str
        "mlflow", "wandb" or "tensorboard". Its own environment variables say where it keeps runs;
        TensorBoard's are kept in the run folder.

    Raises
    ------
    FileFormatError
        When the folder holds no finished run.
    InputError
        When the tracker is not known, or its library not installed.
    RemoteError
        When the tracker does not take the run.
    """
    return log_facts(run_facts(RunFolder(Path(folder))), tracker)


def log_facts(facts: RunFacts, tracker: str) -> TrackedRun:
    """Log what is known of a finished run to a tracker; raises as `log_run`."""
    from equipoise.report.plots import write_figure

    library = _library(tracker)
    place, known = facts.folder / f"{tracker}.json", None
    for name, figure in facts.plots.items():
        write_figure(figure, facts.folder / "plots" / f"{name}.png")
    if place.is_file():
        known = read_record(place, TrackedRun, "Delete it; the run is then logged as a new one.")
        known = known if known.settings == facts.digest else None
    try:
        store, name = _TRACKERS[tracker].log(library, facts, known)
    except EquipoiseError:
        raise
    except Exception as error:  # Each library has its own.
        raise RemoteError(
            f"tracker {tracker}",
            "must take the run",
            f"{type(error).__name__}: {error}",
            f"{facts.folder} is whole. Mend the cause, and give the same command again.",
        ) from error
    found = TrackedRun(store, name, facts.digest)
    write_record(place, found)
    return found


def run_facts(run: RunFolder) -> RunFacts:
    """Return what a tracker is given of a finished run.

    Raises
    ------
    FileFormatError
        When the record is missing or damaged.
    """
    from equipoise.report.plots import confusion_figure, frontier_figure, share_figure

    record = run.read_record()
    series = [("prior", record.prior)] + [(r.method, r.representation) for r in record.results]
    plots = {"shares": share_figure([(name, mix.cells) for name, mix in series])}
    for result in record.results:
        counts = result.confusion.counts.tolist()
        cells = [share.name for share in record.prior.cells]
        plots[f"{result.method}-confusion"] = confusion_figure(cells, counts)
        if result.tilt:
            own = result.tilt.verified[0].cells
            plots[f"{result.method}-frontier"] = frontier_figure(result.tilt.frontier, own)
    files = ("report.html", "record.json", "card.json", "card.md", "settings.toml")
    return RunFacts(
        name=run.path.resolve().name,
        folder=run.path,
        settings=settings_as_text(record.settings),
        numbers=finite(_numbers(record)),
        files=tuple(path for path in map(run.path.joinpath, files) if path.is_file()),
        pictures=tuple(sorted((run.path / "pictures").glob("*.png"))),
        plots=plots,
    )


def settings_as_text(settings: Settings) -> dict[str, str]:
    """Return settings by name."""
    return {
        name: ", ".join(value) if isinstance(value, list) else str(value)
        for name, value in settings.to_dict().items()
    }


def finite(numbers: Iterable[tuple[str, float | None]]) -> dict[str, float]:
    """Return the finite ones of named numbers."""
    return {
        name: float(value) for name, value in numbers if value is not None and math.isfinite(value)
    }


def _numbers(record: RunRecord) -> Iterator[tuple[str, float | None]]:
    """Yield the numbers of a run by name; intervals of shares are simultaneous ones."""
    series = [("prior", record.prior)] + [(r.method, r.representation) for r in record.results]
    for method, mix in series:
        yield from _shares(f"{method}/share", mix.cells)
        yield from ((f"{method}/{name}", getattr(mix, name)) for name in ("n", "unknown"))
        yield f"{method}/kl", mix.kl
        yield f"{method}/kl_floor", mix.kl_floor
        yield f"{method}/total_variation", mix.total_variation
    for result in record.results:
        yield f"{result.method}/calls_per_image", result.calls_per_image
        for mode in result.tilt.verified if result.tilt else ():
            tags = tags_of(cell.cell for cell in mode.cells)
            about = f"{result.method}/verified_{mode.faithful}"
            yield from estimate_numbers(f"{about}/calls", mode.calls)
            for tag, cell in zip(tags, mode.cells, strict=True):
                for name in ("faithfulness", "purity", "calls", "effective"):
                    yield from estimate_numbers(f"{about}/{name}/{tag}", getattr(cell, name))


def estimate_numbers(about: str, found: Estimate) -> Iterator[tuple[str, float | None]]:
    """Yield a number and the ends of its interval by name."""
    yield about, found.value
    yield f"{about}/low", found.low
    yield f"{about}/high", found.high


def _shares(about: str, shares: tuple[MixShare, ...]) -> Iterator[tuple[str, float | None]]:
    for tag, share in zip(tags_of(one.name for one in shares), shares, strict=True):
        yield f"{about}/{tag}", share.share
        yield f"{about}/{tag}/low", share.joint[0]
        yield f"{about}/{tag}/high", share.joint[1]
        yield f"{about}/{tag}/target", share.target


def tags_of(names: Iterable[str]) -> list[str]:
    """Return names that every tracker takes, all different."""
    tags: list[str] = []
    for name in names:
        tag = re.sub(r"[^\w. -]", "_", name.replace(", ", "."))
        tags.append(tag if tag not in tags else f"{tag}_{len(tags)}")
    return tags


def _to_mlflow(mlflow: Any, facts: RunFacts, known: TrackedRun | None) -> tuple[str, str]:
    from mlflow.entities import Metric, Param

    client = mlflow.MlflowClient()
    store = str(client.tracking_uri)
    if known is not None and known.store == store:
        name = known.id
    else:
        experiment = client.get_experiment_by_name(_PROJECT)
        number = experiment.experiment_id if experiment else client.create_experiment(_PROJECT)
        name = client.create_run(number, run_name=facts.name).info.run_id
    now = int(time.time() * 1000)
    metrics = [Metric(key, value, now, 0) for key, value in facts.numbers.items()]
    parameters = [Param(key, value) for key, value in facts.settings.items()]
    for start in range(0, len(metrics), _MOST_METRICS):
        client.log_batch(name, metrics=metrics[start : start + _MOST_METRICS])
    for start in range(0, len(parameters), _MOST_PARAMETERS):
        client.log_batch(name, params=parameters[start : start + _MOST_PARAMETERS])
    for path in facts.files:
        client.log_artifact(name, str(path))
    for path in facts.pictures:
        client.log_artifact(name, str(path), "pictures")
    for path in facts.written_plots:
        client.log_artifact(name, str(path), "plots")
    client.set_terminated(name)
    return store, name


def _to_wandb(wandb: Any, facts: RunFacts, known: TrackedRun | None) -> tuple[str, str]:
    with wandb.init(
        project=_PROJECT,
        name=facts.name,
        id=known.id if known else None,
        resume="allow",
        dir=str(facts.folder),
        config=facts.settings,
        settings=wandb.Settings(console="off", silent=True),
    ) as run:
        run.summary.update(facts.numbers)
        run.log({name: wandb.Image(str(path)) for name, path in facts.images.items()})
        artifact = wandb.Artifact(f"run-{run.id}", type="run")
        for path in facts.files:
            artifact.add_file(str(path))
        run.log_artifact(artifact)
        return str(run.project_url or ""), str(run.id)


def _to_tensorboard(library: Any, facts: RunFacts, _: TrackedRun | None) -> tuple[str, str]:
    import numpy as np
    from PIL import Image

    place = facts.folder / "tensorboard"
    for old in place.glob("events.out.tfevents.*"):
        old.unlink()
    with library.SummaryWriter(str(place)) as writer:
        for name, value in facts.numbers.items():
            writer.add_scalar(name, value, 0)
        rows = "\n".join(f"| {name} | {value} |" for name, value in facts.settings.items())
        writer.add_text("settings", f"| setting | value |\n|---|---|\n{rows}", 0)
        for path in facts.files:
            if path.suffix == ".md":
                writer.add_text(path.name, path.read_text(encoding="utf-8"), 0)
        for name, path in facts.images.items():
            with Image.open(path) as picture:
                image = np.asarray(picture.convert("RGB"))
            writer.add_image(name, image, 0, dataformats="HWC")
    return str(place), facts.name


@dataclass(frozen=True)
class _Tracker:
    """A tracker's module, and what logs to it: it returns the store and the run's name there."""

    module: str
    log: Callable[[Any, RunFacts, TrackedRun | None], tuple[str, str]]


_TRACKERS = {
    "mlflow": _Tracker("mlflow", _to_mlflow),
    "wandb": _Tracker("wandb", _to_wandb),
    "tensorboard": _Tracker("torch.utils.tensorboard", _to_tensorboard),
}


TRACKER_FILES = tuple(f"{name}.json" for name in _TRACKERS)
"""Files of a run folder that name the run in a tracker."""


def _library(name: str) -> Any:
    if name not in _TRACKERS:
        known = ", ".join(_TRACKERS)
        raise InputError("tracker", f"must be one of {known}", name, "Correct --log.")
    remedy = f"{install(name)}, or leave --log out."
    return load_library(f"tracker {name}", _TRACKERS[name].module, remedy)
