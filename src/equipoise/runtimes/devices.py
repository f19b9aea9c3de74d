"""Devices that PyTorch can compute on, and batches that fit into their memory."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from threading import BoundedSemaphore, Lock
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from equipoise.core.devices import device_type
from equipoise.core.errors import DeviceMemoryError, InputError

Rows = TypeVar("Rows", bound=NDArray[Any] | list[NDArray[Any]] | tuple[NDArray[Any], ...])

_AT_ONCE = 2
"""Batches on a GPU at a time: it computes one after the other, and a second one waits ready.

More of them, one a core, would only fill its memory."""

_FULL = ("out of memory", "alloc_failed")
"""What errors of a full GPU say where they have no class of their own, as those of cuBLAS."""

_LOG = logging.getLogger(__name__)


def check_device(device: str) -> torch.device:
    """Return a torch device after checking that this machine has it.

    On CUDA, networks of float32 compute in float32 from then on.

    Parameters
    ----------
    device : str
        "cpu", "cuda", "cuda:1", "mps", ...

    Raises
    ------
    InputError
        When it is not there.
    """
    try:
        found = torch.device(device)
        torch.empty(1, device=found)
        if found.type == "cuda":
            # Decision 27: otherwise convolutions of float32 round their inputs to 10 bits.
            torch.backends.cudnn.allow_tf32 = False
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise InputError(
            "device", "must be one that this machine has", device, "Pass --device cpu."
        ) from error
    return found


_limits: dict[tuple[str, str], int] = {}
"""Rows that a model, by name, takes at a time on a device where a batch of more did not fit."""

_limits_lock = Lock()


def within_memory(name: str, device: str, call: Callable[..., Rows], *rows: Any) -> Rows:
    """Return `call(*rows)`, computed in parts where the memory of the device is too small for all.

    Parts are halved until one fits, and the model is called for no more from then on. A GPU gets
    few batches at a time from all threads.

    Parameters
    ----------
    name : str
        Of the model.
    device : str
    call : callable
        Computes each row by itself; returns an array of as many rows, or several in a list or
        tuple.
    *rows : numpy.ndarray or torch.Tensor, shape (n, ...)

    Raises
    ------
    DeviceMemoryError
        When one row does not fit.
    """
    parts: list[Rows] = []
    start, total = 0, len(rows[0])
    while start < total or not parts:
        size = min(_limits.get((name, device), total), total - start)
        part = rows if size == total else tuple(one[start : start + size] for one in rows)
        try:
            with _turn(device):
                parts.append(call(*part))
        except RuntimeError as error:
            if not _is_full(error):
                raise
            if size < 2:
                raise DeviceMemoryError(
                    f"memory of device {device!r}",
                    "must hold a batch of one image",
                    "out of memory",
                    "Close what else uses it, or choose a smaller model, size or dtype.",
                ) from error
            _halve(name, device, size)
            continue
        start += size
    return parts[0] if len(parts) == 1 else _joined(parts)


def _is_full(error: RuntimeError) -> bool:
    # An alias of torch.OutOfMemoryError, which PyTorch 2.4 lacks.
    if isinstance(error, torch.cuda.OutOfMemoryError):
        return True
    return any(text in str(error).lower() for text in _FULL)


def _halve(name: str, device: str, size: int) -> None:
    with _limits_lock:
        # Another thread may have halved it meanwhile.
        if _limits.get((name, device), size) >= size:
            _limits[name, device] = size // 2
            _LOG.warning(
                "The memory of device %s is too small for %d images of %s at once: %d from now on.",
                device, size, name, size // 2,
            )  # fmt: skip
    if device_type(device) == "cuda":
        torch.cuda.empty_cache()


@cache
def _places(device: str) -> BoundedSemaphore:
    return BoundedSemaphore(_AT_ONCE)


def _turn(device: str) -> AbstractContextManager[object]:
    """Return a context that a GPU has few of; a CPU has one for each thread that asks."""
    return nullcontext() if device_type(device) == "cpu" else _places(device)


def _joined(parts: list[Rows]) -> Rows:
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)  # type: ignore[return-value]
    several = [np.concatenate(same) for same in zip(*parts, strict=True)]
    return type(parts[0])(several)
