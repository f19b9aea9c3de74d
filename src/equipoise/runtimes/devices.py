"""Which devices this machine has."""

from __future__ import annotations

import torch

from equipoise.core.errors import InputError


def check_device(device: str) -> torch.device:
    """Return the torch device when this machine has it.

    Raises
    ------
    InputError
        Otherwise.
    """
    try:
        found = torch.device(device)
        torch.empty(1, device=found)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise InputError(
            "device", "must be one that this machine has", device, "Pass --device cpu."
        ) from error
    return found
