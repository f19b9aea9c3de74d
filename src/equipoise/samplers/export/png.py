"""Pictures as PNG files with a mark in XMP."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo


def png(image: NDArray[np.uint8], mark: str) -> bytes:
    """Return an image, shape (channels, height, width), as a PNG file with a mark in XMP."""
    content, texts = io.BytesIO(), PngInfo()
    texts.add_itxt("XML:com.adobe.xmp", mark)
    picture = Image.fromarray(image.transpose(1, 2, 0))
    picture.save(content, format="PNG", compress_level=1, pnginfo=texts)
    return content.getvalue()
