import logging
import threading
import time

import numpy as np
import pytest
import torch

from equipoise.core.devices import device_type
from equipoise.core.errors import DeviceMemoryError
from equipoise.runtimes.devices import check_device, within_memory

ROWS = np.arange(20, dtype=np.float32).reshape(10, 2)


class Small:
    """A device whose memory holds `most` rows at a time."""

    def __init__(self, most, error=torch.cuda.OutOfMemoryError):
        self.most, self.error, self.sizes = most, error, []

    def __call__(self, rows):
        self.sizes.append(len(rows))
        if len(rows) > self.most:
            raise self.error("CUDA out of memory. Tried to allocate 2.00 GiB")
        return rows * 2


@pytest.mark.parametrize("error", [torch.cuda.OutOfMemoryError, RuntimeError])
def test_a_batch_that_does_not_fit_is_halved_until_it_does_and_the_size_is_kept(error, caplog):
    small = Small(3, error)
    name = f"halved {error.__name__}"
    with caplog.at_level(logging.WARNING):
        assert np.array_equal(within_memory(name, "cpu", small, ROWS), ROWS * 2)
    assert small.sizes == [10, 5, 2, 2, 2, 2, 2]
    assert f"too small for 5 images of {name} at once: 2 from now on" in caplog.text
    small.sizes.clear()
    assert np.array_equal(within_memory(name, "cpu", small, ROWS[:5]), ROWS[:5] * 2)
    assert small.sizes == [2, 2, 1]


def test_several_inputs_and_outputs_are_halved_alike():
    def both(codes, numbers):
        if len(codes) > 4:
            raise torch.cuda.OutOfMemoryError("full")
        return codes + 1, numbers * 3

    codes, numbers = within_memory("both", "cpu", both, ROWS, np.arange(10))
    assert np.array_equal(codes, ROWS + 1)
    assert np.array_equal(numbers, np.arange(10) * 3)
    # No rows are a batch too.
    assert len(within_memory("none", "cpu", lambda rows: rows, ROWS[:0])) == 0


def test_one_image_that_does_not_fit_and_other_errors_are_raised():
    with pytest.raises(DeviceMemoryError, match="must hold a batch of one image"):
        within_memory("never", "cpu", Small(0), ROWS)
    with pytest.raises(RuntimeError, match="size"):
        within_memory("wrong", "cpu", lambda rows: torch.ones(2) @ torch.ones(3), ROWS)


def test_a_gpu_gets_two_batches_at_a_time():
    running, most = [], []

    def call(rows):
        running.append(1)
        most.append(len(running))
        time.sleep(0.01)
        running.pop()
        return rows

    def work():
        within_memory("turns", "gpu:7", call, ROWS)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 2


def test_numbers_of_two_devices_of_a_type_agree():
    assert device_type("cuda:1") == device_type("cuda:0") == "cuda"
    assert check_device("cpu").type == "cpu"
