"""A diffusion model with classes as a generator with contexts: each class is one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from equipoise.generators.class_contexts import ClassContexts
from equipoise.generators.diffusion.generator import DiffusionGenerator


class DiffusionClasses(ClassContexts):
    """A diffusion model whose codes name their class.

    Parameters
    ----------
    drawn : DiffusionGenerator
        Of a model with classes.
    shares : tuple of float
        As of `ClassContexts`.

    Raises
    ------
    InputError
        When there is one class only.
    """

    def __init__(self, drawn: DiffusionGenerator, shares: tuple[float, ...]) -> None:
        super().__init__(drawn, shares, drawn.dim, f"{drawn.digest} {shares}")
        self._drawn, self.caveats = drawn, drawn.caveats

    def stem(self, codes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the image predicted after the first steps; see `DiffusionGenerator.stem`."""
        return self._drawn.stem_of(*self.split(codes))

    def images(self, codes: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return images, shape (n, 3, height, width), uint8 RGB."""
        return self._drawn.images_of(*self.split(codes))
