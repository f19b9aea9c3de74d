"""Descriptors by facenet-pytorch, for `equipoise audit verification --descriptors facenet:embed`.

Needs `pip install facenet-pytorch`, which fetches its weights when it is first used. Facts are
those of its README and of `fixed_image_standardization` in its models/mtcnn.py: 160x160 pixels,
less 127.5 and over 128; 512 numbers. Run with `PYTHONPATH=examples/models`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

SIDE = 160


@cache
def network() -> Any:
    """Return the network, ready to describe."""
    from facenet_pytorch import InceptionResnetV1

    return InceptionResnetV1(pretrained="vggface2").eval()


def embed(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return descriptors, shape (n, 512), of images, shape (n, 3, height, width).

    The whole image is read as a face: no detector is asked.
    """
    pixels = torch.nn.functional.interpolate(
        torch.from_numpy(images).float(), (SIDE, SIDE), mode="bilinear", antialias=True
    )
    with torch.no_grad():
        found: NDArray[np.float32] = network()((pixels - 127.5) / 128).numpy()
    return found


# By this the weights are named above. With others, change it: descriptors are kept under it.
embed.digest = "vggface2"  # type: ignore[attr-defined]
