import sys
import types

import numpy as np
import pytest

from equipoise.core.errors import InputError, ModelOutputError
from equipoise.measure.features import open_features, read_features
from equipoise.measure.features.offline import PixelFeatures

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 3, 20, 30), np.uint8)


def test_an_unknown_name_is_told_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"features must be one of age, pixels, .*, got sharpness"):
        open_features("sharpness")


def test_a_function_of_ones_own_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("my_features")
    module.make = PixelFeatures  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "my_features", module)
    assert open_features("my_features:make").extract(IMAGES).shape == (5, 48)


@pytest.mark.parametrize("name", ["no_such_module:make", "json:no_such", ":make", "json:loads"])
def test_what_cannot_be_called_is_told_with_its_reason(name: str) -> None:
    with pytest.raises(InputError, match="must name an importable function without arguments, got"):
        open_features(name)


def test_what_is_no_features_is_told_what_it_lacks() -> None:
    with pytest.raises(InputError, match="got dict without name, digest, dim, about, read"):
        open_features("builtins:dict")


class Wrong(PixelFeatures):
    def __init__(self, rows: np.ndarray) -> None:
        super().__init__()
        self.rows = rows

    def extract(self, images: np.ndarray) -> np.ndarray:
        return self.rows


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (
            np.zeros((5, 47), np.float32),
            r"must be float32 of shape \(5, 48\), got float32 of shape",
        ),
        (np.zeros((5, 48)), r"got float64 of shape \(5, 48\)"),
        (np.full((5, 48), np.nan, np.float32), "NaN or infinity for 5 of 5 images, first at row 0"),
    ],
)
def test_wrong_answers_are_refused(rows: np.ndarray, told: str) -> None:
    with pytest.raises(ModelOutputError, match=told):
        read_features(Wrong(rows), IMAGES)


def test_wrong_images_are_refused() -> None:
    with pytest.raises(InputError, match=r"got float64 of shape \(5, 3, 20, 30\)"):
        read_features(PixelFeatures(), IMAGES.astype(float))
