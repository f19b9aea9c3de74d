"""A StyleGAN with classes as a generator with contexts: each class is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from equipoise.core.errors import InputError
from equipoise.generators.class_contexts import ClassContexts

if TYPE_CHECKING:
    from equipoise.generators.stylegan.generator import StyleGAN


class StyleGANClasses(ClassContexts):
    """A network whose codes of z draw their class.

    Parameters
    ----------
    drawn : StyleGAN
        Whose codes end in a class as a one-hot block.
    shares : tuple of float
        As of `ClassContexts`.

    Raises
    ------
    InputError
        When the codes have no class, or there is one class only.
    """

    def __init__(self, drawn: StyleGAN, shares: tuple[float, ...]) -> None:
        if not shares or drawn.space != "z":
            got = "one without classes" if not shares else f"space={drawn.space}"
            rule = "must be classes of a network that has some, drawn in space=z"
            raise InputError("contexts", rule, got, "Leave contexts out.")
        super().__init__(drawn, shares, drawn.dim - len(shares), drawn.digest)
        self._drawn, self._one_hot = drawn, np.eye(len(shares), dtype=np.float32)
        self.caveats = drawn.caveats

    def stem(self, codes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return codes of w, shape (n, w_dim), float32."""
        return self._drawn.stem(self._with_class(codes))

    def images(self, codes: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return images, shape (n, 3, size, size), uint8 RGB."""
        return self._drawn.images(self._with_class(codes))

    def _with_class(self, codes: NDArray[np.float32]) -> NDArray[np.float32]:
        noise, classes = self.split(codes)
        return np.concatenate([noise, self._one_hot[classes]], axis=1)
