"""Weights of torch networks that libraries load: errors of loading, digests, open_clip's networks.

Features and classifiers both use them, so they lie below both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import torch

from equipoise.core.errors import FetchError
from equipoise.core.plugins import load_library

OPENAI = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
"""Mean and standard deviation of each channel in OpenAI's CLIP, of colours in [0, 1]."""

CLIP_MODEL = "ViT-B-32-quickgelu"
"""The network of open_clip that OpenAI's weights belong to."""


def load_weights(what: str, library: str, load: Callable[[], Any], remedy: str) -> Any:
    """Return the result of `load`, and turn any exception in it into one error.

    Parameters
    ----------
    what : str
        Whose weights they are, as errors name it.
    library : str
        The library that loads them.
    load : callable
    remedy : str

    Raises
    ------
    FetchError
        When `load` fails in any way.
    """
    try:
        return load()
    # Each library downloads by its own clients, whose errors have no common base class.
    except Exception as error:
        lines = [line.strip(" .") for line in str(error).splitlines() if line.strip()]
        reason = f"{type(error).__name__}: {lines[0] if lines else 'no reason'}"
        raise FetchError(
            f"weights of {what}",
            f"must be in the cache of {library} or available for download",
            reason,
            remedy,
        ) from error


def open_clip(what: str, model: str, pretrained: str, remedies: tuple[str, str]) -> tuple[Any, Any]:
    """Return the library open_clip and one of its networks.

    Parameters
    ----------
    what : str
        What the network is for, as errors name it.
    model, pretrained : str
        The library's names of a network and of its weights.
    remedies : tuple of str
        The remedy where the library is missing, and the one where the weights are.

    Raises
    ------
    InputError
        When open_clip is not installed.
    FetchError
        When the weights cannot be loaded.
    """
    library = load_library(what, "open_clip", remedies[0])

    def load() -> Any:
        return library.create_model(model, pretrained=pretrained)

    return library, load_weights(what, "open_clip", load, remedies[1])


def network_digest(about: str, network: torch.nn.Module) -> str:
    """Return the SHA-256 of a text and of all weights of a network."""
    digest = hashlib.sha256(about.encode())
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode())
        # NumPy has no bfloat16, so tensors are read as bytes.
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
