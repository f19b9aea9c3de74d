import threading
import time
from collections.abc import Iterator

import pytest
import threadpoolctl
import torch

from equipoise.core.errors import InputError
from equipoise.core.parallel import batches, one_thread, ordered_map


@pytest.mark.parametrize("workers", [1, 4])
def test_results_come_in_order(workers: int) -> None:
    def slow_first(i: int) -> int:
        time.sleep(0.01 if i % 3 == 0 else 0)
        return i * i

    assert list(ordered_map(slow_first, range(30), workers)) == [i * i for i in range(30)]


def test_items_are_taken_lazily_and_in_the_callers_thread() -> None:
    taken = []

    def items() -> Iterator[int]:
        for i in range(1000):
            assert threading.current_thread() is threading.main_thread()
            taken.append(i)
            yield i

    results = ordered_map(lambda i: i, items(), 2)
    next(results)
    assert len(taken) <= 6
    results.close()


def test_each_worker_computes_with_one_thread_and_the_caller_keeps_its_own() -> None:
    before = torch.get_num_threads()
    assert set(ordered_map(lambda _: torch.get_num_threads(), range(4), 2)) == {1}
    assert torch.get_num_threads() == before


def test_blas_computes_with_one_thread_while_workers_run_and_as_before_after_the_last() -> None:
    def blas(_: object = None) -> int:
        found = threadpoolctl.threadpool_info()
        return max(f["num_threads"] for f in found if f["user_api"] == "blas")

    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        before = blas()
        first, second = ordered_map(blas, range(4), 2), ordered_map(blas, range(4), 2)
        assert {next(first), next(second)} == {1}
        first.close()
        assert set(second) == {1}
        assert blas() == before


def test_errors_reach_the_caller() -> None:
    def fail(i: int) -> int:
        if i == 3:
            raise RuntimeError("at three")
        return i

    results = ordered_map(fail, range(100), 2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(RuntimeError, match="at three"):
        next(results)


def test_bad_worker_count_is_named() -> None:
    with pytest.raises(InputError, match="workers must be a whole number of at least 1, got 0"):
        list(ordered_map(str, [1], 0))


def test_batches_cover() -> None:
    assert batches(3, 10, 4) == [(3, 7), (7, 10)]
    assert batches(3, 3, 4) == []


def test_one_thread_holds_for_every_library_and_ends() -> None:
    def threads() -> set[int]:
        found = threadpoolctl.threadpool_info()
        return {
            torch.get_num_threads(),
            *(f["num_threads"] for f in found if f["user_api"] == "blas"),
        }

    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        before = threads()
        with one_thread():
            assert threads() == {1}
        assert threads() == before
