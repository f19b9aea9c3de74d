"""PULSE (Menon et al. 2020, arXiv 2003.03808): search a generator for an image that matches.

Codes stay on the sphere where a normal prior of many dimensions has nearly all its mass (section
3.3). They follow the gradient of the distance between the reduced image and the low-resolution one
(equation 5). The search finds an image that the generator makes easily, not the photographed one.
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from numpy.typing import NDArray

from equipoise.audit.superres.models.bicubic import reduce_pixels, to_bytes
from equipoise.core.errors import InputError, check_count
from equipoise.core.seeds import Stream, normal_rows
from equipoise.generators.base import Differentiable

STEPS = 100
"""Default number of steps: that of the authors' released settings."""

_RATE = 0.4
"""Learning rate of Adam: that of the authors' released settings."""


class Pulse:
    """Super-resolution by a search in the latent space of a generator.

    From one random code per image, Adam descends, and each step is projected onto the sphere. The
    output is the nearest image on the path. Images are searched independently, so the output of an
    image depends on its own index; its last bits also depend on the other images of the batch.

    Parameters
    ----------
    generator : Differentiable
    factor : int
        Restored pixels per low-resolution pixel, in each direction; at least 2.
    steps : int
        Steps of descent, at least 1.

    Raises
    ------
    InputError
        When the generator is not differentiable, or a number breaks its rule.
    """

    deterministic = False
    caveats = (
        "PULSE can find images of its own generator exactly, but not photographs: on these it "
        "performs worse.",
    )

    def __init__(self, generator: Differentiable, factor: int, steps: int = STEPS) -> None:
        if not isinstance(generator, Differentiable):
            raise InputError(
                f"generator {getattr(generator, 'name', generator)!r}",
                "must be differentiable, with a method `pixels`",
                type(generator).__name__,
                "See Differentiable in equipoise.generators.base, or use another --generator.",
            )
        self._generator = generator
        self._steps = check_count("steps", steps, "Pass --steps 100.")
        self.factor = check_count("factor", factor, "Pass --factor 4.", least=2)
        self.pinned = generator.pinned
        self.name = f"pulse in {generator.name}, {steps} steps"
        settings = repr(("pulse", generator.digest, factor, steps, _RATE))
        self.digest = hashlib.sha256(settings.encode()).hexdigest()

    def restore(
        self, low: NDArray[np.uint8], seed: int, index: NDArray[np.int64]
    ) -> NDArray[np.uint8]:
        """Return the nearest images found, shape (n, *image_shape), uint8.

        Raises
        ------
        InputError
            When the restored images would not have the size of the generator's.
        """
        size = tuple(self.factor * side for side in low.shape[2:])
        if size != self._generator.image_shape[1:]:
            raise InputError(
                "images",
                f"must have the generator's size, {self._generator.image_shape[1:]}",
                size,
                "Use images of that size, or another --generator.",
            )
        start = np.concatenate(
            [
                normal_rows(seed, i, i + 1, self._generator.dim, Stream.RESTORATION_START)
                for i in index
            ]
        )
        device = torch.device(self._generator.device)
        codes = torch.from_numpy(start).to(device)
        wanted = torch.from_numpy(low).to(device) / 255
        found = search(self._generator, codes, wanted, self.factor, self._steps)
        with torch.no_grad():
            return to_bytes(self._generator.pixels(found).mul(255).cpu())


def search(
    generator: Differentiable,
    codes: torch.Tensor,
    low: torch.Tensor,
    factor: int,
    steps: int,
) -> torch.Tensor:
    """Return the codes of least loss on the path of descent.

    The loss of a code is the mean squared difference between its reduced image and the
    low-resolution image.

    Parameters
    ----------
    generator : Differentiable
    codes : torch.Tensor, shape (n, dim), float32
        Starts of the descent; projected onto the sphere first.
    low : torch.Tensor, shape (n, 3, height, width), float32
        Low-resolution images in [0, 1].
    factor, steps : int

    Returns
    -------
    torch.Tensor, shape (n, dim), float32
        Each of length sqrt(dim).
    """
    here = on_sphere(codes).requires_grad_(True)
    descent = torch.optim.Adam([here], lr=_RATE)
    best = here.detach().clone()
    least = torch.full((len(codes),), torch.inf, device=codes.device)
    for step in range(steps + 1):
        loss = (reduce_pixels(generator.pixels(here), factor) - low).square().mean(dim=(1, 2, 3))
        with torch.no_grad():
            better = loss < least
            least = torch.where(better, loss, least)
            best[better] = here[better]
        if step == steps:
            break
        # The gradient of a sum keeps the images apart, and Adam scales each value by itself.
        here.grad = torch.autograd.grad(loss.sum(), here)[0]
        descent.step()
        with torch.no_grad():
            here.copy_(on_sphere(here))
    return best


def on_sphere(codes: torch.Tensor) -> torch.Tensor:
    """Return codes, shape (n, dim), scaled to length sqrt(dim).

    Examples
    --------
    >>> round(on_sphere(torch.tensor([[3.0, 4.0]])).square().sum().item(), 5)
    2.0
    """
    rows = codes.detach()
    scaled: torch.Tensor = (
        rows.shape[1] ** 0.5 * rows / rows.norm(dim=1, keepdim=True).clamp_min(1e-12)
    )
    return scaled
