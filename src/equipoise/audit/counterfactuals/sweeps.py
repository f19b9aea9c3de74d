"""Batches of starts of a search for counterfactual sets: on disk, by threads or on an engine.

Batches end in any order, and are counted in theirs. So the sets are the same for any number of
workers, on any engine, and a stopped search goes on from the batches that are done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from equipoise.audit.counterfactuals.search import CounterfactualSearch, Sweep
from equipoise.classifiers.models import ModelAddresses
from equipoise.core.completion import completing, read_completion
from equipoise.core.errors import FileFormatError
from equipoise.core.folders import LocalFolder
from equipoise.core.parallel import one_thread, ordered_map
from equipoise.core.progress import Execution
from equipoise.core.reasons import reason_of
from equipoise.engines import Finished, Shard, by_address, check_opened, run, set_aside
from equipoise.samplers.file import load_sampler
from equipoise.samplers.remote_file import shared_name


@dataclass(eq=False)
class Sweeps:
    """The batches of a search, as far as it has come.

    Attributes
    ----------
    search : CounterfactualSearch
    home : LocalFolder
        Holds a file a batch.
    tried : numpy.ndarray, shape (K,), int64
        Verified starts in each cell, up to the last one that gave a set.
    calls, have : int
        Generator calls, and sets, of the batches that are counted.
    counted : int
        Batches that are counted; of those that follow none is needed once `have` reaches n.
    """

    search: CounterfactualSearch
    home: LocalFolder
    calls: int = 0
    have: int = 0
    counted: int = 0
    tried: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.tried = np.zeros(self.search.sampler.grid.size, np.int64)

    def make(self, file: Path | None, execution: Execution) -> None:
        """Do the batches that are needed and not done, and count them.

        Parameters
        ----------
        file : Path or None
            The sampler's, which workers of an engine read.
        execution : Execution
            Progress counts sets.

        Raises
        ------
        InputError
            When models have no addresses for an engine, or a worker opens others.
        StorageError
            When a file cannot be written.
        WorkerError
            When workers cannot start, or a batch was set aside; the others are kept.
        """
        search = self.search
        self.home.prepare()
        execution.progress("pairs", 0, search.n)
        self._count_done(execution)
        lost: dict[int, Finished] = {}
        with closing(self._ended(file, execution)) as results:
            for one in results:
                if one.lost:
                    lost[one.shard.number] = one
                self._count_done(execution)
                if self.have >= search.n:
                    return
                if self.counted in lost:
                    raise set_aside([lost[self.counted]])

    def _ended(self, file: Path | None, execution: Execution) -> Generator[Finished, None, None]:
        """Do the batches that are not done, and yield each as it ends."""
        search = self.search
        if execution.engine is None:

            def one(shard: Shard) -> Finished:
                write_sweep(search, shard, self.home)
                return Finished(shard)

            return ordered_map(one, self._missing(), execution.workers)
        task = SweepTask(
            search.models.shared_addresses,
            shared_name(by_address(file, "the sampler of a search", "file")),
            search.attribute,
            tuple(map(tuple, search.normals.tolist())),
            search.n,
            search.seed,
            self.home.absolute(),
            search.identity,
        )
        return run(execution.engine, task, self._missing())

    def _missing(self) -> Iterator[Shard]:
        for shard in self.search.shards():
            if self.have >= self.search.n:
                return
            if not _is_done(self.home, shard.number):
                yield shard

    def _count_done(self, execution: Execution) -> None:
        """Count the batches that are done and needed, in order, up to the first that is missing."""
        n = self.search.n
        while self.have < n and _is_done(self.home, self.counted):
            found = read_sweep(self.home, self.counted)
            last = np.flatnonzero(found.whole)[n - self.have - 1 : n - self.have]
            starts = found.starts[: last[0] + 1] if len(last) else found.starts
            self.tried += np.bincount(starts, minlength=len(self.tried))
            self.calls += found.calls
            self.have += len(found.cells)
            self.counted += 1
            execution.progress("pairs", min(self.have, n), n)


def _is_done(home: LocalFolder, number: int) -> bool:
    return read_completion(home, _name(number)) is not None


def _name(number: int) -> str:
    return f"sweep-{number:06d}.safetensors"


def write_sweep(search: CounterfactualSearch, shard: Shard, home: LocalFolder) -> None:
    """Do a batch, and store it with its record."""
    began = time.monotonic()
    found = search.sweep(shard)
    arrays: dict[str, NDArray[Any]] = {
        "codes": found.codes,
        "images": found.images,
        "step_lengths": found.step_lengths,
        "starts": found.starts,
        "whole": found.whole,
        "calls": np.array([found.calls]),
    }
    with completing(
        home,
        _name(shard.number),
        rows=shard.rows,
        total=search.n,
        identity=search.identity,
        device=search.models.generator.device,
        began=began,
    ) as part:
        part.write_bytes(safetensors.numpy.save(arrays))


def read_sweep(home: LocalFolder, number: int) -> Sweep:
    """Return a batch.

    Raises
    ------
    FileFormatError
        When it is damaged.
    """
    path = home.path / _name(number)
    try:
        with safetensors.safe_open(path, framework="numpy") as stored:
            names = ("codes", "images", "step_lengths", "starts", "whole")
            arrays = {name: stored.get_tensor(name) for name in names}
            found = Sweep(**arrays, calls=int(stored.get_tensor("calls")[0]))
        if not len(found.codes) == len(found.images) == len(found.step_lengths) == len(found.cells):
            raise ValueError("arrays of other lengths")
    except (
        *(OSError, KeyError, TypeError, ValueError, IndexError),
        safetensors.SafetensorError,
    ) as error:
        raise FileFormatError(
            f"batch of counterfactual sets {path}",
            "must be as it was written",
            reason_of(error),
            f"Delete {home.path} and run the same command again.",
        ) from error
    return found


@dataclass(frozen=True)
class SweepTask:
    """What a worker needs to do batches of a search.

    Attributes
    ----------
    addresses : ModelAddresses
    sampler : Path
        The sampler's file.
    attribute, normals, n, seed
        As of `CounterfactualSearch`, normals as numbers.
    folder : LocalFolder
        Where batches are written; every worker must reach it under this name.
    identity : str
        Of the search. A worker that opens another sampler or other models is refused.
    """

    addresses: ModelAddresses
    sampler: Path
    attribute: str
    normals: tuple[tuple[float, ...], ...]
    n: int
    seed: int
    folder: LocalFolder
    identity: str

    def open(self) -> Callable[[Shard], None]:
        """Open the models and the sampler, and return what does one batch.

        Raises
        ------
        InputError
            When they are not those of the audit.
        """
        models = self.addresses.open()
        search = CounterfactualSearch(
            sampler=load_sampler(self.sampler, models.generator),
            models=models,
            attribute=self.attribute,
            normals=np.array(self.normals),
            n=self.n,
            seed=self.seed,
        )
        check_opened("the audit", search.identity, self.identity, models.may_differ)

        def work(shard: Shard) -> None:
            if not _is_done(self.folder, shard.number):
                with one_thread():
                    write_sweep(search, shard, self.folder)

        return work
