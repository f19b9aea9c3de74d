"""The two models that every run needs together: a generator, and classifiers of its images."""

from __future__ import annotations

from dataclasses import dataclass

from equipoise.classifiers.panel import ClassifierPanel
from equipoise.generators.base import Generator


@dataclass(frozen=True, eq=False)
class Models:
    """A generator and the classifiers that label its images.

    Attributes
    ----------
    generator : Generator
        Codes to images.
    panel : ClassifierPanel
        Images to labels.
    """

    generator: Generator
    panel: ClassifierPanel
