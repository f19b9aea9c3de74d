import numpy as np

from equipoise.audit.superres.run import even_rows


def test_the_attributes_that_are_not_audited_stay_even() -> None:
    """Verified images come cell by cell: gender alone must not take dark faces alone."""
    every = np.repeat(np.arange(6), 60)
    gender, tone = every // 3, every % 3
    rows = even_rows(gender, every, 40)
    assert np.bincount(gender[rows]).tolist() == [40, 40]
    assert max(np.bincount(every[rows])) - min(np.bincount(every[rows])) <= 1
    rows = even_rows(tone, every, 40)
    assert np.bincount(every[rows]).tolist() == [20] * 6


def test_scarce_cells_give_all_that_they_have() -> None:
    every = np.array([0] * 50 + [1] * 3)
    assert np.bincount(every[even_rows(np.zeros(53, np.int64), every, 20)]).tolist() == [17, 3]
