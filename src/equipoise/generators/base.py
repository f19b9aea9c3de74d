"""The protocol of generators: latent codes in, images out.

An adapter is any class with these members; it need not inherit from anything. Several threads may
call it at once, so `images` and `stem` must not change the object.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from equipoise.core.errors import InputError, ModelOutputError
from equipoise.core.seeds import normal_rows
from equipoise.runtimes.devices import within_memory

if TYPE_CHECKING:
    import torch


@runtime_checkable
class Prior(Protocol):
    """The distribution of a generator's codes during its training."""

    def codes(self, seed: int, start: int, stop: int) -> NDArray[np.float32]:
        """Return codes [start, stop) of the seed, shape (stop - start, dim), float32.

        Code i depends on (seed, i) alone.
        """
        ...

    def log_density(self, codes: NDArray[np.float32]) -> NDArray[np.float64] | None:
        """Return the natural logarithm of the density at each code, shape (n,), float64.

        None where it has no closed form, as for the outputs of a mapping network.
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
        Its name in reports.
    digest : str
        SHA-256 (hexadecimal) of all that determines its output: weights and settings.
    space : str
        The latent space of its codes: "z", "w" or "w+".
    dim : int
        Values in a code.
    prior : Prior
        The distribution of codes in its training.
    image_shape : tuple of int
        (channels, height, width).
    device : str
        Where it computes: "cpu", "cuda", ...
    batch_size : int
        Codes per call; results do not depend on it beyond float rounding.
    pinned : tuple of str
        Names of the pinned models (`equipoise.runtimes.zoo`) that it uses; empty for others.
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
        """Return features of the stem: the first part of the generator, at a fraction of the cost.

        Parameters
        ----------
        codes : numpy.ndarray, shape (n, dim), float32

        Returns
        -------
        numpy.ndarray, shape (n, features) or (n, channels, height, width), float32
            The codes themselves where a generator has no such part.
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
    """A differentiable generator, as a search for codes by gradient descent needs it.

    Its codes lie on or near the sphere of radius sqrt(dim).
    """

    def pixels(self, codes: torch.Tensor) -> torch.Tensor:
        """Return differentiable images of codes; the weights take no gradient.

        Parameters
        ----------
        codes : torch.Tensor, shape (n, dim), float32

        Returns
        -------
        torch.Tensor, shape (n, channels, height, width), float32, in [0, 1]
            Scaled to [0, 255] and rounded, they are those of `images`.
        """
        ...


@runtime_checkable
class Prompted(Generator, Protocol):
    """A generator that is conditioned on contexts, each of which may have edits.

    A code ends with the number of its context and that of the variant: 0 is the context's own
    prompt, and v its edit v - 1.

    Attributes
    ----------
    contexts : tuple of str
        Names of the contexts.
    edits : tuple of str
        Cell that each edit asks for: "gender=female".
    """

    @property
    def contexts(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def edits(self) -> tuple[str, ...]: ...  # noqa: D102

    def codes_of(
        self, seed: int, start: int, stop: int, context: int, variant: int = 0
    ) -> NDArray[np.float32]:
        """Return codes of one context and variant, shape (stop - start, dim), float32.

        Their noise is that of the prior's codes [start, stop) of the seed.

        Raises
        ------
        InputError
            When there is no such context or variant.
        """
        ...


@runtime_checkable
class Staged(Generator, Protocol):
    """A generator that can stop after some of its steps and carry on.

    Attributes
    ----------
    steps : int
        All its steps.
    stage : int
        Steps after which `stem` looks; 0 where it cannot stop.
    """

    @property
    def steps(self) -> int: ...  # noqa: D102
    @property
    def stage(self) -> int: ...  # noqa: D102

    def begin(self, codes: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.floating]]:
        """Return what `stem` and `states` return after `stage` steps, at the cost of one of them.

        Returns
        -------
        features : numpy.ndarray, shape (n, ...), float32
        states : numpy.ndarray, shape (n, ...)
        """
        ...

    def states(self, codes: NDArray[np.float32], steps: int) -> NDArray[np.floating]:
        """Return what the codes have become after some steps, shape (n, ...).

        Raises
        ------
        InputError
            When the generator cannot stop there.
        """
        ...

    def carry_on(
        self, states: NDArray[np.floating], codes: NDArray[np.float32], steps: int
    ) -> NDArray[np.uint8]:
        """Return the images of states after `steps` steps: those of `images`, to the byte.

        Parameters
        ----------
        states : numpy.ndarray, shape (n, ...)
            Rows of what `states` returned.
        codes : numpy.ndarray, shape (n, dim), float32
            Their codes.
        steps : int
        """
        ...


def check_codes(codes: NDArray[np.float32], dim: int) -> NDArray[np.float32]:
    """Return codes as a contiguous float32 array after checking them.

    Parameters
    ----------
    codes : numpy.ndarray, shape (n, dim)
    dim : int
        Values in a code.

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
    """Return the images of one batch of codes after checking them against the protocol.

    Parameters
    ----------
    generator : Generator
    codes : numpy.ndarray, shape (n, dim), float32

    Returns
    -------
    numpy.ndarray, shape (n, *image_shape), uint8

    Raises
    ------
    ModelOutputError
        When the generator returns a wrong shape or dtype.
    DeviceMemoryError
        When the memory of its device is too small for one image. Where it is too small for all,
        they are made in parts.
    """
    images = within_memory(generator.name, generator.device, generator.images, codes)
    return check_images(generator, images, len(codes))


def generate_all(generator: Generator, codes: NDArray[np.float32], size: int) -> NDArray[np.uint8]:
    """Return the images of any number of codes, made `size` at a time; raises as `generate`."""
    if not len(codes):
        return np.empty((0, *generator.image_shape), np.uint8)
    parts = [generate(generator, codes[i : i + size]) for i in range(0, len(codes), size)]
    return np.concatenate(parts)


def check_images(generator: Generator, images: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
    """Return `count` images that a generator made, after checking them against the protocol.

    Raises
    ------
    ModelOutputError
        When they have a wrong shape or dtype.
    """
    expected = (count, *generator.image_shape)
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
