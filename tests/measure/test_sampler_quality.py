import pytest

from equipoise.classifiers import ClassifierPanel
from equipoise.classifiers.models import Models
from equipoise.core.errors import InputError
from equipoise.core.targets import Target
from equipoise.generators.toy import ToyGenerator
from equipoise.measure.features.offline import PixelFeatures
from equipoise.measure.sampler import sampler_quality
from equipoise.methods.tilt.fit import TiltFit
from equipoise.samplers.sampler import GeneratorRef, Sampler


def test_a_reference_that_lacks_images_of_a_cell_says_so(
    toy_sampler: Sampler, toy: ToyGenerator, toy_panel: ClassifierPanel
) -> None:
    features = PixelFeatures(toy.image_shape[0])
    whole = sampler_quality(toy_sampler, Models(toy, toy_panel), features, 60, 1)
    assert [cell.n_reference for cell in whole.cells] == [10] * 6
    assert "too few" not in whole.reference
    short = sampler_quality(toy_sampler, Models(toy, toy_panel), features, 600, 1, max_codes=2000)
    lacking = [cell.name for cell in short.cells if cell.n_reference < 100]
    assert lacking
    assert f"too few of {'; '.join(lacking)} among 2,000 codes, so pooled" in short.reference


def test_no_images_are_refused_before_any_is_made(
    toy_sampler: Sampler, toy: ToyGenerator, toy_panel: ClassifierPanel
) -> None:
    with pytest.raises(InputError, match="n must be a whole number of at least 1, got 0"):
        sampler_quality(toy_sampler, Models(toy, toy_panel), PixelFeatures(3), 0, 1)


def test_verified_draws_are_checked_against_the_generators_own(
    toy_tilt: TiltFit, toy: ToyGenerator, toy_panel: ClassifierPanel
) -> None:
    """Those with weights are thinned by them, and then are distributed like the reference."""
    target = Target.uniform(toy_panel.grid)
    source = toy_tilt.source.bound(toy)
    sampler = Sampler(GeneratorRef.of(toy), target, target.shares, source)
    models, features = Models(toy, toy_panel), PixelFeatures(toy.image_shape[0])
    found = {
        mode: sampler_quality(
            sampler, models, features, 1200, 1, of_verified=True, faithful=mode
        ).cells
        for mode in ("typical", "exact")
    }
    assert [cell.n for cell in found["typical"]] == [200] * 6
    assert all(20 < cell.n < 200 for cell in found["exact"])
    p_values = [score.p_value for cell in found["exact"] for score in cell.scores]
    assert len(p_values) == 12
    assert min(p_values) > 0.001
