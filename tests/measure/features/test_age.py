import numpy as np
import pytest
from numpy.typing import NDArray

from equipoise.classifiers.age_gender import network_input
from equipoise.core.errors import FileFormatError
from equipoise.measure.features.offline import AgeFeatures
from equipoise.runtimes import zoo
from equipoise.runtimes.onnx import open_session

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def age() -> AgeFeatures:
    return AgeFeatures()


def noisy_images(n: int) -> NDArray[np.uint8]:
    """Coarse coloured noise, so that the images differ in what the network sees."""
    coarse = np.random.default_rng(0).integers(0, 256, (n, 3, 8, 8), np.uint8)
    return coarse.repeat(8, axis=2).repeat(8, axis=3)


def test_the_network_decides_by_these_features_alone(age: AgeFeatures) -> None:
    """Log odds of its answers are an affine function of them, to the rounding of float32."""
    images = noisy_images(400)
    rows = age.extract(images).astype(np.float64)
    session = open_session(zoo.fetch("age"))
    answers = session.run(None, {"images": network_input(images, 64)})[0].astype(np.float64)
    likely = np.argsort(-answers.mean(axis=0))[:5]
    odds = np.log(answers[:, likely[1:]] / answers[:, likely[:1]])
    design = np.column_stack([rows, np.ones(400)])
    coefficients, *_ = np.linalg.lstsq(design[:300], odds[:300], rcond=None)
    assert np.allclose(design[300:] @ coefficients, odds[300:], atol=0.01 * odds.std())


def test_asking_for_an_inner_tensor_does_not_change_the_answers() -> None:
    pixels = {"images": network_input(noisy_images(8), 64)}
    plain = open_session(zoo.fetch("age")).run(None, pixels)
    more = open_session(zoo.fetch("age"), inner="layer_1_flatten").run(None, pixels)
    assert len(plain) == 1
    assert len(more) == 2
    assert np.array_equal(plain[0], more[0])


def test_a_tensor_that_is_not_there_is_named() -> None:
    with pytest.raises(
        FileFormatError, match=r"must be a whole ONNX model .* with a tensor 'layer_0'"
    ):
        open_session(zoo.fetch("age"), inner="layer_0")


def test_a_row_depends_on_its_image_alone(age: AgeFeatures) -> None:
    images = noisy_images(20)
    rows = age.extract(images)
    assert (rows >= 0).all()
    assert np.allclose(rows[7:12], age.extract(images[7:12]), atol=1e-4)


def test_the_resize_filter_is_the_box(age: AgeFeatures) -> None:
    images = noisy_images(3)
    large = images.repeat(3, axis=2).repeat(2, axis=3)
    assert np.allclose(age.extract(large), age.extract(images), atol=1e-3)
