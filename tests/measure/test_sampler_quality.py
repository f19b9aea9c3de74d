import pytest

from equipoise.classifiers import ClassifierPanel
from equipoise.classifiers.models import Models
from equipoise.core.errors import InputError
from equipoise.generators.toy import ToyGenerator
from equipoise.measure.features.offline import PixelFeatures
from equipoise.measure.sampler import sampler_quality
from equipoise.samplers.sampler import Sampler


def test_a_reference_that_lacks_images_of_a_cell_says_so(
    toy_sampler: Sampler, toy: ToyGenerator, toy_panel: ClassifierPanel
) -> None:
    features = PixelFeatures(toy.image_shape[0])
    whole = sampler_quality(toy_sampler, Models(toy, toy_panel), features, 60, 1)
    assert [cell.n_reference for cell in whole.cells] == [10] * 6
    assert "too few" not in whole.reference
    short = sampler_quality(toy_sampler, Models(toy, toy_panel), features, 600, 1, most=2000)
    lacking = [cell.name for cell in short.cells if cell.n_reference < 100]
    assert lacking
    assert f"too few of {'; '.join(lacking)} among 2,000 codes, so pooled" in short.reference


def test_no_images_are_refused_before_any_is_made(
    toy_sampler: Sampler, toy: ToyGenerator, toy_panel: ClassifierPanel
) -> None:
    with pytest.raises(InputError, match="n must be a whole number of at least 1, got 0"):
        sampler_quality(toy_sampler, Models(toy, toy_panel), PixelFeatures(3), 0, 1)
