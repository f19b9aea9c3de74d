"""Images of an audit, drawn cell by cell on the workers of an engine.

Verified images of a cell do not depend on those of other cells. So a worker draws one cell into a
folder of its own, FOLDER/cells/K, and the folders are then joined to what one process would have
written.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from equipoise.classifiers.models import ModelAddresses, Models
from equipoise.core.files import RESUMES, storage, write_text
from equipoise.core.progress import Execution
from equipoise.engines import Engine, Shard, check_opened, run, set_aside
from equipoise.samplers.export import write_draws
from equipoise.samplers.export.metadata import DRAWS, METADATA
from equipoise.samplers.file import load_sampler
from equipoise.samplers.job import DrawRequest
from equipoise.samplers.sampler import Sampler

CELLS = "cells"
"""Folder of the cells that are not joined yet, in that of the images."""


def draw_cells(
    engine: Engine,
    sampler: Sampler,
    file: Path,
    models: Models,
    request: DrawRequest,
    folder: Path,
    execution: Execution,
) -> None:
    """Draw verified images into a folder that holds none, as `write_draws` would.

    Parameters
    ----------
    engine : Engine
    sampler : Sampler
    file : Path
        The sampler's file, which workers read.
    models : Models
        Opened by address.
    request : DrawRequest
        Verified, of all cells.
    folder : Path
        Every worker must reach it under this name. A stopped call goes on in it.
    execution : Execution
        Progress counts the images of finished cells.

    Raises
    ------
    InputError
        When models have no addresses, or a worker opens others.
    InsufficientLabelsError
        When too few draws of a cell are verified.
    StorageError
        When a file cannot be written.
    WorkerError
        When workers cannot start, or a cell was set aside; the others are kept.
    """
    counts = request.counts(sampler)
    ends = np.cumsum(counts).tolist()
    cells = [Shard(k, ends[k] - int(counts[k]), ends[k]) for k in np.flatnonzero(counts).tolist()]
    identity = _identity(sampler, models)
    task = CellTask(models.shared_addresses, file.absolute(), request, folder.absolute(), identity)
    execution.progress("draw", 0, request.n)
    done, lost = 0, []
    for ended in run(engine, task, cells):
        if ended.lost:
            lost.append(ended)
            continue
        done += ended.shard.rows
        execution.progress("draw", done, request.n)
    if lost:
        raise set_aside(lost)
    with storage(folder, RESUMES):
        _join(folder, cells)


def _identity(sampler: Sampler, models: Models) -> str:
    return json.dumps({"sampler": sampler.digest, **models.identity}, sort_keys=True)


def _join(folder: Path, cells: list[Shard]) -> None:
    """Copy the images of the cells, and then write their metadata, which makes the folder whole."""
    (folder / "images").mkdir(exist_ok=True)
    table: list[bytes] = []
    for cell in cells:
        home = folder / CELLS / str(cell.number)
        header, *rows = (home / METADATA).read_bytes().splitlines(keepends=True)
        table = table or [header]
        for number, row in enumerate(rows, cell.start):
            name, comma, rest = row.partition(b",")
            own = f"images/{number:09d}.png"
            shutil.copyfile(home / name.decode(), folder / own)
            table.append(own.encode() + comma + rest)
        drawn = {**json.loads((home / DRAWS).read_bytes()), "cell": None}
    write_text(folder / DRAWS, json.dumps(drawn))
    write_text(folder / METADATA, b"".join(table).decode())


@dataclass(frozen=True)
class CellTask:
    """What a worker needs to draw the images of cells.

    Attributes
    ----------
    addresses : ModelAddresses
    sampler : Path
        The sampler's file.
    request : DrawRequest
        Of all cells.
    folder : Path
    identity : str
        A worker that opens another sampler or other models is refused.
    """

    addresses: ModelAddresses
    sampler: Path
    request: DrawRequest
    folder: Path
    identity: str

    def open(self) -> Callable[[Shard], None]:
        """Open the models and the sampler, and return what draws one cell.

        Raises
        ------
        InputError
            When they are not those of the audit.
        """
        models = self.addresses.open()
        sampler = load_sampler(self.sampler, models.generator)
        check_opened("the audit", _identity(sampler, models), self.identity)

        def work(shard: Shard) -> None:
            cell = sampler.grid.cells[shard.number]
            request = replace(self.request, n=shard.rows, cell=cell)
            write_draws(sampler, models, request, self.folder / CELLS / str(shard.number))

        return work
