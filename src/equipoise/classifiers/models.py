"""`Models`: a generator together with the classifiers of its images."""

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
        Makes images from codes.
    panel : ClassifierPanel
        Predicts the levels of the attributes in those images.
    """

    generator: Generator
    panel: ClassifierPanel

    @property
    def caveats(self) -> tuple[str, ...]:
        """What a reader of numbers from both must know."""
        return (*getattr(self.generator, "caveats", ()), *self.panel.caveats)
