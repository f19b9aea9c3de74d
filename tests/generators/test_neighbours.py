"""An image is of its code alone, whatever the adapter."""

from pathlib import Path

import numpy as np
import pytest

from equipoise.core.errors import ModelOutputError
from equipoise.core.settings import Settings
from equipoise.generators import open_generator
from equipoise.generators.toy import ToyGenerator
from equipoise.pipeline import balance
from tests.builders import networks


class Averaged(networks.Discs):
    """Darker or lighter by the other images of the batch."""

    def images(self, codes: np.ndarray) -> np.ndarray:
        images = super().images(codes)
        return (images / 2 + images.mean(0) / 2).astype(np.uint8)


def test_ones_own_generator_is_compared_when_it_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "averaged", Averaged(), raising=False)
    with pytest.raises(ModelOutputError, match="whatever the other codes of its batch"):
        open_generator(f"{networks.__name__}:averaged")


def test_one_that_is_passed_to_balance_too(tmp_path: Path) -> None:
    class Noisy(ToyGenerator):
        def images(self, codes: np.ndarray) -> np.ndarray:
            images = super().images(codes)
            return np.random.default_rng().integers(0, 255, images.shape, np.uint8)

    with pytest.raises(ModelOutputError, match="the same code at each call, got pixels"):
        balance(Settings(attributes=("smiling",)), tmp_path, generator=Noisy())
    assert not list(tmp_path.iterdir())
