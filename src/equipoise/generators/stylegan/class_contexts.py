"""A StyleGAN with classes as a generator with contexts: each class is one."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from equipoise.core.errors import InputError
from equipoise.generators.priors import ContextNormal

if TYPE_CHECKING:
    from equipoise.generators.stylegan.generator import StyleGAN


class ClassContexts:
    """A network whose codes of z draw their class, as a `Prompted` generator without edits.

    A code is that of z without the class, then the number of a context, and 0 for its variant.

    Parameters
    ----------
    drawn : StyleGAN
        Whose codes end in a class as a one-hot block.
    shares : tuple of float
        Of all classes of the network; those above 0 become contexts, in order.

    Raises
    ------
    InputError
        When the codes have no class, or there is one class only.
    """

    edits: tuple[str, ...] = ()
    pinned = ()

    def __init__(self, drawn: StyleGAN, shares: tuple[float, ...]) -> None:
        remedy = "Leave contexts out."
        if not shares or drawn.space != "z":
            got = "one without classes" if not shares else f"space={drawn.space}"
            rule = "must be classes of a network that has some, drawn in space=z"
            raise InputError("contexts", rule, got, remedy)
        self._classes = np.flatnonzero(shares)
        if len(self._classes) < 2:
            got = f"class {self._classes[0]} alone"
            raise InputError("contexts", "must be several classes", got, remedy)
        self._drawn, self._one_hot = drawn, np.eye(len(shares), dtype=np.float32)
        self.contexts = tuple(f"class {number}" for number in self._classes)
        self.prior = ContextNormal(drawn.dim - len(shares), tuple(np.array(shares)[self._classes]))
        self.dim = self.prior.normal_dim + 2
        self.name, self.space, self.caveats = drawn.name, "z", drawn.caveats
        self.device, self.batch_size = drawn.device, drawn.batch_size
        self.image_shape = drawn.image_shape
        self.digest = hashlib.sha256(f"classes as contexts, {drawn.digest}".encode()).hexdigest()

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
        """Return codes of w, shape (n, w_dim), float32."""
        return self._drawn.stem(self._with_class(codes))

    def images(self, codes: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return images, shape (n, 3, size, size), uint8 RGB."""
        return self._drawn.images(self._with_class(codes))

    def _with_class(self, codes: NDArray[np.float32]) -> NDArray[np.float32]:
        context, _ = self.prior.placed(codes, 1)
        one_hot = self._one_hot[self._classes[context]]
        return np.concatenate([codes[:, : self.prior.normal_dim], one_hot], axis=1)
