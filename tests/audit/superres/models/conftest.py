from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch

from equipoise.generators import StandardNormal


class Smooth:
    """A generator of 16x16 pictures, a few smooth waves weighed by the code; torch all through."""

    name = "smooth"
    space = "z"
    device = "cpu"
    batch_size = 64
    pinned = ()
    image_shape = (3, 16, 16)

    def __init__(self, dim: int = 12) -> None:
        self.dim = dim
        self.prior = StandardNormal(dim)
        self.digest = hashlib.sha256(f"smooth {dim}".encode()).hexdigest()
        rng = np.random.default_rng(0)
        y, x = np.mgrid[0:16, 0:16] / 16
        waves = [
            [np.cos(np.pi * (a * x + b * y) + c) for c in rng.uniform(0, 6, 3)]
            for a, b in rng.integers(0, 4, (dim, 2))
        ]
        self.waves = torch.tensor(np.array(waves), dtype=torch.float32)

    def stem(self, codes: np.ndarray) -> np.ndarray:
        return codes

    def pixels(self, codes: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(torch.einsum("nd,dchw->nchw", codes, self.waves) / 2)

    def images(self, codes: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            pixels = self.pixels(torch.from_numpy(codes)) * 255
        return pixels.round().to(torch.uint8).numpy()


@pytest.fixture
def smooth() -> Smooth:
    return Smooth()
