import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.measure.features.offline import PixelFeatures


def test_distances_are_those_of_the_projected_areas() -> None:
    """Areas of a whole factor are means; the projection is orthogonal, so it shortens."""
    images = np.random.default_rng(0).integers(0, 256, (6, 3, 24, 36), np.uint8)
    areas = images.reshape(6, 3, 12, 2, 12, 3).mean(axis=(3, 5)).reshape(6, -1) / 255
    noise = np.random.default_rng(0).standard_normal((432, 48))
    rows = PixelFeatures().extract(images)
    assert np.allclose(rows, areas @ np.linalg.qr(noise)[0], atol=1e-5)
    assert (np.linalg.norm(rows, axis=1) <= np.linalg.norm(areas, axis=1)).all()


def test_other_channels_are_other_features() -> None:
    grey = PixelFeatures(1)
    assert grey.extract(np.zeros((2, 1, 12, 12), np.uint8)).tolist() == [[0] * 48] * 2
    assert grey.digest != PixelFeatures().digest
    with pytest.raises(InputError, match="images must have 1 channels, got 3"):
        grey.extract(np.zeros((2, 3, 12, 12), np.uint8))
