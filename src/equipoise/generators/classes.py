"""The classes of a network in an address: "class=3", or "class=0:1,3:2" with their shares."""

from __future__ import annotations

import numpy as np

from equipoise.core.errors import InputError

Classes = tuple[tuple[int, float], ...]
"""Numbers of classes, each with its share relative to the others."""


def read_classes(text: str) -> Classes:
    """Return the classes that an option names; ValueError where it names none.

    Examples
    --------
    >>> read_classes("0:1,3:2")
    ((0, 1.0), (3, 2.0))
    """
    parts = [part.partition(":") for part in text.split(",")]
    return tuple((int(number), float(share) if colon else 1.0) for number, colon, share in parts)


def class_shares(classes: Classes | None, count: int) -> tuple[float, ...]:
    """Return the share of each class of a network; equal ones by default.

    Parameters
    ----------
    classes : tuple of (int, float), or None
    count : int
        Classes of the network, at least 1.

    Raises
    ------
    InputError
        When the network has no such classes, one is named twice, or a share is not above 0.
    """
    if classes is None:
        return (1 / count,) * count
    numbers = [number for number, _ in classes]
    weights = np.array([share for _, share in classes], np.float64)
    inside = all(0 <= number < count for number in numbers)
    if (
        not (numbers and inside and len(set(numbers)) == len(numbers))
        or not (np.isfinite(weights) & (weights > 0)).all()
    ):
        raise InputError(
            "class",
            f"must name classes of 0 to {count - 1} once each, with shares above 0",
            str(classes),
            "Pass class=3, or class=0:1,3:2.",
        )
    shares = np.zeros(count)
    shares[numbers] = weights / weights.sum()
    return tuple(shares.tolist())
