import numpy as np
import pytest

from equipoise.compare.scores import coverage


def test_coverage_is_one_for_the_set_itself_and_none_for_a_far_one() -> None:
    rng = np.random.default_rng(0)
    reference = rng.standard_normal((200, 3))
    assert coverage(reference, reference) == 1
    assert coverage(reference, reference + 100) == 0


def test_coverage_counts_the_part_that_is_reached() -> None:
    """Two clusters of equal size, and draws in one alone."""
    rng = np.random.default_rng(0)
    near, far = rng.standard_normal((300, 2)), rng.standard_normal((300, 2)) + 50
    found = coverage(np.concatenate([near, far]), rng.standard_normal((600, 2)))
    assert found == pytest.approx(0.5, abs=0.03)


def test_sets_too_small_have_none() -> None:
    assert np.isnan(coverage(np.zeros((5, 2)), np.zeros((10, 2))))
    assert np.isnan(coverage(np.zeros((10, 2)), np.zeros((0, 2))))
