"""Super-resolution models: low images in, high images out. `open_restorer` finds them by name."""

from __future__ import annotations

from equipoise.superres.base import Restorer, restore
from equipoise.superres.open import NAMES, open_restorer
from equipoise.superres.reduce import reduced

__all__ = ["NAMES", "Restorer", "open_restorer", "reduced", "restore"]
