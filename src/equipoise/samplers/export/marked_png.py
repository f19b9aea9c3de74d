"""Pictures of draws as PNG files that say what drew them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.core.synthetic_mark import packet
from equipoise.samplers.export.c2pa_manifest import ManifestSigner
from equipoise.samplers.export.png import png
from equipoise.samplers.sampler import GeneratorRef


def marked_png(
    image: NDArray[np.uint8],
    generator: GeneratorRef,
    row: Mapping[str, Any],
    signer: ManifestSigner | None = None,
) -> bytes:
    """Return an image as a PNG file that says what drew it, by its row of metadata."""
    mark = packet(generator.name, generator.digest, row["seed"], row["index"])
    content = png(image, mark)
    return content if signer is None else signer.signed(content)
