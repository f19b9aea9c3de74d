"""Read and label image files, whoever made them.

Files come from other hands, so they are read within limits: only formats that are decoded without
other programs, and batches of bounded memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from equipoise.classifiers.panel import ClassifierPanel
from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.files import digest_of
from equipoise.core.labels import Labels, concatenate
from equipoise.core.parallel import batches, ordered_map
from equipoise.core.progress import Execution

SUFFIXES = (".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".tif", ".tiff")
"""Suffixes of the image files that are read."""

_DECODED = ("PNG", "JPEG", "WEBP", "BMP", "TIFF")
"""Formats that a file may have, whatever its name says. Pillow decodes some others, such as EPS, by
starting a program."""

OTHER_PICTURES = (".gif", ".heic", ".heif", ".avif", ".jxl", ".jp2", ".dng", ".raw", ".svg", ".psd")
"""Suffixes of pictures that are not read, and are reported as left out."""

_BATCH = 64
"""Files that one thread reads and labels at a time, chosen by hand."""

_MOST_BYTES = 2**25
"""Bytes of the images in one call of the panel, chosen by hand. A larger image is passed alone."""


def image_files(folder: Path) -> list[Path]:
    """Return the files below a folder that have one of `SUFFIXES`, sorted by path.

    Raises
    ------
    InputError
        When there are none.
    """
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not found:
        raise InputError(
            f"folder {folder}",
            f"must hold images ({', '.join(SUFFIXES)})",
            "none",
            "Give a folder of images or a sampler file.",
        )
    return found


def skipped_pictures(folder: Path) -> list[Path]:
    """Return the files below a folder that have one of `OTHER_PICTURES`, sorted by path."""
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in OTHER_PICTURES)


def read_image(path: Path) -> NDArray[np.uint8]:
    """Return the image in a file, turned upright as its metadata ask.

    Returns
    -------
    numpy.ndarray, shape (3, height, width), uint8
        RGB in [0, 255].

    Raises
    ------
    FileFormatError
        When the file is damaged, is no picture, has so many pixels that Pillow takes it for an
        attack, has more than 8 bits per channel, or has transparent pixels.
    """
    try:
        with Image.open(path, formats=_DECODED) as image:
            upright = ImageOps.exif_transpose(image)
            if upright.mode not in ("RGB", "L", "P", "RGBA", "LA", "CMYK", "1"):
                raise ValueError(f"mode {upright.mode}, more than 8 bits a channel")
            alpha = upright.has_transparency_data and np.asarray(upright.convert("RGBA"))[..., 3]
            if alpha is not False and alpha.min() < 255:
                raise ValueError("transparent pixels, whose colour is anybody's guess")
            pixels = np.asarray(upright.convert("RGB"))
            return np.ascontiguousarray(pixels.transpose(2, 0, 1))
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise FileFormatError(
            f"image {path}", "must be a whole, opaque 8-bit picture", str(error), "Save it again."
        ) from error


def label_files(
    files: list[Path],
    panel: ClassifierPanel,
    *,
    execution: Execution = Execution(),
) -> Labels:
    """Return the labels of image files, which may differ in size.

    Parameters
    ----------
    files : list of Path
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

    def label(bounds: tuple[int, int]) -> Labels:
        images = map(read_image, files[slice(*bounds)])
        return concatenate([panel.predict(same) for same in equal_sizes(images)])

    parts: list[Labels] = []
    done = 0
    with closing(ordered_map(label, batches(0, len(files), _BATCH), execution.workers)) as results:
        for part in results:
            parts.append(part)
            done += len(part)
            execution.progress("measure", done, len(files))
    return concatenate(parts)


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


@dataclass(frozen=True, eq=False)
class PictureFiles:
    """Images of one size in files, with the digests under which predictions on them are kept.

    Attributes
    ----------
    files : tuple of Path
    digests : tuple of str
        SHA-256 of the bytes of each file, 64 hexadecimal digits.
    """

    files: tuple[Path, ...]
    digests: tuple[str, ...]

    @classmethod
    def of(cls, files: Sequence[Path]) -> PictureFiles:
        """Return the record of some files, whose digests are computed.

        Raises
        ------
        OSError
            When a file is missing or cannot be read.
        """
        return cls(tuple(files), tuple(map(digest_of, files)))

    def images(self, rows: Sequence[int]) -> NDArray[np.uint8]:
        """Return the images of some rows, at least one.

        Returns
        -------
        numpy.ndarray, shape (len(rows), 3, height, width), uint8
            RGB in [0, 255].

        Raises
        ------
        FileFormatError
            When a file cannot be read as `read_image` does.
        """
        return np.stack([read_image(self.files[row]) for row in rows])
