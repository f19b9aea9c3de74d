"""Checks of arrays that a file brought."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.errors import FileFormatError


def stored_array(
    tensors: Mapping[str, NDArray[Any]], name: str, shape: tuple[int, ...], where: str
) -> NDArray[Any]:
    """Return the array of that name.

    Raises
    ------
    FileFormatError
        When it is missing, of another shape, or holds NaN.
    """
    found = tensors.get(name)
    if found is None or found.shape != shape or np.isnan(found).any():
        raise FileFormatError(
            where,
            f"must hold the array {name!r} of shape {shape}, without NaN",
            "none" if found is None else found.shape,
            "Make the sampler again.",
        )
    return found
