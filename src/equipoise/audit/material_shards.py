"""Images of an audit, drawn part by part on the workers of an engine.

A part is a range of the candidates that cells share, or all of a cell that is drawn alone. Images
of shared candidates are delivered or not by those before them. So workers store all that a cell
might keep, this process goes through the parts in order, and those that are delivered are joined to
what one process would have written. With a part goes what each cell misses by then, so that none
are made for cells that are full.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers.models import ModelAddresses, Models
from equipoise.core.completion import completing, read_completion
from equipoise.core.errors import FileFormatError
from equipoise.core.files import parse_json, write_text
from equipoise.core.folders import LocalFolder
from equipoise.core.progress import Execution
from equipoise.core.reasons import reason_of
from equipoise.core.seeds import BLOCK_ROWS
from equipoise.engines import Engine, Finished, Shard, ShardInputs, check_opened, run, set_aside
from equipoise.samplers.export import write_draws
from equipoise.samplers.export.folder import append_images, claimed_for
from equipoise.samplers.export.metadata import METADATA, metadata_rows
from equipoise.samplers.file import load_sampler
from equipoise.samplers.filling import Filling, shared_part
from equipoise.samplers.job import DrawJob, DrawRequest
from equipoise.samplers.remote_file import shared_name
from equipoise.samplers.sampler import Sampler
from equipoise.samplers.shared import SharedCandidates
from equipoise.samplers.verified import MOST_IN_VAIN, SHARED_CODES, shared_images

PARTS = "parts"
"""Folder of the parts that are not joined yet, in that of the images."""

_CANDIDATES = "candidates.npy"
"""Of each image of a part of shared candidates, its index where a cell keeps it, that cell, -1 for
none, and whether each cell would; shape (m, 2 + K)."""

_DELIVERED = 48
"""Images that a part of shared candidates delivers at least, about; chosen by hand. Large parts
are made in vain where they turn out not to be needed, and small ones cost files and messages."""


def draw_parts(
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
        Progress counts the images that finished parts deliver.

    Raises
    ------
    InputError
        When the request breaks a rule, the folder holds other draws, models have no addresses, or
        a worker opens others.
    InsufficientLabelsError
        When too few draws of a cell are verified.
    StorageError
        When a file cannot be written.
    WorkerError
        When workers cannot start, or a part was set aside; the others are kept.
    """
    drawing = DrawJob(sampler, models, request)
    drawing.check()
    task = PartTask(
        models.shared_addresses,
        shared_name(file),
        request,
        folder.absolute(),
        _identity(sampler, models, request),
    )
    shared, wanted = SharedCandidates.of(drawing.sampler_drawn), request.counts(sampler)
    together = shared_part(shared, wanted)
    parts = _Parts(task, shared, Filling(sampler.grid, together), wanted - together)
    execution.progress("draw", 0, request.n)
    given = task.inputs.given(parts.shards(), parts.missing)
    with claimed_for(drawing, folder), closing(run(engine, task, given)) as ended:
        for one in task.inputs.taken(ended):
            parts.end(one)
            execution.progress("draw", parts.delivered, request.n)
        if parts.blocked:
            raise set_aside(parts.blocked)
        _join(folder, parts.images())


def _identity(sampler: Sampler, models: Models, request: DrawRequest) -> str:
    own = {"sampler": sampler.digest, **models.identity, **asdict(request)}
    return json.dumps(own, sort_keys=True)


@dataclass(eq=False)
class _Parts:
    """Parts that workers do, and which of their images are delivered.

    Numbers 0 to K - 1 are cells that are drawn alone; from K on shared candidates follow, in order.

    Attributes
    ----------
    task : PartTask
    shared : SharedCandidates or None
    filling : Filling
        Of shared candidates.
    alone : numpy.ndarray, shape (K,), int64
        Images of cells that are drawn alone.
    lost : list of Finished
        Parts that were set aside, needed or not.
    """

    task: PartTask
    shared: SharedCandidates | None
    filling: Filling
    alone: NDArray[np.int64]
    lost: list[Finished] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._first = self.filling.grid.size
        self._finished: dict[int, Shard] = {}
        self._taken: dict[int, NDArray[np.int64]] = {}
        self._alone = self._in_vain = 0

    def shards(self) -> Iterator[Shard]:
        """Yield parts as workers become free; which come next depends on those that ended."""
        for cell in np.flatnonzero(self.alone).tolist():
            yield Shard(cell, 0, int(self.alone[cell]))
        looks = self.shared.looks if self.shared is not None else 1.0
        size = BLOCK_ROWS * math.ceil(_DELIVERED * looks / BLOCK_ROWS)
        for place in count():
            if not self.filling.open.any() or self.blocked:
                return
            yield Shard(self._first + place, place * size, (place + 1) * size)

    def missing(self, shard: Shard) -> bytes:
        """Return what goes with a part: how many images of shared candidates each cell misses."""
        return json.dumps(self.filling.missing.tolist()).encode()

    @property
    def blocked(self) -> list[Finished]:
        """Parts that were set aside and without which nothing goes on."""
        needed = self._first + len(self._taken) if self.filling.open.any() else -1
        return [
            one for one in self.lost if one.shard.number < self._first or one.shard.number == needed
        ]

    def end(self, ended: Finished) -> None:
        """Count a part that ended, and take from those that now follow each other."""
        number = ended.shard.number
        if ended.lost:
            self.lost.append(ended)
        elif number < self._first:
            self._alone += ended.shard.rows
        else:
            self._finished[number] = ended.shard
        while self.filling.open.any() and (number := self._first + len(self._taken)) in (
            self._finished
        ):
            self._take(self._finished[number])

    def _take(self, shard: Shard) -> None:
        home = self.task.home(shard.number)
        with _intact(home):
            came = np.load(home.path / _CANDIDATES, allow_pickle=False)
            rows, calls = self.filling.take(came[:, 1], came[:, 2:].astype(bool))
        self._taken[shard.number] = came[rows, 0]
        self._in_vain = 0 if calls else self._in_vain + shard.rows
        self.filling.check()
        spent = shard.stop >= self.task.request.n * SHARED_CODES
        if self.filling.open.any() and (spent or self._in_vain >= MOST_IN_VAIN):
            raise self.filling.failure(int(self.filling.open.argmax()))

    @property
    def delivered(self) -> int:
        """Images that finished parts deliver."""
        return self._alone + sum(map(len, self._taken.values()))

    def images(self) -> Iterator[tuple[LocalFolder, dict[str, str]]]:
        """Yield what is delivered, in order: the folder of each image, and its metadata."""
        for number, taken in self._taken.items():
            home = self.task.home(number)
            # A worker that outlived a stopped run may have written the part again, with images of
            # more cells or fewer; those that are delivered are in either.
            with _intact(home):
                rows = {int(row["index"]): row for row in _rows(home)}
                delivered = [rows[index] for index in taken.tolist()]
            yield from ((home, row) for row in delivered)
        for cell in np.flatnonzero(self.alone).tolist():
            home = self.task.home(cell)
            yield from ((home, row) for row in _rows(home))


@contextmanager
def _intact(home: LocalFolder) -> Iterator[None]:
    """Name the part that is damaged when its files cannot be read."""
    try:
        yield
    except (OSError, EOFError, ValueError, IndexError, KeyError) as error:
        raise FileFormatError(
            f"part {home.path}",
            "must be as a worker wrote it",
            reason_of(error),
            "Delete it and run the same command again.",
        ) from error


def _rows(home: LocalFolder) -> list[dict[str, str]]:
    with (home.path / METADATA).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _join(folder: Path, images: Iterator[tuple[LocalFolder, dict[str, str]]]) -> None:
    """Copy images, and then write their metadata, which makes the folder whole."""
    table = io.StringIO(newline="")
    for number, (home, row) in enumerate(images):
        own = {**row, "file_name": f"images/{number:09d}.png"}
        shutil.copyfile(home.path / row["file_name"], folder / own["file_name"])
        writer = csv.DictWriter(table, list(own))
        if number == 0:
            writer.writeheader()
        writer.writerow(own)
    write_text(folder / METADATA, table.getvalue())


@dataclass(frozen=True)
class PartTask:
    """What a worker needs to draw parts.

    Attributes
    ----------
    addresses : ModelAddresses
    sampler : Path
        The sampler's file.
    request : DrawRequest
        Of all cells.
    folder : Path
        Where all images are joined.
    identity : str
        All that determines the parts. A worker that opens another sampler or other models is
        refused.
    """

    addresses: ModelAddresses
    sampler: Path
    request: DrawRequest
    folder: Path
    identity: str

    @property
    def _own(self) -> Path:
        """The folder of all parts; those of other requests lie elsewhere."""
        return self.folder / PARTS / hashlib.sha256(self.identity.encode()).hexdigest()[:16]

    def home(self, number: int) -> LocalFolder:
        """Return the folder of a part."""
        return LocalFolder(self._own / str(number))

    @property
    def inputs(self) -> ShardInputs:
        """What goes with each part."""
        return ShardInputs(LocalFolder(self._own), "missing", ".json")

    def open(self) -> Callable[[Shard], None]:
        """Open the models and the sampler, and return what draws one part.

        Raises
        ------
        InputError
            When they are not those of the audit.
        """
        models = self.addresses.open()
        sampler = load_sampler(self.sampler, models.generator)
        check_opened("the audit", _identity(sampler, models, self.request), self.identity)
        shared = SharedCandidates.of(sampler.for_verified(self.request.faithful))

        def work(shard: Shard) -> None:
            home = self.home(shard.number)
            if shard.number < sampler.grid.size:
                cell = sampler.grid.cells[shard.number]
                alone = replace(self.request, n=shard.rows, cell=cell)
                write_draws(sampler, models, alone, home.path)
            elif shared is not None and read_completion(home, METADATA) is None:
                self._write(sampler, models, shared, shard, home)

        return work

    def _write(
        self,
        sampler: Sampler,
        models: Models,
        shared: SharedCandidates,
        shard: Shard,
        home: LocalFolder,
    ) -> None:
        """Store the images of a range of shared candidates that a cell might keep."""
        began, seed = time.monotonic(), self.request.seed
        missing = np.array(parse_json(self.inputs.read(shard)), np.int64)
        first = np.where(missing > 0, shard.start, shard.stop)
        blocks = shared.blocks(seed, first, shard.stop)
        done = {"total": self.request.n, "identity": self.identity}
        with (
            completing(
                home,
                METADATA,
                rows=shard.rows,
                began=began,
                device=models.generator.device,
                **done,
            ) as part,
            part.open("a", newline="", encoding="utf-8") as table,
            closing(shared_images(shared, models, blocks, lambda: missing)) as drawn,
        ):
            (home.path / "images").mkdir(exist_ok=True)
            came = [np.zeros((0, 2 + sampler.grid.size), np.int64)]
            for batch in drawn:
                index = np.zeros_like(batch.cells)
                index[batch.cells >= 0] = batch.kept.latents.index
                came.append(np.column_stack([index, batch.cells, batch.serves]))
                rows = [
                    # An image is called by its code, whichever others are in the part.
                    {**row, "file_name": f"images/{-1 - row['index']:09d}.png"}
                    for row in metadata_rows(batch.kept, seed, 0)
                ]
                append_images(home.path, table, rows, batch.kept.images, sampler.generator)
            with home.writing(_CANDIDATES) as whole, whole.open("wb") as file:
                np.save(file, np.concatenate(came))
