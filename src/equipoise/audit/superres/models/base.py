"""The protocol of super-resolution models: low-resolution images in, restored images out.

An adapter is any class with these members; it need not inherit from anything. Several threads may
call it at once.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from equipoise.core.errors import ModelOutputError


@runtime_checkable
class SuperResolutionModel(Protocol):
    """A super-resolution model.

    Attributes
    ----------
    name : str
        Its name in reports.
    digest : str
        SHA-256 of all that determines its output: weights and settings. Restored images are stored
        by it.
    factor : int
        Restored pixels per low-resolution pixel, in each direction.
    deterministic : bool
        Whether the output is the same for any seed. Other models can restore an image repeatedly.
    caveats : tuple of str
        Limitations that reports show, as full sentences.
    pinned : tuple of str
        Names of the pinned models (`equipoise.runtimes.zoo`) that it uses; empty for others.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def digest(self) -> str: ...  # noqa: D102
    @property
    def factor(self) -> int: ...  # noqa: D102
    @property
    def deterministic(self) -> bool: ...  # noqa: D102
    @property
    def caveats(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def pinned(self) -> tuple[str, ...]: ...  # noqa: D102

    def restore(
        self, low: NDArray[np.uint8], seed: int, index: NDArray[np.int64]
    ) -> NDArray[np.uint8]:
        """Return a restored image for each low-resolution image.

        Parameters
        ----------
        low : numpy.ndarray, shape (n, 3, height, width), uint8
            RGB in [0, 255].
        seed : int
            In [0, 2**63).
        index : numpy.ndarray, shape (n,), int64
            With the seed, determines the randomness of each output.

        Returns
        -------
        numpy.ndarray, shape (n, 3, factor * height, factor * width), uint8
        """
        ...


def restore(
    restorer: SuperResolutionModel, low: NDArray[np.uint8], seed: int, index: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """Return the restored images of one batch after checking them against the protocol.

    Parameters are those of `SuperResolutionModel.restore`.

    Raises
    ------
    ModelOutputError
        When the model returns a wrong shape or dtype.
    """
    images = restorer.restore(low, seed, index)
    height, width = (restorer.factor * side for side in low.shape[2:])
    expected = (len(low), 3, height, width)
    if images.dtype != np.uint8 or images.shape != expected:
        raise ModelOutputError(
            f"images of super-resolution model {restorer.name!r}",
            f"must be uint8 of shape {expected}",
            f"{images.dtype} of shape {images.shape}",
            "Correct --factor, or scale to [0, 255], round and convert in the adapter.",
        )
    return images
