"""What can be wrong with a generator before anything is asked of it: a few checks."""

from __future__ import annotations

import numpy as np

from equipoise.audit.checks import Check, Evidence, Outcome
from equipoise.errors import EquipoiseError
from equipoise.estimates import Estimate
from equipoise.generators.base import Generator, generate

_NEAR = 2
"""Grey levels that float rounding by batch may change a pixel by."""


def preflight(generator: Generator, n: int = 32, seed: int = 0) -> tuple[Check, ...]:
    """Return the checks of a generator; it makes each of n images three times, a few once more.

    Parameters
    ----------
    generator : Generator
    n : int
        At least 8.
    seed : int

    Returns
    -------
    tuple of Check
        With the codes `images`, `range`, `constant`, `repeat`, `batch`; those after `images` are
        skipped where it is an issue.
    """
    title = "Are there RGB images of the told shape, in bytes?"
    try:
        codes = generator.prior.codes(seed, 0, n)
        images = generate(generator, codes)
        again = generate(generator, generator.prior.codes(seed, 0, n))
        single = np.concatenate([generate(generator, codes[i : i + 1]) for i in range(4)])
        turned = generate(generator, np.ascontiguousarray(codes[::-1]))[::-1]
    except EquipoiseError as error:
        skipped = [
            Check(code, title, "skipped", "There are no images.") for code, title in _TITLES.items()
        ]
        return (Check("images", title, "issue", f"No: {error}"), *skipped)
    if images.shape[1] != 3:
        words = f"No: they have {images.shape[1]} channels. Repeat a grey one three times."
        shape = Check("images", title, "issue", words)
    else:
        words = f"Yes: {images.shape[2]}x{images.shape[3]} pixels."
        shape = Check("images", title, "passed", words)
    low, high = int(images.min()), int(images.max())
    wide = high - low >= 64
    words = f"Pixels are from {low} to {high}."
    if not wide:
        words = f"No: pixels are from {low} to {high} only. Scale [-1, 1] or [0, 1] to [0, 255]."
    spread = float(images.astype(np.float64).std(axis=0).mean())
    different = len({image.tobytes() for image in images})
    constant = different < n
    told = f"{different} of {n} images are different; a pixel deviates by {spread:.1f} on average."
    off = _most(images, again)
    moved = max(_most(images[:4], single), _most(images, turned))
    changes = "Noise inside is drawn anew: fix it, or take it from the code."
    neighbours = "They depend on their neighbours: leave training mode (batch normalisation)."
    return (
        shape,
        _check("range", wide, words, high - low),
        _check("constant", not constant, told, spread),
        _check("repeat", off == 0, f"Pixels change by up to {off}. {changes}", off),
        _check("batch", moved <= _NEAR, f"Pixels change by up to {moved}. {neighbours}", moved),
    )


_TITLES = {
    "range": "Do the pixels use the range of a byte?",
    "constant": "Do the images differ from code to code?",
    "repeat": "Does the same seed give the same images again?",
    "batch": "Is a code's image the same in another batch, at another place, and alone?",
}


def _most(one: np.ndarray, other: np.ndarray) -> int:
    return int(np.abs(one.astype(np.int16) - other).max())


def _check(code: str, passed: bool, words: str, value: float) -> Check:
    """Make a check; of what passed, only numbers are told, without the remedy."""
    if passed and code in ("repeat", "batch"):
        words = f"Yes: pixels change by at most {value:g}."
    outcome: Outcome = "passed" if passed else "issue"
    return Check(code, _TITLES[code], outcome, words, Evidence(Estimate(value)))
