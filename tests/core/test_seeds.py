import tracemalloc

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.core.seeds import BLOCK_ROWS, Stream, blocks, generator_for, normal_rows


@pytest.mark.parametrize("size", [1, 7, 64, 3000])
def test_rows_do_not_depend_on_batch_size(size: int) -> None:
    whole = normal_rows(5, 0, 2100, 4)
    parts = [normal_rows(5, low, min(low + size, 2100), 4) for low in range(0, 2100, size)]
    assert np.array_equal(np.concatenate(parts), whole)


def test_rows_are_standard_normal_and_blocks_differ() -> None:
    rows = normal_rows(0, 0, 50 * BLOCK_ROWS, 2)
    assert abs(rows.mean()) < 4 / np.sqrt(rows.size)
    assert abs(rows.std() - 1) < 4 / np.sqrt(2 * rows.size)
    assert not np.array_equal(rows[:BLOCK_ROWS], rows[BLOCK_ROWS : 2 * BLOCK_ROWS])


def test_of_wide_rows_one_block_is_kept() -> None:
    dim = 5000
    block = BLOCK_ROWS * dim * 4
    whole = normal_rows(1, 1000, 1040, dim)
    assert np.array_equal(normal_rows(1, 1020, 1040, dim), whole[20:])
    tracemalloc.start()
    for seed in range(2, 6):
        normal_rows(seed, 0, 1, dim)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 1.1 * block


def test_seeds_and_streams_differ() -> None:
    assert not np.array_equal(normal_rows(0, 0, 5, 3), normal_rows(1, 0, 5, 3))
    assert not np.array_equal(normal_rows(0, 0, 5, 3), normal_rows(0, 0, 5, 3, Stream.TOY))
    a, b = (generator_for(0, Stream.FIT, k).random() for k in (0, 1))
    assert a != b


def test_blocks_cover_exactly() -> None:
    rows = [b * BLOCK_ROWS + i for b, s in blocks(1000, 3100) for i in range(s.start, s.stop)]
    assert rows == list(range(1000, 3100))
    assert blocks(5, 5) == []


@pytest.mark.parametrize("seed", [-1, 2**63, 0.5, True])
def test_bad_seed_is_named(seed: object) -> None:
    with pytest.raises(InputError, match=r"seed must be a whole number in \[0, 2\*\*63\), got"):
        normal_rows(seed, 0, 1, 1)  # type: ignore[arg-type]


def test_bad_rows_are_named() -> None:
    with pytest.raises(InputError, match=r"got \(5, 3\)"):
        normal_rows(0, 5, 3, 1)
