"""Images encoded for a service: enlarged, with a margin, as PNG or JPEG."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FORMATS = ("png", "jpeg")
"""File formats in which images can be sent."""

FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
"""Filters that resize images, by name."""

_GREY = (128, 128, 128)
"""Colour of the margin, chosen by hand: the middle of the range."""


@dataclass(frozen=True)
class Picture:
    """How images are encoded before they are sent.

    Attributes
    ----------
    format : str
        One of `FORMATS`.
    side : int
        Pixels of the longer side; 0 leaves the size unchanged.
    filter : str
        One of `FILTERS`.
    margin : float
        Width of a grey border, as a share of the image's side. Face detectors expect a face with
        surroundings, and aligned faces fill their images.
    quality : int
        JPEG quality, 1 to 100.
    """

    format: str = "png"
    side: int = 0
    filter: str = "bicubic"
    margin: float = 0.0
    quality: int = 95

    @property
    def media_type(self) -> str:
        """Media type of the encoded image."""
        return f"image/{self.format}"

    def encode(self, image: NDArray[np.uint8]) -> bytes:
        """Return the encoded file of one RGB image, shape (3, height, width), uint8."""
        picture = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))
        if self.side:
            scale = self.side / max(picture.size)
            width, height = (max(1, round(side * scale)) for side in picture.size)
            picture = picture.resize((width, height), FILTERS[self.filter])
        if self.margin:
            x, y = (round(side * self.margin) for side in picture.size)
            framed = Image.new("RGB", (picture.width + 2 * x, picture.height + 2 * y), _GREY)
            framed.paste(picture, (x, y))
            picture = framed
        file = io.BytesIO()
        if self.format == "jpeg":
            picture.save(file, "JPEG", quality=self.quality)
        else:
            picture.save(file, "PNG")
        return file.getvalue()
