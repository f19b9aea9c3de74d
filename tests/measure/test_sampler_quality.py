import numpy as np
import pytest

from equipoise.classifiers import Panel
from equipoise.errors import InputError
from equipoise.features.pixels import PixelFeatures
from equipoise.generators.toy import ToyGenerator
from equipoise.measure.sampler_quality import sampler_quality
from equipoise.mixture import Mixture, MixtureSource
from equipoise.sampler import Origin, Sampler
from equipoise.targets import Target


@pytest.fixture(scope="module")
def sampler(toy: ToyGenerator, toy_panel: Panel) -> Sampler:
    target = Target.uniform(toy_panel.groups)
    prior = Mixture(np.ones(1), np.zeros((1, toy.dim)), np.eye(toy.dim)[None])
    return Sampler(Origin.of(toy), target, target.shares, MixtureSource((prior,) * 6))


def test_a_reference_that_lacks_images_of_a_cell_says_so(
    sampler: Sampler, toy: ToyGenerator, toy_panel: Panel
) -> None:
    features = PixelFeatures(toy.image_shape[0])
    whole = sampler_quality(sampler, toy, toy_panel, features, 60, 1)
    assert [cell.n_reference for cell in whole.cells] == [10] * 6
    assert "too few" not in whole.reference
    short = sampler_quality(sampler, toy, toy_panel, features, 600, 1, most=2000)
    lacking = [cell.name for cell in short.cells if cell.n_reference < 100]
    assert lacking
    assert f"among 2,000 codes too few of {'; '.join(lacking)}, so pooled" in short.reference


def test_no_images_are_refused_before_any_is_made(
    sampler: Sampler, toy: ToyGenerator, toy_panel: Panel
) -> None:
    with pytest.raises(InputError, match="n must be a whole number of at least 1, got 0"):
        sampler_quality(sampler, toy, toy_panel, PixelFeatures(3), 0, 1)
