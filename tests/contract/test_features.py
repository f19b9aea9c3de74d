"""Every kind of features through its protocol."""

import numpy as np
import pytest
import torch

from equipoise.measure.features import Features, open_features, read_features
from equipoise.measure.features.libraries import NetworkFeatures


def network() -> Features:
    """A torch network, as the library features wrap it."""
    torch.manual_seed(0)
    layer = torch.nn.Conv2d(3, 7, 4)
    return NetworkFeatures(
        "network",
        "Means of a convolution.",
        7,
        layer,
        lambda pixels: layer(pixels.float()).mean(dim=(2, 3)),
        torch.device("cpu"),
    )


@pytest.fixture(params=[pytest.param("age", marks=pytest.mark.real), "pixels", "network"])
def features(request: pytest.FixtureRequest) -> Features:
    return network() if request.param == "network" else open_features(request.param)


def images(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (9, 3, height, width), np.uint8)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (32, 48), (130, 70)])
def test_any_size_gives_a_row_an_image(features: Features, height: int, width: int) -> None:
    rows = read_features(features, images(height, width))
    assert rows.shape == (9, features.dim)
    assert np.linalg.matrix_rank(rows - rows[0]) > 1, "different images differ"


def test_rows_do_not_depend_on_the_batch(features: Features) -> None:
    whole = features.extract(images(64, 64))
    parts = [features.extract(part) for part in np.split(images(64, 64), [2, 3])]
    scale = np.abs(whole).max()
    assert np.allclose(whole, np.concatenate(parts), atol=1e-5 * scale)


def test_reading_leaves_the_images_alone(features: Features) -> None:
    given = images(64, 64)
    features.extract(given)
    assert np.array_equal(given, images(64, 64))


def test_described_by_name_digest_and_sentences(features: Features) -> None:
    assert features.name
    assert len(features.digest) == 64
    assert features.about.endswith(".")
    assert isinstance(features, Features)
