import math

import numpy as np
import pytest
import torch

from equipoise.audit.superres.models import reduced, restore
from equipoise.audit.superres.models.pulse import Pulse, on_sphere, search
from equipoise.core.errors import InputError
from equipoise.generators import Differentiable, Generator
from equipoise.generators.toy import ToyGenerator
from tests.audit.superres.models.conftest import Smooth


def on_the_sphere(smooth: Smooth, n: int) -> np.ndarray:
    """Images that the search can reach exactly."""
    codes = on_sphere(torch.from_numpy(smooth.prior.codes(5, 0, n)))
    return smooth.images(codes.numpy())


def test_an_image_of_the_generator_is_found_again(smooth: Smooth) -> None:
    """12 values are told by 8 x 8 x 3 low pixels, so that what agrees below is the image itself."""
    images = on_the_sphere(smooth, 8)
    found = restore(Pulse(smooth, 2, 300), reduced(images, 2), 0, np.arange(8))
    nearest = np.abs(found.astype(int) - images).mean(axis=(1, 2, 3))
    assert np.median(nearest) < 2


def test_codes_stay_on_the_sphere_and_the_loss_never_grows_with_steps(smooth: Smooth) -> None:
    low = torch.from_numpy(reduced(on_the_sphere(smooth, 6), 2)) / 255
    start = torch.from_numpy(smooth.prior.codes(1, 0, 6))
    losses = []
    for steps in (0, 5, 40):
        codes = search(smooth, start, low, 2, steps)
        assert torch.allclose(codes.norm(dim=1), torch.full((6,), math.sqrt(12)), atol=1e-4)
        small = torch.from_numpy(reduced(smooth.images(codes.numpy()), 2)) / 255
        losses.append((small - low).square().mean(dim=(1, 2, 3)))
    assert (losses[1] <= losses[0] + 1e-4).all()
    assert losses[2].mean() < 0.1 * losses[0].mean()


def test_an_answer_depends_on_its_own_index_and_seed(smooth: Smooth) -> None:
    low = reduced(on_the_sphere(smooth, 6), 2)
    model = Pulse(smooth, 2, 20)
    whole = model.restore(low, 3, np.arange(6)).astype(int)
    part = model.restore(low[4:], 3, np.array([4, 5])).astype(int)
    assert np.abs(part - whole[4:]).max() <= 2
    assert np.abs(model.restore(low, 4, np.arange(6)) - whole).max() > 10


def test_what_cannot_be_searched_is_named(smooth: Smooth, toy: ToyGenerator) -> None:
    with pytest.raises(
        InputError, match=r"must be differentiable, with a method `pixels`, got ToyGenerator"
    ):
        Pulse(toy, 4)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"generator's size, \(16, 16\), got \(32, 32\)"):
        Pulse(smooth, 4).restore(np.zeros((1, 3, 8, 8), np.uint8), 0, np.arange(1))
    with pytest.raises(InputError, match="steps must be a whole number of at least 1, got 0"):
        Pulse(smooth, 4, 0)


def test_the_pinned_generator_gives_the_gradients_of_its_images(real: Generator) -> None:
    assert isinstance(real, Differentiable)
    codes = real.prior.codes(0, 0, 2)
    rows = torch.from_numpy(codes).requires_grad_(True)
    pixels = real.pixels(rows)
    assert np.abs(pixels.detach().numpy() * 255 - real.images(codes)).max() <= 0.51
    slope = torch.autograd.grad(pixels[0].sum(), rows)[0]
    assert slope[0].abs().sum() > 0
    assert slope[1].abs().sum() == 0
    step = torch.zeros(2, real.dim)
    step[0] = 1e-2 * slope[0] / slope[0].norm()
    with torch.no_grad():
        rise = (real.pixels(rows + step) - real.pixels(rows - step)).double()[0].sum() / 2e-2
    assert rise.item() == pytest.approx(slope[0].norm().item(), rel=0.05)
