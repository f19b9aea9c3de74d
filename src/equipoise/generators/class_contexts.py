"""A model with classes as a generator with contexts: each class is one."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from equipoise.core.errors import InputError
from equipoise.generators.base import Generator
from equipoise.generators.priors import ContextNormal


class ClassContexts:
    """Base of `Prompted` generators without edits, whose codes name their class.

    A code is that of the model's noise, then the number of a context, and 0 for its variant.

    Parameters
    ----------
    drawn : Generator
        The model.
    shares : tuple of float
        Of all its classes; those above 0 become contexts, in order.
    normal_dim : int
        Values of its noise.
    about : str
        All that determines its images, the classes included.

    Raises
    ------
    InputError
        When there is one class only.
    """

    edits: tuple[str, ...] = ()
    pinned = ()
    space = "z"

    def __init__(
        self, drawn: Generator, shares: tuple[float, ...], normal_dim: int, about: str
    ) -> None:
        self.classes = np.flatnonzero(shares)
        if len(self.classes) < 2:
            got = f"class {self.classes[0]} alone"
            raise InputError("contexts", "must be several classes", got, "Leave contexts out.")
        self.contexts = tuple(f"class {number}" for number in self.classes)
        own = np.array(shares)[self.classes]
        self.prior = ContextNormal(normal_dim, tuple(own.tolist()))
        self.dim = normal_dim + 2
        self.name, self.device, self.batch_size = drawn.name, drawn.device, drawn.batch_size
        self.image_shape = drawn.image_shape
        self.digest = hashlib.sha256(f"classes as contexts, {about}".encode()).hexdigest()

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

    def split(self, codes: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return the noise of codes, shape (n, normal_dim), and their classes, shape (n,)."""
        context, _ = self.prior.placed(codes, 1)
        return codes[:, : self.prior.normal_dim], self.classes[context]
