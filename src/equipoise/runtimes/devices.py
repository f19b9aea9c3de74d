"""Devices that PyTorch can compute on."""

from __future__ import annotations

import torch

from equipoise.core.errors import InputError


def check_device(device: str) -> torch.device:
    """Return a torch device after checking that this machine has it.

    Parameters
    ----------
    device : str
        "cpu", "cuda", "cuda:1", "mps", ...

    Raises
    ------
    InputError
        When it is not there.
    """
    try:
        found = torch.device(device)
        torch.empty(1, device=found)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise InputError(
            "device", "must be one that this machine has", device, "Pass --device cpu."
        ) from error
    return found
