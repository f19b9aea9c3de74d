from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from equipoise.audit.images import AuditImages, draw_audit_images
from equipoise.classifiers import ClassifierPanel, Prediction, by_probability
from equipoise.classifiers.models import Models
from equipoise.core.attributes import Attribute
from equipoise.generators.toy import ToyGenerator
from equipoise.samplers.sampler import Sampler


@pytest.fixture(scope="session")
def material(
    toy_sampler: Sampler,
    toy: ToyGenerator,
    toy_panel: ClassifierPanel,
    tmp_path_factory: pytest.TempPathFactory,
) -> AuditImages:
    """240 verified faces of the toy, 40 a cell of smiling x skin tone."""
    return draw_audit_images(
        toy_sampler, Models(toy, toy_panel), 240, 0, tmp_path_factory.mktemp("material")
    )


class Erring:
    """Reads the toy's smile, and flips it with a chance that depends on the cell."""

    name = "erring"
    caveats = ("It errs on purpose.",)
    pinned = ()

    def __init__(
        self,
        panel: ClassifierPanel,
        chances: Sequence[float],
        levels: tuple[str, str] = ("no", "yes"),
    ) -> None:
        self.panel, self.chances = panel, np.array(chances)
        self.attributes = (Attribute("smiling", levels),)
        self.digest = hashlib.sha256(repr((chances, levels)).encode()).hexdigest()
        self.questions = 0

    def predict(self, images: np.ndarray) -> tuple[Prediction, ...]:
        self.questions += len(images)
        labels = self.panel.predict(images)
        digests = [hashlib.sha256(image.tobytes()).digest()[:4] for image in images]
        chance = np.array([int.from_bytes(d, "big") / 2**32 for d in digests])
        flipped = chance < self.chances[labels.cells]
        level = np.where(flipped, 1 - labels.levels[:, 0], labels.levels[:, 0])
        return (by_probability(np.eye(2, dtype=np.float32)[level] * 0.8 + np.float32(0.1)),)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "audit"
