"""The examination before a run: checks, speeds, and a picture of images with predictions."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.audit.preflight.checks import check_classifier as preflight_classifier
from equipoise.audit.preflight.checks import check_generator as preflight_generator
from equipoise.classifiers.base import Classifier
from equipoise.classifiers.panel import ClassifierPanel
from equipoise.classifiers.remote import RemoteClassifier
from equipoise.core.attributes import UNKNOWN, UNKNOWN_NAME
from equipoise.core.checks import Check
from equipoise.core.errors import ModelOutputError, check_count
from equipoise.core.labels import Labels
from equipoise.core.parallel import batches
from equipoise.core.progress import Progress, no_progress
from equipoise.core.settings import Settings
from equipoise.core.targets import Target
from equipoise.generators.base import Generator, generate
from equipoise.measure.verdict import measured_n
from equipoise.report.contact_sheets import captioned_sheet, save_sheet
from equipoise.runs.record import ModelUsed, model_used

_SHOWN, _COLUMNS = 16, 4
"""Images in the picture, and in a row of it."""

_LEAST = 16
"""Fewest images that the checks of a classifier need."""


@dataclass(frozen=True, kw_only=True)
class PartExamined:
    """A generator or a classifier with its checks and its speed.

    Attributes
    ----------
    role, name : str
    models : tuple of ModelUsed
    checks : tuple of Check
    images_per_second : float
        On one thread; of a service over all its requests. NaN where all its answers were cached.
    """

    role: str
    name: str
    models: tuple[ModelUsed, ...]
    checks: tuple[Check, ...]
    images_per_second: float


@dataclass(frozen=True, kw_only=True)
class Examination:
    """The result of an examination.

    Attributes
    ----------
    parts : tuple of PartExamined
        The generator, then each classifier.
    calls : int
        Images that `balance` generates and classifies with the given settings.
    seconds : float
        Expected time for them on one thread, without fitting; NaN where a speed is not known.
    picture : str
        File of 16 images with their predictions.
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
    panel: ClassifierPanel,
    picture: Path,
    settings: Settings,
    n: int = 256,
    progress: Progress = no_progress,
) -> Examination:
    """Check and time a generator and a panel, and write a picture of 16 images with predictions.

    Parameters
    ----------
    generator : Generator
    panel : ClassifierPanel
    picture : Path
        A .png file.
    settings : Settings
        Of the run whose time is estimated.
    n : int
        Images that classifiers are checked on, at least 16. Each is classified six times, once with
        red and blue swapped.
    progress : Progress
        Reports each part.

    Raises
    ------
    InputError
        When n breaks its rule.
    ModelOutputError
        When the generator returns no images, or a classifier fails on them.
    StorageError
        When the picture cannot be written.
    """
    check_count("n", n, "Pass --n 256.", least=_LEAST)
    total = 1 + len(panel.classifiers)
    progress("examine", 0, total)
    checks = preflight_generator(generator, seed=settings.seed)
    codes = generator.prior.codes(settings.seed, 0, n)
    size = generator.batch_size
    chunks: list[NDArray[np.uint8]] = []

    def make() -> None:
        chunks[:] = [generate(generator, codes[low:high]) for low, high in batches(0, n, size)]

    speed = n / _seconds(make)
    images = np.concatenate(chunks)
    used = model_used("generator", generator)
    parts = [
        PartExamined(
            role="generator",
            name=generator.name,
            models=used,
            checks=checks,
            images_per_second=speed,
        )
    ]
    for i, classifier in enumerate(panel.classifiers, 1):
        progress("examine", i, total)
        checks = preflight_classifier(classifier, images)
        used = model_used("classifier", classifier)
        speed = _speed(classifier, images, size)
        parts.append(
            PartExamined(
                role="classifier",
                name=classifier.name,
                models=used,
                checks=checks,
                images_per_second=speed,
            )
        )
    progress("examine", total, total)
    _write_picture(picture, images[:_SHOWN], panel)
    calls = settings.n + measured_n(settings.measure_n, Target.uniform(panel.grid).shares)
    seconds = calls * sum(1 / part.images_per_second for part in parts)
    return Examination(parts=tuple(parts), calls=calls, seconds=seconds, picture=str(picture))


def _speed(classifier: Classifier, images: NDArray[np.uint8], size: int) -> float:
    """Return images classified per second.

    A service is not timed here, because a second call would be answered from its cache; its own
    counts are used.
    """
    if isinstance(classifier, RemoteClassifier):
        tally = classifier.tally
        return tally.asked / tally.seconds if tally.asked else np.nan

    def predict() -> None:
        for low, high in batches(0, len(images), size):
            classifier.predict(images[low:high])

    return len(images) / _seconds(predict)


def _seconds(work: Callable[[], None]) -> float:
    """Return the seconds of the second of two runs; the first one warms up."""
    work()
    began = time.perf_counter()
    work()
    return max(time.perf_counter() - began, 1e-9)


def _captions(labels: Labels) -> list[str]:
    """Return each image's levels with their probabilities, one line per attribute."""
    captions = []
    for i in range(len(labels)):
        lines = []
        for a, attribute in enumerate(labels.grid.attributes):
            level = labels.levels[i, a]
            name = UNKNOWN_NAME if level == UNKNOWN else attribute.levels[level]
            lines.append(f"{attribute.name}: {name}, {labels.probabilities[a][i].max():.2f}")
        captions.append("\n".join(lines))
    return captions


def _write_picture(path: Path, images: NDArray[np.uint8], panel: ClassifierPanel) -> None:
    try:
        captions = _captions(panel.predict(images))
    except ModelOutputError:
        captions = ["no valid predictions"] * len(images)
    save_sheet(captioned_sheet(images, captions, _COLUMNS), path, synthetic=True)
