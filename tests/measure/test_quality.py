import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray

from equipoise.classifiers import open_panel
from equipoise.classifiers.models import Models
from equipoise.core.attributes import Attribute, AttributeGrid
from equipoise.core.errors import InputError
from equipoise.core.estimates import Estimate
from equipoise.core.labels import Labels
from equipoise.generators.toy import ToyGenerator
from equipoise.measure.features.offline import PixelFeatures
from equipoise.measure.quality import POOLED, Quality, quality_table
from equipoise.measure.references import Pictures, reject, see_codes

SMILING, AGE = Attribute("smiling", ("no", "yes")), Attribute("age", ("young", "old"))
GROUPS = AttributeGrid((SMILING,))


def pictures(
    features: NDArray[np.float64], cells: NDArray[np.int64], old: NDArray[np.bool_] | None = None
) -> Pictures:
    levels = np.stack([cells, np.zeros(len(cells)) if old is None else old], axis=1).astype(np.int8)
    sure = tuple(np.ones((len(cells), 2), np.float32) for _ in range(2))
    labels = Labels(AttributeGrid((SMILING, AGE)), levels, sure, levels.astype(np.float32))
    return Pictures(features.astype(np.float32), labels, "given", "ab" * 32, "Given.")


def sample(seed: int, n: int = 300, dim: int = 6, shift: float = 0.0) -> Pictures:
    """Equal cells around 0 and 5; `shift` moves the second."""
    rng = np.random.default_rng(seed)
    cells = np.arange(n) % 2
    means = np.where(cells == 1, 5 + shift, 0.0)
    return pictures(rng.standard_normal((n, dim)) + means[:, None], cells, rng.random(n) < 0.3)


def test_a_shifted_cell_is_found_and_the_other_left_alone() -> None:
    found = quality_table(sample(0, shift=1.0), sample(1), GROUPS)
    same, moved = found.cells
    assert (same.name, moved.name, found.pooled.name) == ("smiling=no", "smiling=yes", POOLED)
    assert same.kernel.low < 0 < same.kernel.high
    assert moved.kernel.low > 0
    assert moved.frechet_extrapolated.low > 0
    assert moved.frechet_extrapolated.low < 6 < moved.frechet_extrapolated.high
    for measure in ("precision", "recall", "density", "coverage"):
        assert getattr(moved, measure).value < getattr(same, measure).value
    assert same.coverage.value == pytest.approx(same.coverage_expected, abs=0.06)


@pytest.mark.parametrize("seed", range(3))
def test_a_collapsed_cell_is_alike_and_badly_recalled(seed: int) -> None:
    reference, drawn = sample(seed), sample(seed + 10)
    features = drawn.features.copy()
    second = drawn.labels.levels[:, 0] == 1
    features[second] = 5 + (features[second] - 5) * 0.2
    found = quality_table(dataclasses.replace(drawn, features=features), reference, GROUPS)
    cell = found.cells[1]
    assert cell.similarity.low > cell.similarity_reference.high
    assert cell.recall.high < 0.5
    assert cell.precision.value > 0.9
    assert cell.density.low > 1


def test_drift_of_an_attribute_that_was_not_balanced_is_found_in_its_cell() -> None:
    """Cell "yes" is 60 % old in the draws, all else 30 %."""
    rng = np.random.default_rng(0)
    cells = np.arange(2000) % 2
    rows = rng.standard_normal((2000, 3))
    drawn = pictures(rows, cells, rng.random(2000) < np.where(cells == 1, 0.6, 0.3))
    reference = pictures(rows, cells, rng.random(2000) < 0.3)
    found = quality_table(drawn, reference, GROUPS)
    old = [{d.name: d for d in cell.drift}["age=old"].difference for cell in found.cells]
    assert old[0].low < 0 < old[0].high
    assert old[1].low < 0.3 < old[1].high
    assert old[1].low > 0.2
    assert {d.name for d in found.pooled.drift} == {"age=young", "age=old"}


def test_small_cells_say_why_they_have_no_numbers() -> None:
    """Three images in one cell, none in the other."""
    rows = np.random.default_rng(0).standard_normal((3, 6))
    found = quality_table(pictures(rows, np.zeros(3, np.int64)), sample(0), GROUPS)
    few, none = found.cells
    assert (few.n, none.n, few.n_reference) == (3, 0, 150)
    assert "3 images for 6 features" in few.frechet.note
    assert few.precision.note == "3 images, at least 4 are needed"
    assert few.similarity.note == "3 images, at least 10 are needed"
    assert not np.isnan(few.kernel.value)
    for field in dataclasses.fields(none):
        value = getattr(none, field.name)
        if isinstance(value, Estimate) and field.name != "similarity_reference":
            assert np.isnan(value.value), field.name
            assert "needed" in value.note, field.name
    assert np.isnan(none.coverage_expected)


def test_unknown_images_are_counted_and_left_out() -> None:
    drawn, reference = sample(0), sample(1)
    levels = drawn.labels.levels.copy()
    levels[:7, 0] = -1
    labels = dataclasses.replace(drawn.labels, levels=levels)
    found = quality_table(dataclasses.replace(drawn, labels=labels), reference, GROUPS)
    assert (found.unknown, found.unknown_reference) == (7, 0)
    assert found.pooled.n == sum(cell.n for cell in found.cells) == 293


def test_numbers_do_not_depend_on_workers() -> None:
    one, two = (quality_table(sample(0), sample(1), GROUPS, workers=w) for w in (1, 2))
    assert one == two


def test_other_features_or_labels_are_refused() -> None:
    drawn = sample(0)
    with pytest.raises(InputError, match="must be those of the drawn images, given abab"):
        quality_table(drawn, dataclasses.replace(sample(1), digest="cd" * 32), GROUPS)
    less = dataclasses.replace(sample(1), labels=sample(1).labels.restricted(GROUPS))
    with pytest.raises(InputError, match="must have the attributes smiling, age, got smiling"):
        quality_table(drawn, less, GROUPS)


@pytest.fixture(scope="module")
def toy_quality(toy: ToyGenerator) -> Quality:
    panel = open_panel(["smiling", "skin_tone", "glasses"], toy)
    grid = AttributeGrid(panel.grid.attributes[:2])
    models = Models(toy, panel)
    one, other = (
        see_codes(models, reject(models, grid, [60] * 6, seed), PixelFeatures()) for seed in (1, 2)
    )
    return quality_table(one, other, grid)


def test_two_rejection_sets_of_the_toy_cannot_be_told_apart(toy_quality: Quality) -> None:
    assert toy_quality.features == "pixels"
    for cell in (toy_quality.pooled, *toy_quality.cells):
        assert cell.kernel.low < 0 < cell.kernel.high, cell.name
        assert cell.coverage.value == pytest.approx(cell.coverage_expected, abs=0.15)
    assert toy_quality.pooled.n == toy_quality.pooled.n_reference == 360
