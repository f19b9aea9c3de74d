"""Versions of the libraries that results depend on. Labels, samplers and records store them."""

from __future__ import annotations

import importlib.metadata
import platform
from functools import cache

_NAMES = (
    *("equipoise", "numpy", "scipy", "scikit-learn", "torch"),
    *("onnxruntime", "ai-edge-litert", "pyarrow", "pillow"),
)


@cache
def versions() -> dict[str, str]:
    """Return the versions by name, including "python" and "machine", the kind of processor."""
    found = {name: importlib.metadata.version(name) for name in _NAMES}
    return {"python": platform.python_version(), "machine": platform.machine(), **found}


def versions_line() -> str:
    """Return `versions` as a sentence, for pages of results."""
    return f"Versions: {', '.join(f'{name} {version}' for name, version in versions().items())}."
