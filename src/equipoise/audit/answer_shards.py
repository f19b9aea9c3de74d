"""Images of an audit that lack an answer, asked about in batches: by threads, or by an engine.

Whoever is asked is a classifier, or a function of descriptors. A worker opens it by its address,
once. What a batch holds is in a small file beside the answers, until it is done. The images are cut
into the same batches every time, so the files of answers are the same on every engine.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from equipoise.audit.images import Pictures
from equipoise.audit.kept_answers import answers_name, keep
from equipoise.core.files import parse_json
from equipoise.core.folders import Folder
from equipoise.core.parallel import batches, one_thread, ordered_map
from equipoise.core.progress import Engine, Execution
from equipoise.core.resumable import ResumableFolder
from equipoise.engines import Finished, ResumedTask, Shard, ShardInputs, check_opened, run
from equipoise.labelling.image_files import PictureFiles

BATCH = 64
"""Images per call, and per file; chosen by hand."""


class Asked(Protocol):
    """Whoever is asked about images; it may be called from several threads."""

    def home(self, folder: Path) -> ResumableFolder:
        """Return where its answers are kept in a folder of those of several.

        Its identity is all that determines the answers.
        """
        ...

    def answers(self, images: NDArray[np.uint8]) -> dict[str, pa.Array]:
        """Return checked answers on images, shape (n, 3, height, width): columns of n rows."""
        ...


class AskedAddress(Protocol):
    """A name by which any process opens whoever is asked; it can be pickled and hashed."""

    def open(self) -> Asked:
        """Open it."""
        ...

    def __hash__(self) -> int:
        """Return the same for equal addresses."""
        ...


def ask_missing(
    asked: Asked,
    pictures: Pictures,
    home: ResumableFolder,
    missing: Collection[str],
    address: Callable[[], AskedAddress],
    *,
    batch: int = BATCH,
    stage: str,
    execution: Execution,
) -> list[str]:
    """Ask about images that lack an answer, once where several are equal.

    Parameters
    ----------
    asked : Asked
    pictures : Pictures
        With an engine `PictureFiles`, which its workers must reach under the same paths.
    home : ResumableFolder
        That of `asked`.
    missing : collection of str
        Digests of the images that lack an answer.
    address : callable
        Returns that of `asked`, or raises where it has none. Called for an engine alone.
    batch : int
        Images per call.
    stage : str
        Name of the stage in progress.
    execution : Execution
        Threads, engine and progress. The files do not depend on it.

    Returns
    -------
    list of str
        The files of new answers.

    Raises
    ------
    InputError
        When a worker opens another than `asked`.
    WorkerError
        When workers cannot start, or batches were set aside; the other answers stay.
    """
    # Of equal images, the first is asked about.
    first: dict[str, int] = {}
    for row, digest in enumerate(pictures.digests):
        first.setdefault(digest, row)
    lacks = [row if digest in missing else None for digest, row in first.items()]

    def lacking(shard: Shard) -> list[int]:
        """Return the rows of a batch that have no answer yet."""
        return [row for row in lacks[shard.start : shard.stop] if row is not None]

    def file(number: int) -> str:
        rows = lacking(Shard(number, number * batch, (number + 1) * batch))
        return f"{answers_name([pictures.digests[row] for row in rows])}.parquet"

    task = ResumedTask(
        home.home,
        len(lacks),
        batch,
        file=file,
        done_rows=lambda shard: 0 if lacking(shard) else shard.rows,
        report=lambda done, total: execution.progress(stage, done, total),
        checked=False,  # Which answers lack is known from before.
    )

    def by_threads() -> Iterator[Finished]:
        def one(shard: Shard) -> Finished:
            rows = lacking(shard)
            digests = [pictures.digests[row] for row in rows]
            keep(home, digests, asked.answers(pictures.images(rows)))
            return Finished(shard)

        with closing(ordered_map(one, task.missing(), execution.workers)) as results:
            yield from results

    def on_engine(engine: Engine) -> Iterator[Finished]:
        assert isinstance(pictures, PictureFiles)
        return _on_engine(engine, address(), pictures, home, task.missing(), lacking)

    home.home.prepare()
    task.on_rows(0)
    task.finish(by_threads() if execution.engine is None else on_engine(execution.engine))
    return [
        file(number)
        for number, (start, stop) in enumerate(batches(0, len(lacks), batch))
        if lacking(Shard(number, start, stop))
    ]


def _on_engine(
    engine: Engine,
    address: AskedAddress,
    pictures: PictureFiles,
    home: ResumableFolder,
    shards: Iterable[Shard],
    rows: Callable[[Shard], Sequence[int]],
) -> Iterator[Finished]:
    """Ask on the workers of an engine about some rows of each batch; yield each as it ends."""
    folder = home.home.absolute()
    task = AnswerTask(address, folder, home.identity, pictures.with_files())

    def content(shard: Shard) -> bytes:
        files = [[pictures.digests[r], str(pictures.files[r].absolute())] for r in rows(shard)]
        return json.dumps(files).encode()

    inputs = ShardInputs.of_images(folder)
    yield from inputs.taken(run(engine, task, inputs.given(shards, content)))


@dataclass(frozen=True)
class AnswerTask:
    """What a worker needs to ask about images.

    Attributes
    ----------
    address : AskedAddress
    folder : Folder
        Where answers are written; every worker must reach it under this name.
    identity : str
        Of the answers. A worker that opens whoever would give others is refused.
    like : PictureFiles
        None, but read as the images are.
    """

    address: AskedAddress
    folder: Folder
    identity: str
    like: PictureFiles

    def open(self) -> Callable[[Shard], None]:
        """Open whoever is asked, and return what asks about one batch.

        Raises
        ------
        InputError
            When it is not that of the audit.
        """
        asked = self.address.open()
        home = replace(asked.home(Path()), home=self.folder)
        check_opened("the audit", home.identity, self.identity)

        def work(shard: Shard) -> None:
            given = parse_json(ShardInputs.of_images(self.folder).read(shard))
            digests = [str(digest) for digest, _ in given]
            pictures = self.like.with_files(Path(file) for _, file in given)
            images = pictures.images(range(len(digests)))
            with one_thread():
                keep(home, digests, asked.answers(images))

        return work
