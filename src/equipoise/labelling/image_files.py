"""Label image files, whoever made them, in batches of bounded memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers.panel import ClassifierPanel
from equipoise.core.errors import FileFormatError
from equipoise.core.files import digest_of
from equipoise.core.labels import Labels, concatenate
from equipoise.core.parallel import ordered_map
from equipoise.core.progress import Execution
from equipoise.labelling.picture import jpeg, middle_square, read_image

_BATCH = 64
"""Files that one thread reads and labels at a time, chosen by hand."""

Source: TypeAlias = Callable[[], NDArray[np.uint8]]
"""Returns an image, shape (3, height, width)."""

_MOST_BYTES = 2**25
"""Bytes of the images in one call of the panel, chosen by hand. A larger image is passed alone."""


def label_files(
    files: Sequence[Path],
    panel: ClassifierPanel,
    *,
    execution: Execution = Execution(),
) -> Labels:
    """Return the labels of image files, which may differ in size.

    Parameters
    ----------
    files : sequence of Path
        At least one.
    panel : ClassifierPanel
    execution : Execution
        Threads and progress. The labels do not depend on it.

    Returns
    -------
    Labels
        One row per file, in their order.

    Raises
    ------
    FileFormatError
        When a file cannot be read as `read_image` does; the error names it.
    ModelOutputError
        When a classifier returns something wrong.
    """
    sources = (partial(read_image, path) for path in files)
    parts: list[Labels] = []
    done = 0
    with closing(label_sources(sources, panel, workers=execution.workers)) as results:
        for part in results:
            parts.append(part)
            done += len(part)
            execution.progress("measure", done, len(files))
    return concatenate(parts)


def label_sources(
    sources: Iterable[Source],
    panel: ClassifierPanel,
    *,
    workers: int | None = None,
) -> Generator[Labels, None, None]:
    """Yield the labels of images, in order, batch by batch.

    Parameters
    ----------
    sources : iterable of callable
        Called in the workers, each once.
    panel : ClassifierPanel
    workers : int, optional
        Threads. The labels do not depend on it.
    """

    def label(batch: list[Source]) -> Labels:
        images = (source() for source in batch)
        return concatenate([panel.predict(same) for same in equal_sizes(images)])

    left = iter(sources)
    filled = iter(lambda: list(islice(left, _BATCH)), [])
    with closing(ordered_map(label, filled, workers)) as results:
        yield from results


def equal_sizes(images: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
    """Yield neighbouring images of equal shape as batches, in order.

    Parameters
    ----------
    images : iterable of numpy.ndarray, shape (3, height, width), uint8

    Yields
    ------
    numpy.ndarray, shape (n, 3, height, width), uint8
        At most `_MOST_BYTES` bytes, or a single image.
    """
    run: list[NDArray[np.uint8]] = []
    for image in images:
        if run and (image.shape != run[0].shape or (len(run) + 1) * image.nbytes > _MOST_BYTES):
            yield np.stack(run)
            run = []
        run.append(image)
    if run:
        yield np.stack(run)


@dataclass(frozen=True)
class PictureFiles:
    """Images of one size in files, with the digests under which predictions on them are kept.

    Attributes
    ----------
    files : tuple of Path
    digests : tuple of str
        SHA-256 of the bytes of each file, 64 hexadecimal digits; others where images are cut or
        compressed.
    side : int
        Pixels of each side to which images are cut, from their middle square; 0 leaves them.
    quality : int
        Of the JPEG compression that images go through, in [1, 95]; 0 for none.
    """

    files: tuple[Path, ...]
    digests: tuple[str, ...]
    side: int = 0
    quality: int = 0

    @classmethod
    def of(cls, files: Sequence[Path]) -> PictureFiles:
        """Return the record of some files, whose digests are computed.

        Raises
        ------
        OSError
            When a file is missing or cannot be read.
        """
        return cls(tuple(files), tuple(map(digest_of, files)))

    def cut(self, side: int) -> PictureFiles:
        """Return the middle squares of the images, under digests of their own."""
        return replace(self, digests=self._digests_of(f"middle square {side}"), side=side)

    def reencoded(self, quality: int) -> PictureFiles:
        """Return the images after JPEG compression, under digests of their own."""
        return replace(self, digests=self._digests_of(f"jpeg {quality}"), quality=quality)

    def _digests_of(self, change: str) -> tuple[str, ...]:
        texts = (f"{change} {digest}" for digest in self.digests)
        return tuple(hashlib.sha256(text.encode()).hexdigest() for text in texts)

    def with_files(self, files: Iterable[Path] = ()) -> PictureFiles:
        """Return other files, by default none, that are read as these; without digests."""
        return replace(self, files=tuple(files), digests=())

    def images(self, rows: Sequence[int]) -> NDArray[np.uint8]:
        """Return the images of some rows, at least one.

        Returns
        -------
        numpy.ndarray, shape (len(rows), 3, height, width), uint8
            RGB in [0, 255].

        Raises
        ------
        FileFormatError
            When a file cannot be read as `read_image` does, or has another size than the first.
        """
        found = [read_image(self.files[row]) for row in rows]
        if self.side:
            found = [middle_square(image, self.side) for image in found]
        for row, image in zip(rows, found, strict=True):
            if image.shape != found[0].shape:
                raise FileFormatError(
                    f"image {self.files[row]}",
                    f"must have the size of the others, {found[0].shape[1:]}",
                    image.shape[1:],
                    "Leave it out, or draw the images again.",
                )
        return np.stack([jpeg(image, self.quality) if self.quality else image for image in found])
