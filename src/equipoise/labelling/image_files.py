"""The mix of a folder of image files, whoever made them.

Images in files, with digests by which answers on them are kept.
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
_DECODED = ("PNG", "JPEG", "WEBP", "BMP", "TIFF")
"""What a file is read as, whatever its name says; other formats of Pillow may start programs."""

OTHER_PICTURES = (".gif", ".heic", ".heif", ".avif", ".jxl", ".jp2", ".dng", ".raw", ".svg", ".psd")
"""Suffixes of pictures that are not read."""

_BATCH = 64
_MOST_BYTES = 2**25
"""Of the pictures that are read together, unless one alone has more."""


def image_files(folder: Path) -> list[Path]:
    """Return the image files below a folder, in order of their paths.

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
    """Return the files below a folder that are pictures by their names, of kinds not read."""
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in OTHER_PICTURES)


def read_image(path: Path) -> NDArray[np.uint8]:
    """Decode a file to shape (3, height, width), uint8 RGB.

    Raises
    ------
    FileFormatError
        When it is no whole picture, too large to be a harmless one, of more than 8 bits a channel,
        or transparent.
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
    """Return the labels of image files; pictures may differ in size.

    Raises
    ------
    FileFormatError
        When a file is no picture; the message names it.
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
    """Yield runs of neighbours of one size as batches of bounded bytes, in order."""
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
    """Images in files, of one size.

    Attributes
    ----------
    files : tuple of Path
    digests : tuple of str
        SHA-256 of each file.
    """

    files: tuple[Path, ...]
    digests: tuple[str, ...]

    @classmethod
    def of(cls, files: Sequence[Path]) -> PictureFiles:
        """Read the digests of files.

        Raises
        ------
        OSError
            When one is not there.
        """
        return cls(tuple(files), tuple(map(digest_of, files)))

    def images(self, rows: Sequence[int]) -> NDArray[np.uint8]:
        """Return some images, shape (len(rows), 3, height, width), uint8 RGB."""
        return np.stack([read_image(self.files[row]) for row in rows])
