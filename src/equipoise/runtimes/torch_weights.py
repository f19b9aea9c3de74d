"""TODO."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import torch

from equipoise.core.errors import FetchError
from equipoise.core.plugins import load_library

OPENAI = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))


CLIP_MODEL = "ViT-B-32-quickgelu"
"""The network of open_clip that OpenAI's weights fit."""


def load_weights(what: str, library: str, load: Callable[[], Any], remedy: str) -> Any:
    """Return what `load` gives, whatever it may raise told as one error."""
    try:
        return load()
    # A library fetches by clients of its own, whose errors have no common base.
    except Exception as error:
        lines = [line.strip(" .") for line in str(error).splitlines() if line.strip()]
        reason = f"{type(error).__name__}: {lines[0] if lines else 'no reason'}"
        raise FetchError(
            f"weights of {what}",
            f"must be in the cache of {library} or reachable for it",
            reason,
            remedy,
        ) from error


def open_clip(what: str, model: str, pretrained: str, remedies: tuple[str, str]) -> tuple[Any, Any]:
    """Return the library open_clip and one of its networks.

    Parameters
    ----------
    what : str
        How errors name what it is for.
    model, pretrained : str
        Names of the library's.
    remedies : tuple of str
        What to do where the library, and where the weights are missing.

    Raises
    ------
    InputError
        When open_clip is not installed.
    FetchError
        When the weights cannot be had.
    """
    library = load_library(what, "open_clip", remedies[0])

    def load() -> Any:
        return library.create_model(model, pretrained=pretrained)

    return library, load_weights(what, "open_clip", load, remedies[1])


def network_digest(about: str, network: torch.nn.Module) -> str:
    """SHA-256 of a text and of all weights."""
    digest = hashlib.sha256(about.encode())
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
