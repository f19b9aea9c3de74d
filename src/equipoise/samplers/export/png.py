"""Pictures as PNG files with a mark in XMP."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo


def xmp(mark: str) -> PngInfo:
    """Return what a PNG file is saved with to hold a mark, or nothing where it is empty."""
    texts = PngInfo()
    if mark:
        texts.add_itxt("XML:com.adobe.xmp", mark)
    return texts


def png(image: NDArray[np.uint8], mark: str) -> bytes:
    """Return an image, shape (channels, height, width), as a PNG file with a mark in XMP."""
    content = io.BytesIO()
    picture = Image.fromarray(image.transpose(1, 2, 0))
    picture.save(content, format="PNG", compress_level=1, pnginfo=xmp(mark))
    return content.getvalue()
