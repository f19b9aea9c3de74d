"""What every format carries of an image: its PNG, and a row of metadata."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from equipoise.drawing import Drawn
from equipoise.groups import UNKNOWN_NAME
from equipoise.labels import to_columns


def metadata_rows(drawn: Drawn, seed: int, start: int) -> Iterator[dict[str, Any]]:
    """Yield the metadata of each image of a batch, whose first image is number `start`."""
    groups = drawn.labels.groups
    columns = {name: column.to_pylist() for name, column in to_columns(drawn.labels).items()}
    for i, requested in enumerate(drawn.draws.requested):
        cell = drawn.labels.cells[i]
        yield {
            "file_name": f"images/{start + i:09d}.png",
            "seed": seed,
            "index": int(drawn.draws.index[i]),
            "requested": groups.cells[requested],
            "achieved": groups.cells[cell] if cell >= 0 else UNKNOWN_NAME,
            **{name: values[i] for name, values in columns.items()},
        }


def png(image: NDArray[np.uint8]) -> bytes:
    """Return an image, shape (channels, height, width), as a PNG file."""
    content = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0)).save(content, format="PNG", compress_level=1)
    return content.getvalue()
