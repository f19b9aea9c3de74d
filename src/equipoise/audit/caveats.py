"""What a reader of any audit with balanced images must know."""

from __future__ import annotations

from collections.abc import Sequence

_SKIN_TONE = (
    "Skin tone is computed from pixels: a lit face and a light face look alike to it, so a gap "
    "between skin tones may be one between lightings."
)
_SYNTHETIC = (
    "The images are synthetic. They reveal failures; they are no certificate for photographs."
)


def of_images(attributes: Sequence[str]) -> list[str]:
    """Return the caveats of verified images that are grouped by some attributes."""
    lit = any(name.startswith("skin_tone") for name in attributes)
    return [*([_SKIN_TONE] if lit else []), _SYNTHETIC]
