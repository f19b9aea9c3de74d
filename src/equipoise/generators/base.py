"""What every generator offers: codes in, images out.

An adapter is any class with these members; it need not inherit from anything. Calls may come
from several threads at once, so `images` and `stem` must not change the object.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from equipoise.core.errors import InputError, ModelOutputError
from equipoise.core.seeds import normal_rows

if TYPE_CHECKING:
    import torch


@runtime_checkable
class Prior(Protocol):
    """The distribution that a generator was trained to be fed."""

    def codes(self, seed: int, start: int, stop: int) -> NDArray[np.float32]:
        """Return codes [start, stop) of the seed, shape (stop - start, dim), float32."""
        ...

    def log_density(self, codes: NDArray[np.float32]) -> NDArray[np.float64] | None:
        """Return the natural logarithm of the density at each code, shape (n,).

        None where it has no closed form, as for codes that a network mapped.
        """
        ...


@dataclass(frozen=True)
class StandardNormal:
    """Independent standard normal values, the prior of most GANs.

    Examples
    --------
    >>> StandardNormal(100).codes(seed=0, start=5, stop=8).shape
    (3, 100)
    """

    dim: int

    def codes(self, seed: int, start: int, stop: int) -> NDArray[np.float32]:
        """Return codes [start, stop) of the seed, shape (stop - start, dim), float32."""
        return normal_rows(seed, start, stop, self.dim)

    def log_density(self, codes: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the natural logarithm of the density at each code, shape (n,)."""
        squares = np.square(codes, dtype=np.float64).sum(axis=1)
        return np.asarray(-0.5 * (squares + self.dim * np.log(2 * np.pi)))


@runtime_checkable
class Generator(Protocol):
    """A pre-trained image generator.

    Attributes
    ----------
    name : str
        What reports call it.
    digest : str
        SHA-256 (hexadecimal) of all that decides its output: weights and settings.
    space : str
        Which space its codes live in: "z", "w" or "w+".
    dim : int
        Values in a code.
    prior : Prior
        What it was trained to be fed.
    image_shape : tuple of int
        (channels, height, width).
    device : str
        Where it computes: "cpu", "cuda", ...
    batch_size : int
        Codes in one call; results do not depend on it beyond float rounding.
    pinned : tuple of str
        Names of the pinned models (`equipoise.runtimes.zoo`) that it runs; empty for others.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def digest(self) -> str: ...  # noqa: D102
    @property
    def space(self) -> str: ...  # noqa: D102
    @property
    def dim(self) -> int: ...  # noqa: D102
    @property
    def prior(self) -> Prior: ...  # noqa: D102
    @property
    def image_shape(self) -> tuple[int, int, int]: ...  # noqa: D102
    @property
    def device(self) -> str: ...  # noqa: D102
    @property
    def batch_size(self) -> int: ...  # noqa: D102
    @property
    def pinned(self) -> tuple[str, ...]: ...  # noqa: D102

    def stem(self, codes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return features of the cheap first part of the generator.

        Parameters
        ----------
        codes : numpy.ndarray, shape (n, dim), float32

        Returns
        -------
        numpy.ndarray, shape (n, features) or (n, channels, height, width), float32
            The codes themselves where a generator has no cheap first part.
        """
        ...

    def images(self, codes: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return the images of the codes.

        Parameters
        ----------
        codes : numpy.ndarray, shape (n, dim), float32

        Returns
        -------
        numpy.ndarray, shape (n, channels, height, width), uint8
            RGB in [0, 255].
        """
        ...


@runtime_checkable
class Differentiable(Generator, Protocol):
    """A generator through which gradients can be followed, as a search for codes does.

    Attributes
    ----------
    layers : int
        Equal parts of a code, each of which was drawn from its own sphere: 1 for z and w, the
        number of styles for w+.
    """

    @property
    def layers(self) -> int: ...  # noqa: D102

    def pixels(self, codes: torch.Tensor) -> torch.Tensor:
        """Return images in [0, 1], shape (n, channels, height, width), of codes (n, dim), float32.

        Rounded to [0, 255] they are those of `images`. Weights take no gradient.
        """
        ...


def check_codes(codes: NDArray[np.float32], dim: int) -> NDArray[np.float32]:
    """Return finite codes of shape (n, dim) as contiguous float32.

    Raises
    ------
    InputError
        When the shape is wrong or a value is not finite.
    """
    codes = np.ascontiguousarray(codes, dtype=np.float32)
    if codes.ndim != 2 or codes.shape[1] != dim:
        raise InputError(
            "codes", f"must have shape (n, {dim})", codes.shape, "Draw them from the same space."
        )
    if not np.isfinite(codes).all():
        row = int(np.flatnonzero(~np.isfinite(codes).all(axis=1))[0])
        raise InputError(
            "codes", "must be finite", f"NaN or infinity in row {row}", "Check how they were made."
        )
    return codes


def generate(generator: Generator, codes: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the images of one batch of codes, checked against the protocol.

    Raises
    ------
    ModelOutputError
        When the generator answers with a wrong shape or dtype.
    """
    images = generator.images(codes)
    expected = (len(codes), *generator.image_shape)
    if images.dtype != np.uint8:
        raise ModelOutputError(
            f"images of generator {generator.name!r}",
            "must have dtype uint8",
            str(images.dtype),
            "Scale to [0, 255], round, and convert in the adapter.",
        )
    if images.shape != expected:
        raise ModelOutputError(
            f"images of generator {generator.name!r}",
            f"must have shape {expected}",
            images.shape,
            "Return (n, channels, height, width), and set image_shape to it.",
        )
    return images
