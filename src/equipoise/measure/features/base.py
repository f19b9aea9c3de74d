"""What all features offer: images in, vectors out.

An adapter is any class with these members. Calls may come from several threads at once.

Several features of the same images, read in one pass.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from equipoise.core.errors import InputError, ModelOutputError


@runtime_checkable
class Features(Protocol):
    """A map from images to vectors.

    Attributes
    ----------
    name : str
        What reports call it.
    digest : str
        SHA-256 of all that decides its vectors: weights, and how images are brought to size.
        Distances between vectors of different digests mean nothing.
    dim : int
        Values in a vector.
    about : str
        What the vectors are, and the resize filter, as full sentences.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def digest(self) -> str: ...  # noqa: D102
    @property
    def dim(self) -> int: ...  # noqa: D102
    @property
    def about(self) -> str: ...  # noqa: D102

    def extract(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the vectors of images of any one size.

        Parameters
        ----------
        images : numpy.ndarray, shape (n, channels, height, width), uint8
            RGB in [0, 255].

        Returns
        -------
        numpy.ndarray, shape (n, dim), float32
        """
        ...


def read_features(features: Features, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the vectors of one batch of images, checked against the protocol.

    Raises
    ------
    InputError
        When the images have another shape or dtype.
    ModelOutputError
        When the answer has a wrong shape or dtype, or is not finite.
    """
    if images.dtype != np.uint8 or images.ndim != 4:
        raise InputError(
            "images",
            "must be uint8 of shape (n, channels, height, width)",
            f"{images.dtype} of shape {images.shape}",
            "Convert them to bytes, channels first.",
        )
    rows = features.extract(images)
    if rows.shape != (len(images), features.dim) or rows.dtype != np.float32:
        raise ModelOutputError(
            f"answer of features {features.name!r}",
            f"must be float32 of shape {(len(images), features.dim)}",
            f"{rows.dtype} of shape {rows.shape}",
            "Give one row for each image.",
        )
    if not np.isfinite(rows).all():
        bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
        raise ModelOutputError(
            f"answer of features {features.name!r}",
            "must be finite",
            f"NaN or infinity for {len(bad)} of {len(images)} images, first at row {bad[0]}",
            "Check the model and its preprocessing.",
        )
    return rows


class JoinedFeatures:
    """Vectors of several features side by side.

    Parameters
    ----------
    parts : sequence of Features
        At least one.
    """

    def __init__(self, parts: Sequence[Features]) -> None:
        self.parts = tuple(parts)
        self.name = "+".join(part.name for part in parts)
        self.about = " ".join(part.about for part in parts)
        self.dim = sum(part.dim for part in parts)
        described = repr([part.digest for part in parts])
        self.digest = hashlib.sha256(described.encode()).hexdigest()

    def extract(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the vectors, shape (n, dim)."""
        return np.concatenate([read_features(part, images) for part in self.parts], axis=1)

    def split(self, rows: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Return each part's own columns by its name."""
        ends = np.cumsum([part.dim for part in self.parts])[:-1]
        columns = np.split(rows, ends, axis=1)
        return {part.name: own for part, own in zip(self.parts, columns, strict=True)}
