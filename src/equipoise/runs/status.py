"""How far a run is, by its completion records alone: from any process, while others work."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from equipoise.core.completion import FAILED, SUFFIX, Completion, completions
from equipoise.core.devices import device_type
from equipoise.core.errors import InputError
from equipoise.core.folders import Folder, open_folder

_RECENT = 64
"""Shards that the speed is estimated by; chosen by hand."""


@dataclass(frozen=True)
class FolderStatus:
    """How far one folder of shards is.

    Attributes
    ----------
    name : str
        Of the folder, relative to the run; "." for the run itself.
    rows, total : int
        Rows that are done, and rows of the task by its newest record.
    shards : int
        Shards that are done.
    failed : int
        Shards that were set aside, and are not done since.
    worker_seconds : float
        Time that workers took for the shards that are done.
    per_second : float
        Rows a second over the newest shards, all workers together; NaN where it is not known.
    seconds_left : float
        Until the task is done at that speed; NaN where it is not known.
    finished : float
        When the newest shard was done, in seconds since 1970.
    places : tuple of str
        Hosts and devices that shards were done on.
    devices : dict of str to int
        Rows by type of device.
    """

    name: str
    rows: int
    total: int
    shards: int
    failed: int
    worker_seconds: float
    per_second: float
    seconds_left: float
    finished: float
    places: tuple[str, ...]
    devices: dict[str, int]


def run_status(run: Path | str) -> tuple[FolderStatus, ...]:
    """Return how far the folders of shards of a run are: itself, and those in it.

    Parameters
    ----------
    run : Path or str
        A run folder, a folder of labels, or a sharded export; a path or an address.

    Raises
    ------
    InputError
        When there is no completion record.
    FileFormatError
        When a record is damaged.
    StorageError
        When the store does not answer.
    """
    home = open_folder(run)
    folders = {".": home, **{name: home / name for name in home.folders()}}
    all_found = [_status(name, folder) for name, folder in folders.items()]
    found = tuple(status for status in all_found if status is not None)
    if not found:
        raise InputError(
            f"folder {run}",
            f"must hold completion records (*{SUFFIX})",
            "none",
            "Name the folder of a run that has finished a shard.",
        )
    return found


def _status(name: str, folder: Folder) -> FolderStatus | None:
    """Return how far a folder is; None where it has no records. Few records are held at a time."""
    names = list(folder.names())
    done = [name for name in names if name.endswith(SUFFIX)]
    failed = {n.removesuffix(FAILED) for n in names if n.endswith(FAILED)}
    failed -= {n.removesuffix(SUFFIX) for n in done} if failed else set()
    seconds = 0.0
    rows = shards = 0
    places: set[tuple[str, str]] = set()
    devices: Counter[str] = Counter()
    newest: list[tuple[float, int, Completion]] = []
    for record in completions(folder, iter(done)):
        rows, shards, seconds = rows + record.rows, shards + 1, seconds + record.seconds
        places.add((record.host, record.device))
        devices[device_type(record.device)] += record.rows
        if len(newest) < _RECENT:
            heapq.heappush(newest, (record.finished, shards, record))
        elif record.finished > newest[0][0]:
            heapq.heapreplace(newest, (record.finished, shards, record))
    if not newest:
        return None
    last = max(newest)[-1]
    recent = [record for _, _, record in newest if record.seconds]
    began = min((record.finished - record.seconds for record in recent), default=math.nan)
    time = max((record.finished for record in recent), default=math.nan) - began
    speed = sum(record.rows for record in recent) / time if time > 0 else math.nan
    return FolderStatus(
        name=name,
        rows=rows,
        total=last.total,
        shards=shards,
        failed=len(failed),
        worker_seconds=seconds,
        per_second=speed,
        seconds_left=max(last.total - rows, 0) / speed,
        finished=last.finished,
        places=tuple(sorted(f"{host} ({device})" for host, device in places)),
        devices=dict(sorted(devices.items())),
    )


def device_caveats(run: Path | str) -> tuple[str, ...]:
    """Return what a reader must know of rows of a run that are of several types of device.

    Raises
    ------
    InputError, FileFormatError, StorageError
        As `run_status`.
    """
    return tuple(
        f"Rows of {folder.name} were computed on "
        f"{' and '.join(f'{name} ({rows:,})' for name, rows in folder.devices.items())}: near a "
        "threshold, labels of one may be others than those of the other."
        for folder in run_status(run)
        if len(folder.devices) > 1
    )
