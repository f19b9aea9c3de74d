"""Every generator keeps the protocol."""

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.generators import NAMES, Generator, Prior, open_generator
from equipoise.generators.priors import Spherical, Uniform
from tests.builders.generators import KINDS, address


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(kind, marks=[pytest.mark.real] if kind == "digiface-dcgan" else [])
        for kind in KINDS
    ],
)
def generator(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Generator:
    return open_generator(address(request.param, tmp_path_factory.mktemp("generator")))


def test_it_is_a_generator(generator: Generator) -> None:
    assert isinstance(generator, Generator)
    assert isinstance(generator.prior, Prior)
    assert len(generator.digest) == 64
    assert open_generator(generator.name).digest == generator.digest


def test_images_have_their_shape_and_use_their_range(generator: Generator) -> None:
    images = generator.images(generator.prior.codes(0, 0, 16))
    assert images.shape == (16, *generator.image_shape)
    assert images.dtype == np.uint8
    assert images.min() < 64 < 192 < images.max()


def test_codes_are_named_by_seed_and_index(generator: Generator) -> None:
    prior = generator.prior
    whole = prior.codes(3, 0, 130)
    assert whole.shape == (130, generator.dim)
    assert whole.dtype == np.float32
    for size in (1, 7, 64):
        parts = [prior.codes(3, i, min(i + size, 130)) for i in range(0, 130, size)]
        assert np.array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("size", [1, 7, 64])
def test_images_do_not_depend_on_batch_size(generator: Generator, size: int) -> None:
    """Beyond float rounding, which may move a pixel by one step of 255."""
    codes = generator.prior.codes(0, 0, 64)
    whole = generator.images(codes).astype(np.int16)
    parts = [generator.images(codes[i : i + size]) for i in range(0, 64, size)]
    assert np.abs(np.concatenate(parts).astype(np.int16) - whole).max() <= 1


def test_the_stem_gives_one_row_of_features_a_code(generator: Generator) -> None:
    codes = generator.prior.codes(0, 0, 20)
    features = generator.stem(codes)
    assert len(features) == 20
    assert features.dtype == np.float32
    assert features.ndim in (2, 4)
    assert np.allclose(generator.stem(codes[3:5]), features[3:5], atol=1e-5)


def test_the_prior_has_a_density_or_says_that_it_is_not_known(generator: Generator) -> None:
    codes = generator.prior.codes(0, 0, 2000)
    found = generator.prior.log_density(codes)
    if isinstance(generator.prior, Uniform):
        assert found == pytest.approx(-generator.dim * np.log(2))
    elif generator.space == "z" and not isinstance(generator.prior, Spherical):
        entropy = generator.dim / 2 * np.log(2 * np.pi * np.e)
        assert found.mean() == pytest.approx(-entropy, rel=0.02)
    else:
        assert found is None


def test_bad_codes_are_named(generator: Generator) -> None:
    with pytest.raises(InputError, match=rf"codes must have shape \(n, {generator.dim}\)"):
        generator.images(np.zeros((2, generator.dim + 1), np.float32))
    codes = np.zeros((3, generator.dim), np.float32)
    codes[1, 0] = np.nan
    with pytest.raises(InputError, match="codes must be finite, got NaN or infinity in row 1"):
        generator.stem(codes)


def test_unknown_generators_and_devices_are_named() -> None:
    with pytest.raises(
        InputError, match=r"must be one of digiface-dcgan, toy, toy-text, or stylegan1:.* got gan"
    ):
        open_generator("gan")
    for name in NAMES:
        with pytest.raises(InputError, match="device must be one that this machine has, got warp"):
            open_generator(name, device="warp")
    with pytest.raises(InputError, match=r"batch_size must be .* got 0"):
        open_generator("toy", batch_size=0)
