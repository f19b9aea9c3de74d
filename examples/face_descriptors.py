"""face-api's 128 numbers of a face, from its server in examples/face-api.

node server.mjs --port 8700          (in examples/face-api)
PYTHONPATH=examples FACE_API=http://127.0.0.1:8700 equipoise audit verification runs/set \
        --descriptors face_descriptors:face_api --out runs/verification
"""

from __future__ import annotations

import hashlib
import json
import os
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.core.errors import InputError
from equipoise.core.synthetic_mark import packet
from equipoise.samplers.export.png import png

ORIGIN = "FACE_API"
"""The environment variable with the address of the server."""

_ASKED, _TIME_OUT = 2, 60.0
_LOCK = Path(__file__).parent / "face-api" / "package-lock.json"


class _FaceApi:
    """A function of images, as `equipoise audit verification --descriptors` takes it."""

    digest = hashlib.sha256(_LOCK.read_bytes()).hexdigest()
    """The versions of all packages, the network's with them."""

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return descriptors of whole pictures, shape (n, 128); images of shape (n, 3, h, w)."""
        with ThreadPoolExecutor(_ASKED) as pool:
            return np.array(list(pool.map(_describe, images)), np.float32)


face_api = _FaceApi()


def _describe(image: NDArray[np.uint8]) -> list[float]:
    origin = os.environ.get(ORIGIN)
    if origin is None:
        raise InputError(ORIGIN, "must be set", "nothing", f"Set {ORIGIN}=http://127.0.0.1:8700.")
    asked = urllib.request.Request(f"{origin}/descriptor", png(image, packet()))
    with urllib.request.urlopen(asked, timeout=_TIME_OUT) as answer:
        (face,) = json.load(answer)["faces"]
    found: list[float] = face["descriptor"]
    return found
