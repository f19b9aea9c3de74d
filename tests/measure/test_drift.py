import numpy as np
import pytest

from equipoise.core.attributes import Attribute, AttributeGrid
from equipoise.core.errors import InputError
from equipoise.core.labels import Labels
from equipoise.measure.drift import drift
from equipoise.stats.intervals import score_interval, share_difference

GROUPS = AttributeGrid((Attribute("smiling", ("no", "yes")), Attribute("age", ("young", "old"))))


def labels_of(levels: list[list[int]], grid: AttributeGrid = GROUPS) -> Labels:
    rows = np.array(levels, np.int8)
    ones = tuple(np.ones((len(rows), 2), np.float32) for _ in grid.attributes)
    return Labels(grid, rows, ones, rows.astype(np.float32))


@pytest.mark.parametrize(
    ("counts", "limits"),
    [
        ((56, 70, 48, 80), (0.0524, 0.3339)),
        ((9, 10, 3, 10), (0.1705, 0.8090)),
        ((10, 10, 0, 20), (0.6791, 1.0)),
        ((10, 10, 0, 10), (0.6075, 1.0)),
    ],
)
def test_the_examples_of_newcombe(
    counts: tuple[int, int, int, int], limits: tuple[float, float]
) -> None:
    """Table II of the paper, method 10."""
    found = share_difference(*counts)
    assert (found.low, found.high) == pytest.approx(limits, abs=1e-4)


@pytest.mark.parametrize(("p", "q"), [(0.5, 0.5), (0.9, 0.7), (0.05, 0.02)])
def test_the_interval_of_a_difference_covers(p: float, q: float) -> None:
    rng = np.random.default_rng(0)
    pairs = np.column_stack([rng.binomial(300, p, 1000), rng.binomial(200, q, 1000)])
    found = [share_difference(int(a), 300, int(b), 200) for a, b in pairs]
    assert np.mean([e.low <= p - q <= e.high for e in found]) == pytest.approx(0.95, abs=0.025)


def test_wilson_stays_in_the_unit_interval() -> None:
    low, high = score_interval(np.array([0.0, 1.0]), 10, 1.96)
    assert low[0] == 0
    assert high[1] == pytest.approx(1)


def test_unknown_images_do_not_count_and_order_of_attributes_does_not_matter() -> None:
    drawn = labels_of([[0, 1], [0, 1], [1, 0], [0, -1]])
    swapped = AttributeGrid(GROUPS.attributes[::-1])
    reference = labels_of([[0, 0], [0, 1], [1, 0], [1, 1]], swapped)
    young, old = drift(drawn, reference, ("age",))
    assert (young.name, young.count, young.n, young.count_reference, young.n_reference) == (
        "age=young", 1, 3, 2, 4,
    )  # fmt: skip
    assert old.difference.value == pytest.approx(2 / 3 - 1 / 2)
    assert young.difference.low == pytest.approx(-old.difference.high)


def test_an_empty_set_has_no_difference() -> None:
    found = drift(labels_of([[0, -1]]), labels_of([[0, 1]]), ("age",))
    assert np.isnan(found[0].difference.value)
    assert found[0].difference.note == "no known image in one of the sets"


def test_other_levels_are_refused() -> None:
    other = AttributeGrid(
        (Attribute("smiling", ("no", "yes")), Attribute("age", ("child", "adult")))
    )
    with pytest.raises(InputError, match="must be young, old, got child, adult"):
        drift(labels_of([[0, 0]]), labels_of([[0, 0]], other), ("age",))
