"""Makes the picture of faithfulness: `python docs/pictures/faithfulness.py`.

All of it is known in closed form. A twentieth of the prior is of the cell, which is normal about
2.5; the others are normal about 0; both have deviation 1. The script also prints the numbers of
each rule, as they stand in docs/faithfulness.md.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

Array = NDArray[np.float64]

OUT = Path(__file__).with_name("faithfulness.svg")
SHARE, MEAN = 0.05, 2.5
X = np.linspace(-5, 8, 26_001)
STEP = X[1] - X[0]
CELL = norm.pdf(X, MEAN)
PRIOR = SHARE * CELL + (1 - SHARE) * norm.pdf(X)
H = SHARE * CELL / PRIOR

INK, SOFT, CLEAR, NEAR, ROOT = "#202124", "#5f6368", "#d93025", "#1a73e8", "#188038"
WIDTH, HEIGHT = 960, 380
TOP, BOTTOM = 56, 320
LEAST = 0.45


def of_members(level: float) -> float:
    """Return the quantile of P(cell | code) over members; P(cell | code) rises with the code."""
    return float(np.interp(norm.ppf(level, MEAN), X, H))


def threshold(recall: float) -> Array:
    """Return the acceptance that takes a share of the members, those of greatest P(cell | code)."""
    return (of_members(1 - recall) <= H).astype(np.float64)


def power(exponent: float, full: float, floor: float = 0.0) -> Array:
    """Return the acceptance (h / full) ** exponent, at most 1, at least the floor."""
    return np.clip((H / of_members(full)) ** exponent, floor, 1.0)


def square_root() -> Array:
    """Return the acceptance of `exact`: its floor adds a twentieth to the calls."""
    rate = float((PRIOR * power(0.5, 0.9)).sum() * STEP)
    return power(0.5, 0.9, 0.05 * rate)


@dataclass(frozen=True)
class Rule:
    """What a rule brings, its draws weighted or not."""

    faithfulness: float
    calls: float
    effective: float

    @classmethod
    def of(cls, accepted: Array, *, weighted: bool = False) -> Rule:
        """Compute the numbers of an acceptance, shape (n,), over the codes `X`."""
        mean = float((CELL * accepted).sum() * STEP)
        calls = float((PRIOR * accepted).sum() * STEP) / (SHARE * mean)
        if weighted:
            return cls(1.0, calls, 1 / (mean * float((CELL / accepted).sum() * STEP)))
        variation = float((CELL * np.abs(accepted / mean - 1)).sum() * STEP) / 2
        return cls(1 - variation, calls, 1.0)


RULES = {
    "rejection": np.ones(X.shape),
    "0.9": threshold(0.9),
    "exact": square_root(),
    "typical": power(4, 0.7),
}
FOUND = {name: Rule.of(accepted, weighted=name == "exact") for name, accepted in RULES.items()}


def line(points: Sequence[tuple[float, float]], colour: str, *, dashed: bool = False) -> str:
    """Return a line through points of the picture."""
    dash = ' stroke-dasharray="6 4"' if dashed else ""
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>\n'


def text(x: float, y: float, words: str, kind: str = "", colour: str = INK) -> str:
    """Return words at a place; kinds are the classes of the style."""
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" style="fill: {colour}">{words}</text>\n'


def densities() -> str:
    """Return the left half: what is drawn for the cell by each rule."""
    left, right, low, high, most = 30.0, 450.0, -0.5, 5.5, 0.92

    def place(density: Array) -> list[tuple[float, float]]:
        rows = np.flatnonzero((low <= X) & (high >= X))[::50]
        across = left + (X[rows] - low) / (high - low) * (right - left)
        up = BOTTOM - np.minimum(density[rows] / most, 1) * (BOTTOM - TOP)
        return list(zip(across.tolist(), up.tolist(), strict=True))

    def drawn(accepted: Array) -> list[tuple[float, float]]:
        return place(CELL * accepted / float((CELL * accepted).sum() * STEP))

    own = " ".join(f"{x:.1f},{y:.1f}" for x, y in place(CELL))
    return (
        text(left, 28, "Verified draws of a cell", "name")
        + f'<polygon points="{left},{BOTTOM} {own} {right},{BOTTOM}" fill="#dadce0"/>\n'
        + line(drawn(RULES["typical"]), CLEAR)
        + line(drawn(RULES["0.9"]), NEAR)
        + line(drawn(RULES["exact"]), ROOT, dashed=True)
        + line([(left, BOTTOM), (right, BOTTOM)], SOFT)
        + text(left, BOTTOM + 22, "unclear members", colour=SOFT)
        + text(right, BOTTOM + 22, "clear members", "end", SOFT)
        + text(left, 76, "grey: the generator's own", colour=SOFT)
        + text(left, 96, "typical", colour=CLEAR)
        + text(left, 116, "0.9", colour=NEAR)
        + text(left, 136, "exact, before weights", colour=ROOT)
    )


def frontier() -> str:
    """Return the right half: calls against faithfulness."""
    left, right, most = 560.0, 930.0, 20.0

    def place(faithfulness: float, calls: float) -> tuple[float, float]:
        across = left + (faithfulness - LEAST) / (1 - LEAST) * (right - left)
        return across, BOTTOM - np.log(calls) / np.log(most) * (BOTTOM - TOP)

    curve = [Rule.of(threshold(recall)) for recall in np.linspace(0.5, 0.999, 200)]
    marks = ""
    for name, label, colour, beside, below in (
        ("typical", "typical", CLEAR, -12, -14),
        ("0.9", "0.9", NEAR, -12, -8),
        ("exact", "exact, by effective image", ROOT, -46, 2),
        ("rejection", "rejection", INK, -12, 5),
    ):
        rule = FOUND[name]
        x, y = place(rule.faithfulness, rule.calls / rule.effective)
        marks += f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6" fill="{colour}"/>\n'
        marks += text(
            x + beside, y + below, label, "middle" if name == "typical" else "end", colour
        )
    ticks = "".join(
        text(left - 10, place(LEAST, calls)[1] + 5, f"{calls}", "end", SOFT)
        + line([(left - 5, place(LEAST, calls)[1]), (left, place(LEAST, calls)[1])], SOFT)
        for calls in (1, 2, 5, 10, 20)
    ) + "".join(
        text(place(level, 1)[0], BOTTOM + 22, f"{level:.0%}", "middle", SOFT)
        for level in (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    )
    return (
        text(left, 28, "Calls per image against faithfulness", "name")
        + line([(left, TOP), (left, BOTTOM), (right, BOTTOM)], SOFT)
        + ticks
        + line([place(rule.faithfulness, rule.calls) for rule in curve], NEAR)
        + marks
        + text(left + 14, TOP + 60, "line: a threshold on P(cell | code)", colour=SOFT)
    )


def picture() -> str:
    """Return the whole picture as SVG."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'aria-label="verified draws by mode, and calls against faithfulness">\n'
        "<style>text { font: 15px sans-serif; } .name { font: bold 17px sans-serif; } "
        ".end { text-anchor: end; } .middle { text-anchor: middle; }</style>\n"
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="10" fill="#ffffff"/>\n'
        + densities()
        + frontier()
        + "</svg>\n"
    )


if __name__ == "__main__":
    OUT.write_text(picture(), encoding="utf-8")
    for name, rule in FOUND.items():
        sys.stdout.write(
            f"{name:10} faithfulness {rule.faithfulness:6.1%}  calls {rule.calls:5.2f}  "
            f"effective share {rule.effective:6.1%}  "
            f"calls per effective image {rule.calls / rule.effective:5.2f}\n"
        )
