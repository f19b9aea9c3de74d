import numpy as np
import pytest
from statsmodels.stats.inter_rater import cohens_kappa, to_table

from equipoise.core.errors import InputError
from equipoise.stats.agreement import cohen_kappa, krippendorff_alpha


def test_alpha_is_that_of_krippendorffs_own_example() -> None:
    """Krippendorff 2011, section C: four observers, twelve units, gaps; nominal alpha 0.743."""
    x = 0
    table = np.array(
        [
            [1, 2, 3, 3, 2, 1, 4, 1, 2, x, x, x],
            [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, x, 3],
            [x, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, x],
            [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, x],
        ]
    )
    assert krippendorff_alpha(table - 1) == pytest.approx(0.743, abs=5e-4)


def pairs_alpha(table: np.ndarray) -> float:
    """Alpha by its words: disagreement of pairs within images over that of pairs at large."""
    units = [column[column >= 0] for column in table.T]
    units = [unit for unit in units if len(unit) > 1]
    n = sum(map(len, units))
    observed = sum(
        sum(a != b for i, a in enumerate(u) for j, b in enumerate(u) if i != j) / (len(u) - 1)
        for u in units
    )
    pooled = np.concatenate(units)
    expected = sum((pooled != value).sum() for value in pooled)
    return 1 - (observed / n) / (expected / (n * (n - 1)))


def test_alpha_is_that_of_its_definition_by_pairs() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        table = rng.integers(-1, 3, (4, 30))
        assert krippendorff_alpha(table) == pytest.approx(pairs_alpha(table))


def test_kappa_is_that_of_another_library() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b = rng.integers(0, 3, (2, 40))
        table, _ = to_table(np.stack([a, b], axis=1))
        assert cohen_kappa(a, b) == pytest.approx(cohens_kappa(table, return_results=False))


def test_raters_by_chance_agree_at_nought_and_copies_at_one() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.choice(3, (2, 20_000), p=[0.7, 0.2, 0.1])
    assert cohen_kappa(a, b) == pytest.approx(0, abs=0.03)
    assert krippendorff_alpha([a, b]) == pytest.approx(0, abs=0.03)
    assert cohen_kappa(a, a) == krippendorff_alpha([a, a, a]) == 1


@pytest.mark.parametrize("table", [[[0, -1], [-1, 0]], [[0, 0], [0, 0]], [[-1], [-1]], [[0, 1]]])
def test_what_is_not_defined_is_none(table: list[list[int]]) -> None:
    assert krippendorff_alpha(table) is None
    if len(table) == 2:
        assert cohen_kappa(*table) is None


def test_gaps_are_left_out_of_kappa() -> None:
    assert cohen_kappa([0, 0, 1, 1, 0], [0, 0, 1, 0, -1]) == 0.5


def test_a_flat_table_is_refused() -> None:
    with pytest.raises(InputError, match="must have one row per rater"):
        krippendorff_alpha([0, 1])
