"""A diffusion model with classes as a generator with contexts: each class is one."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from equipoise.core.errors import InputError
from equipoise.generators.diffusion.generator import DiffusionGenerator
from equipoise.generators.priors import ContextNormal


class DiffusionClasses:
    """A model whose codes name their class, as a `Prompted` generator without edits.

    A code is that of the noise, then the number of a context, and 0 for its variant.

    Parameters
    ----------
    drawn : DiffusionGenerator
        Of a model with classes.
    shares : tuple of float
        Of all classes of the model; those above 0 become contexts, in order.

    Raises
    ------
    InputError
        When there is one class only.
    """

    edits: tuple[str, ...] = ()
    pinned = ()
    space = "z"

    def __init__(self, drawn: DiffusionGenerator, shares: tuple[float, ...]) -> None:
        self._classes = np.flatnonzero(shares)
        if len(self._classes) < 2:
            got = f"class {self._classes[0]} alone"
            raise InputError("contexts", "must be several classes", got, "Leave contexts out.")
        own = np.array(shares)[self._classes]
        self._drawn = drawn
        self.contexts = tuple(f"class {number}" for number in self._classes)
        self.prior = ContextNormal(drawn.dim, tuple(own.tolist()))
        self.dim = drawn.dim + 2
        self.name, self.caveats = drawn.name, drawn.caveats
        self.device, self.batch_size = drawn.device, drawn.batch_size
        self.image_shape = drawn.image_shape
        described = f"classes as contexts, {drawn.digest} {self.contexts} {own.tolist()}"
        self.digest = hashlib.sha256(described.encode()).hexdigest()

    def codes_of(
        self, seed: int, start: int, stop: int, context: int, variant: int = 0
    ) -> NDArray[np.float32]:
        """Return codes of one class with the seed's noise, shape (stop - start, dim), float32.

        Raises
        ------
        InputError
            When there is no such context, or the variant is not 0.
        """
        codes = self.prior.codes_of(seed, start, stop, context, variant)
        self.prior.placed(codes, 1)
        return codes

    def stem(self, codes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the image predicted after the first steps; see `DiffusionGenerator.stem`."""
        return self._drawn.stem_of(codes[:, :-2], self._of(codes))

    def images(self, codes: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return images, shape (n, 3, height, width), uint8 RGB."""
        return self._drawn.images_of(codes[:, :-2], self._of(codes))

    def _of(self, codes: NDArray[np.float32]) -> NDArray[np.int64]:
        return self._classes[self.prior.placed(codes, 1)[0]]
