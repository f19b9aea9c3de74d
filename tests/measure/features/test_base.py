import numpy as np
import pytest

from equipoise.compare.run import open_joined
from equipoise.core.errors import InputError
from equipoise.generators.toy import ToyGenerator
from equipoise.measure.features.base import JoinedFeatures
from equipoise.measure.features.offline import PixelFeatures


class Brightness:
    name, digest, dim, about = "brightness", "b", 1, "Mean brightness."

    def extract(self, images: np.ndarray) -> np.ndarray:
        return images.mean(axis=(1, 2, 3), dtype=np.float32)[:, None]


def test_each_part_gets_its_own_columns_back(toy: ToyGenerator) -> None:
    images = toy.images(toy.prior.codes(0, 0, 9))
    pixels, brightness = PixelFeatures(), Brightness()
    joined = JoinedFeatures([pixels, brightness])
    rows = joined.extract(images)
    assert rows.shape == (9, joined.dim)
    parts = joined.split(rows)
    assert np.array_equal(parts["pixels"], pixels.extract(images))
    assert np.array_equal(parts["brightness"], brightness.extract(images))
    assert joined.digest != JoinedFeatures([brightness, pixels]).digest


@pytest.mark.parametrize("names", [(), ("pixels", "pixels")])
def test_features_are_named_once_each(toy: ToyGenerator, names: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="must be one or more, each once"):
        open_joined(names, toy)
