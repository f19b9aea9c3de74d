"""Batches of images that the workers of an engine ask a classifier about.

A worker opens the classifier by its address, once. What a batch holds is in a small file beside the
answers, until it is done.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from equipoise.audit.kept_answers import HOLDS, answers_home, ask
from equipoise.classifiers.base import Classifier
from equipoise.classifiers.models import ClassifierAddress
from equipoise.core.files import parse_json
from equipoise.core.folders import Folder
from equipoise.core.parallel import one_thread
from equipoise.core.progress import Engine
from equipoise.core.resumable import ResumableFolder
from equipoise.engines import Finished, Shard, ShardInputs, by_address, check_opened, run
from equipoise.labelling.image_files import PictureFiles


def answers_on(
    engine: Engine,
    classifier: Classifier,
    address: ClassifierAddress | None,
    pictures: PictureFiles,
    home: ResumableFolder,
    batches: Iterable[Shard],
    rows: Callable[[Shard], list[int]],
) -> Iterator[Finished]:
    """Ask on the workers of an engine, and yield each batch as it ends.

    Parameters
    ----------
    engine : Engine
    classifier : Classifier
        What `address` opens.
    address : ClassifierAddress or None
    pictures : PictureFiles
    home : ResumableFolder
        Where the answers go, as of `answers_home`.
    batches : iterable of Shard
    rows : callable
        Returns the rows of `pictures` that a batch asks about.

    Raises
    ------
    InputError
        When there is no address, or a worker opens another classifier.
    WorkerError
        When workers cannot start.
    """
    opener = by_address(address, f"classifier {classifier.name!r}", "ClassifierAddress")
    folder = home.home.absolute()
    task = AnswerTask(opener, folder, home.identity, pictures.side)

    def content(shard: Shard) -> bytes:
        own = rows(shard)
        files = [[pictures.digests[r], str(pictures.files[r].absolute())] for r in own]
        return json.dumps(files).encode()

    inputs = ShardInputs.of_images(folder)
    yield from inputs.taken(run(engine, task, inputs.given(batches, content)))


@dataclass(frozen=True)
class AnswerTask:
    """What a worker needs to ask a classifier.

    Attributes
    ----------
    address : ClassifierAddress
    folder : Folder
        Where answers are written; every worker must reach it under this name.
    identity : str
        Of the answers. A worker that opens another classifier is refused.
    side : int
        As of `PictureFiles`.
    """

    address: ClassifierAddress
    folder: Folder
    identity: str
    side: int

    def open(self) -> Callable[[Shard], None]:
        """Open the classifier, and return what asks it about one batch.

        Raises
        ------
        InputError
            When it is not the classifier of the audit.
        """
        classifier = self.address.open()
        check_opened("the audit", answers_home(classifier, Path()).identity, self.identity)
        home = ResumableFolder(self.folder, self.identity, HOLDS)

        def work(shard: Shard) -> None:
            given = parse_json(ShardInputs.of_images(self.folder).read(shard))
            digests = tuple(str(digest) for digest, _ in given)
            files = tuple(Path(file) for _, file in given)
            images = PictureFiles(files, digests, self.side).images(range(len(files)))
            with one_thread():
                ask(classifier, images, digests, home)

        return work
