"""Is all well before a run: checks of the generator and the classifiers, their speed, a picture."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.audit.checks import Check
from equipoise.classifiers.panel import Panel
from equipoise.classifiers.preflight import preflight as preflight_classifier
from equipoise.figures import ModelUsed, model_used
from equipoise.files import atomic_path
from equipoise.generators.base import Generator, generate
from equipoise.generators.preflight import preflight as preflight_generator
from equipoise.groups import UNKNOWN, UNKNOWN_NAME
from equipoise.progress import Progress, silent
from equipoise.report.pictures import captioned_sheet
from equipoise.settings import Settings
from equipoise.workers import batches

IMAGES = 256
"""Images that classifiers are checked on."""

_SHOWN, _COLUMNS = 16, 4


@dataclass(frozen=True)
class PartExamined:
    """A generator or a classifier, what was found, and how fast it is.

    Attributes
    ----------
    role, name : str
    models : tuple of ModelUsed
    checks : tuple of Check
    images_per_second : float
        On one thread.
    """

    role: str
    name: str
    models: tuple[ModelUsed, ...]
    checks: tuple[Check, ...]
    images_per_second: float


@dataclass(frozen=True)
class Examination:
    """What the doctor found.

    Attributes
    ----------
    parts : tuple of PartExamined
        The generator, then each classifier.
    calls : int
        Images that `balance` makes and reads with its settings.
    seconds : float
        What they take on one thread, fitting not counted.
    picture : str
        File of 16 images with their answers.
    """

    parts: tuple[PartExamined, ...]
    calls: int
    seconds: float
    picture: str

    @property
    def well(self) -> bool:
        """Whether no check is an issue."""
        return all(check.outcome != "issue" for part in self.parts for check in part.checks)


def examine(
    generator: Generator,
    panel: Panel,
    picture: Path,
    settings: Settings,
    progress: Progress = silent,
) -> Examination:
    """Check and time a generator and a panel, and write a picture of 16 images with their answers.

    Parameters
    ----------
    generator : Generator
    panel : Panel
    picture : Path
        A .png file.
    settings : Settings
        Of the run whose time is expected.
    progress : Progress
        Told of each part.

    Raises
    ------
    ModelOutputError
        When the generator gives no images, or a classifier cannot read them.
    StorageError
        When the picture cannot be written.
    """
    total = 1 + len(panel.classifiers)
    progress("examine", 0, total)
    checks = preflight_generator(generator, seed=settings.seed)
    codes = generator.prior.codes(settings.seed, 0, IMAGES)
    size = generator.batch_size
    made: list[NDArray[np.uint8]] = []

    def make() -> None:
        made[:] = [generate(generator, codes[low:high]) for low, high in batches(0, IMAGES, size)]

    speed = _images_per_second(make)
    images = np.concatenate(made)
    used = model_used("generator", generator)
    parts = [PartExamined("generator", generator.name, used, checks, speed)]
    for i, classifier in enumerate(panel.classifiers, 1):
        progress("examine", i, total)
        checks = preflight_classifier(classifier, images)

        def read(classifier: object = classifier) -> None:
            for low, high in batches(0, IMAGES, size):
                classifier.read(images[low:high])  # type: ignore[attr-defined]

        used = model_used("classifier", classifier)
        speed = _images_per_second(read)
        parts.append(PartExamined("classifier", classifier.name, used, checks, speed))
    progress("examine", total, total)
    _write_picture(picture, images[:_SHOWN], panel)
    calls = settings.n + settings.calibrate_n + settings.measure_n
    seconds = calls * sum(1 / part.images_per_second for part in parts)
    return Examination(tuple(parts), calls, seconds, str(picture))


def _images_per_second(work: Callable[[], None]) -> float:
    """Time the second of two runs over all images: the first warms up."""
    work()
    began = time.perf_counter()
    work()
    return IMAGES / max(time.perf_counter() - began, 1e-9)


def _write_picture(path: Path, images: NDArray[np.uint8], panel: Panel) -> None:
    labels = panel.read(images)
    captions = []
    for i in range(len(images)):
        lines = []
        for a, attribute in enumerate(panel.groups.attributes):
            level = labels.levels[i, a]
            name = UNKNOWN_NAME if level == UNKNOWN else attribute.levels[level]
            lines.append(f"{attribute.name}: {name}, {labels.probabilities[a][i].max():.2f}")
        captions.append("\n".join(lines))
    with atomic_path(path) as part:
        captioned_sheet(images, captions, _COLUMNS).save(part, format="PNG")
