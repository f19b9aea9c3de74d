"""What gradients through any generator must agree with."""

import numpy as np
import pytest
import torch

from equipoise.generators import Differentiable, Generator


def check_gradients(generator: Generator, n: int) -> None:
    """Pixels are the images, and their slope is that of a small step."""
    assert isinstance(generator, Differentiable)
    codes = generator.prior.codes(5, 0, n)
    rows = torch.from_numpy(codes).requires_grad_()
    pixels = generator.pixels(rows)
    assert np.abs(pixels.detach().numpy() * 255 - generator.images(codes)).max() <= 0.51
    step = 1e-2 * torch.from_numpy(generator.prior.codes(6, 0, n))
    (slope,) = torch.autograd.grad(pixels.square().sum(), rows)
    with torch.no_grad():
        ahead, behind = (generator.pixels(rows + s).square().sum() for s in (step, -step))
    assert float((slope * step).sum()) == pytest.approx(float(ahead - behind) / 2, rel=0.05)
