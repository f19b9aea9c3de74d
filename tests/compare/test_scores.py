import numpy as np

from equipoise.compare.scores import spread


def test_rows_are_spread_over_all_cells_in_turn() -> None:
    """Verified draws come cell by cell: of each cell as many are compared."""
    cells = np.repeat(np.arange(4), 300)
    kept = spread(1200, 1000)
    assert len(set(kept.tolist())) == 1000
    assert np.bincount(cells[kept]).tolist() == [250] * 4
    assert spread(5, 1000).tolist() == [0, 1, 2, 3, 4]
