"""PULSE (Menon et al. 2020, arXiv 2003.03808): search a generator for an image that reduces so.

Codes stay on the sphere where a normal prior of many dimensions has nearly all its mass (section
3.3), and are led by the gradient of the distance between the reduced image and the low one
(equation 5). The search finds what the generator makes easily, not what was photographed.
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
_RATE = 0.4
_TOGETHER = 5e-4
"""Weight of `geocross` beside the mean squared difference: their 0.05 to 100."""


class Pulse:
    """Descends from one random code an image with Adam, whose steps are put back on the sphere.

    Steps, rate and weights are those of the authors' released settings. The answer is the nearest
    image on the way. Rows do not mix, so that an image's answer depends on its own index; its last
    bits also on which images are searched beside it.

    Parameters
    ----------
    generator : Differentiable
    factor : int
    steps : int
        Of descent, at least 1.

    Raises
    ------
    InputError
        When the generator gives no gradients, or a number breaks its rule.
    """

    deterministic = False
    caveats = (
        "Images of the generator that is searched can be found exactly, photographs cannot: on "
        "these the search does worse.",
    )

    def __init__(self, generator: Differentiable, factor: int, steps: int = STEPS) -> None:
        if not isinstance(generator, Differentiable):
            raise InputError(
                f"generator {getattr(generator, 'name', generator)!r}",
                "must have layers and pixels, by which gradients are followed",
                type(generator).__name__,
                "See Differentiable in equipoise.generators.base, or take another --generator.",
            )
        self._generator = generator
        self._steps = check_count("steps", steps, "Pass --steps 100.")
        self.factor = check_count("factor", factor, "Pass --factor 4.", least=2)
        self.pinned = generator.pinned
        self.name = f"pulse in {generator.name}, {steps} steps"
        settings = repr(("pulse", generator.digest, factor, steps, _RATE, _TOGETHER))
        self.digest = hashlib.sha256(settings.encode()).hexdigest()

    def restore(
        self, low: NDArray[np.uint8], seed: int, index: NDArray[np.int64]
    ) -> NDArray[np.uint8]:
        """Return the nearest images found, shape (n, *image_shape).

        Raises
        ------
        InputError
            When the low images are not those of the generator's size.
        """
        size = tuple(self.factor * side for side in low.shape[2:])
        if size != self._generator.image_shape[1:]:
            raise InputError(
                "images",
                f"must have the generator's size, {self._generator.image_shape[1:]}",
                size,
                "Take images of that size, or another --generator.",
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
    """Return the codes of least loss on the way down from `codes`.

    The loss of a code is the mean squared difference of its reduced image from the low one, plus
    `geocross` where codes have layers.

    Parameters
    ----------
    generator : Differentiable
    codes : torch.Tensor, shape (n, dim), float32
        Where to begin; put on the sphere first.
    low : torch.Tensor, shape (n, 3, height, width), float32
        In [0, 1].
    factor, steps : int

    Returns
    -------
    torch.Tensor, shape (n, dim), float32
        Each layer of length sqrt(dim / layers).
    """
    layers = generator.layers
    here = on_sphere(codes, layers).requires_grad_(True)
    descent = torch.optim.Adam([here], lr=_RATE)
    best = here.detach().clone()
    least = torch.full((len(codes),), torch.inf, device=codes.device)
    for step in range(steps + 1):
        loss = (reduce_pixels(generator.pixels(here), factor) - low).square().mean(dim=(1, 2, 3))
        loss = loss + _TOGETHER * geocross(here, layers)
        with torch.no_grad():
            better = loss < least
            least = torch.where(better, loss, least)
            best[better] = here[better]
        if step == steps:
            break
        # Rows do not mix in a sum, and Adam scales each value by itself.
        here.grad = torch.autograd.grad(loss.sum(), here)[0]
        descent.step()
        with torch.no_grad():
            here.copy_(on_sphere(here, layers))
    return best


def on_sphere(codes: torch.Tensor, layers: int) -> torch.Tensor:
    """Return codes, shape (n, dim), each of whose layers has length sqrt(dim / layers).

    Examples
    --------
    >>> round(on_sphere(torch.tensor([[3.0, 4.0]]), 1).square().sum().item(), 5)
    2.0
    """
    parts = codes.detach().reshape(len(codes), layers, -1)
    length = parts.shape[2] ** 0.5
    scaled: torch.Tensor = length * parts / parts.norm(dim=2, keepdim=True).clamp_min(1e-12)
    return scaled.reshape(codes.shape)


def geocross(codes: torch.Tensor, layers: int) -> torch.Tensor:
    """Return the sum over pairs of layers of their squared angle, in radians, shape (n,).

    GEOCROSS of Menon et al. 2020, section 3.3: it keeps the layers of a w+ code near one w. The
    angle is 2 atan2(|u - v|, |u + v|) for vectors of one length (Kahan 2006), exact near 0. 0 for
    one layer.
    """
    parts = codes.reshape(len(codes), layers, -1)
    one, other = torch.triu_indices(layers, layers, 1)
    u, v = parts[:, one], parts[:, other]
    # The small number keeps the gradient of a length finite at 0.
    apart, along = ((w.square().sum(dim=2) + 1e-12).sqrt() for w in (u - v, u + v))
    angles: torch.Tensor = 2 * torch.atan2(apart, along)
    total: torch.Tensor = angles.square().sum(dim=1)
    return total
