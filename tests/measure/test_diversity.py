"""Diversity of contexts against numbers worked by hand, and against known shares."""

import numpy as np
import pytest

from equipoise.core.attributes import Attribute, AttributeGrid
from equipoise.core.errors import InputError
from equipoise.core.labels import Labels, certain_labels
from equipoise.measure.diversity import measure_diversity

GRID = AttributeGrid(
    (Attribute("gender", ("female", "male")), Attribute("age", ("a", "b", "c", "d")))
)


def images(levels: list[tuple[int, int]]) -> Labels:
    return certain_labels(GRID, np.array(levels, np.int8))


def test_numbers_worked_by_hand() -> None:
    # Neutral prompts: gender 2 : 2 (entropy 1), age all in two of four levels (entropy 1 / 2).
    neutral = [(0, 0), (1, 1), (0, 1), (1, 0)]
    # One prompt: gender 1 : 3, H = .811278; age even over four levels, 1.
    aide = [(0, 0), (1, 1), (1, 2), (1, 3)]
    # Another: one gender, 0; so 0 whatever the ages.
    pilot = [(1, 0), (1, 1), (1, 2), (1, 3)]
    names = ["p1", "p1", "p2", "p2", *["aide"] * 4, *["pilot"] * 4]
    found = measure_diversity(images(neutral + aide + pilot), names, ["p1", "p2"])
    assert (found.neutral, found.others) == (2, 2)
    own = np.sqrt(0.5)
    assert found.intrinsic.value == pytest.approx(own)
    gender = -(0.25 * np.log2(0.25) + 0.75 * np.log2(0.75))
    assert gender == pytest.approx(0.811278, abs=1e-6)
    aided = np.sqrt(gender)  # 0.900710
    assert found.mean.value == pytest.approx(aided / 2)
    assert found.robust.value == pytest.approx(0.1 * aided)  # Between 0 and .9007, a tenth of it.
    assert found.index.value == pytest.approx(np.sqrt(own * 0.1 * aided))
    assert found.index.value == pytest.approx(0.252368, abs=1e-6)


def test_the_published_table_is_the_root_of_the_product() -> None:
    # ID, CA_0.1 and MGBI of SDXL, Flux.1 and Blip3-o in HoloFair's README.
    for own, robust, index in (
        (0.8186, 0.2865, 0.4843),
        (0.6858, 0.6702, 0.6780),
        (0.4030, 0.1856, 0.2735),
    ):
        assert np.sqrt(own * robust) == pytest.approx(index, abs=1e-4)


def test_an_unknown_attribute_counts_in_no_level() -> None:
    levels = [(0, 0), (1, 1), (0, 2), (1, 3), (0, 0), (1, -1), (-1, 1), (-1, -1)]
    found = measure_diversity(images(levels), ["n"] * 4 + ["x"] * 4, ["n"])
    assert found.intrinsic.value == 1
    assert found.mean.value == pytest.approx(np.sqrt(0.5))
    lost = measure_diversity(images([*levels, (-1, 0)]), ["n"] * 4 + ["x"] * 4 + ["y"], ["n"])
    assert lost.others == 1
    assert lost.mean == pytest.approx(found.mean) or lost.mean.value == found.mean.value
    none = measure_diversity(images([*levels[:4], (-1, 0)]), ["n"] * 4 + ["y"], ["n"])
    assert np.isnan(none.index.value)
    assert none.index.note == "no known image of some attribute"


def test_even_images_have_an_interval_up_to_1_and_more_images_a_shorter_one() -> None:
    widths = []
    for often in (5, 50):
        levels = [(g, a) for g in range(2) for a in range(4)] * often
        names = ["n"] * len(levels) + ["x"] * len(levels)
        found = measure_diversity(images(levels * 2), names, ["n"])
        assert found.index.value == found.index.high == 1
        assert found == measure_diversity(images(levels * 2), names, ["n"])
    rng = np.random.default_rng(0)
    for n in (40, 400):
        levels = np.column_stack([rng.random(2 * n) < 0.2, rng.integers(0, 4, 2 * n)])
        names = ["n"] * n + ["x"] * n
        found = measure_diversity(certain_labels(GRID, levels.astype(np.int8)), names, ["n"])
        widths.append(found.index.high - found.index.low)
    assert widths[1] < widths[0] / 2


def test_intervals_cover_the_known_diversity() -> None:
    rng = np.random.default_rng(1)
    men = rng.uniform(0.1, 0.9, 12)
    entropy = -(men * np.log2(men) + (1 - men) * np.log2(1 - men))
    grid = AttributeGrid(GRID.attributes[:1])
    others, pooled = entropy[2:], men[:2].mean()
    own = -(pooled * np.log2(pooled) + (1 - pooled) * np.log2(1 - pooled))
    true = np.sqrt(own * np.quantile(others, 0.1))
    names, hits = np.repeat([f"c{c:02d}" for c in range(12)], 250), 0
    for seed in range(40):
        drawn = np.random.default_rng(seed).random(len(names)) < np.repeat(men, 250)
        labels = certain_labels(grid, drawn[:, None].astype(np.int8))
        index = measure_diversity(labels, names, ["c00", "c01"], seed).index
        hits += index.low <= true <= index.high
    assert hits >= 37


def test_neutral_contexts_must_be_some() -> None:
    labels = images([(0, 0), (1, 1)])
    with pytest.raises(InputError, match=r"neutral must be a context .* got\s+person"):
        measure_diversity(labels, ["a", "b"], ["person"])
    for named, got in (((), "none"), (("a", "b"), "all of them")):
        with pytest.raises(InputError, match=f"some of the contexts, but not all, got {got}"):
            measure_diversity(labels, ["a", "b"], named)
