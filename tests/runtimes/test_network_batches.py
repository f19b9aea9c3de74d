from typing import Any

import numpy as np
import pytest

from equipoise.runtimes.network_batches import AnyRows, in_batches

ROWS = np.arange(7, dtype=np.float32).reshape(7, 1)


def test_batches_are_filled_up_and_cut(rows: int = 3) -> None:
    seen: list[int] = []

    def double(part: np.ndarray) -> list[Any]:
        seen.append(len(part))
        return [2 * part, [{"a": float(row)} for row in part[:, 0]]]

    arrays, maps = in_batches(double, ROWS, rows)
    assert np.array_equal(arrays, 2 * ROWS)
    assert [row["a"] for row in maps] == ROWS[:, 0].tolist()
    assert seen == [3, 3, 3]


def failing(part: np.ndarray) -> list[Any]:
    if len(part) != 2:
        raise ValueError(f"{len(part)} rows")
    return [part + 1]


def merging(part: np.ndarray) -> list[Any]:
    return [part.sum(keepdims=True) if len(part) != 2 else part + 1]


@pytest.mark.parametrize("network", [failing, merging])
def test_a_number_of_rows_that_a_file_does_not_name_is_found(network: Any) -> None:
    called = AnyRows(network, fallback=2)
    assert np.array_equal(called(ROWS)[0], ROWS + 1)
    assert np.array_equal(called(ROWS[:1])[0], ROWS[:1] + 1)


def test_a_network_that_fails_anyhow_gives_its_own_error() -> None:
    with pytest.raises(ValueError, match="7 rows"):
        AnyRows(failing)(ROWS)
