"""Makes the picture of the flow in the README: `python docs/pictures/flow.py`."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

OUT = Path(__file__).with_name("flow.svg")
WIDTH, HEIGHT = 960, 372
BOX_WIDTH, BOX_HEIGHT = 200, 92
INK, SOFT = "#202124", "#5f6368"


@dataclass(frozen=True)
class Box:
    """One step: its place, its colour, its name, and two lines on what happens there."""

    left: int
    top: int
    colour: str
    name: str
    lines: tuple[str, str]

    def svg(self) -> str:
        """Return the box with its text."""
        middle = self.left + BOX_WIDTH // 2
        return (
            f'<rect x="{self.left}" y="{self.top}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" '
            f'rx="8" fill="{self.colour}" stroke="{SOFT}"/>\n'
            f'<text x="{middle}" y="{self.top + 30}" class="name">{self.name}</text>\n'
            + "".join(
                f'<text x="{middle}" y="{self.top + 54 + 19 * k}">{line}</text>\n'
                for k, line in enumerate(self.lines)
            )
        )


GIVEN, FITTED, FOR_EVER = "#f1f3f4", "#d2e3fc", "#ceead6"
LEFTS = (16, 258, 500, 742)
TOP, BELOW = 56, 236
BOXES = (
    Box(LEFTS[0], TOP, GIVEN, "codes", ("random vectors of", "the generator's prior")),
    Box(LEFTS[1], TOP, GIVEN, "images", ("the generator,", "unchanged")),
    Box(LEFTS[2], TOP, GIVEN, "labels", ("a classifier names", "the cell of each image")),
    Box(LEFTS[3], TOP, FITTED, "latent classifier", ("a small network learns", "P(cell | code)")),
    Box(LEFTS[3], BELOW, FITTED, "tilt", ("accepts codes of the", "requested cell, moves none")),
    Box(LEFTS[2], BELOW, FITTED, "calibrate", ("sets how often each cell", "is requested")),
    Box(LEFTS[1], BELOW, FOR_EVER, "draw", ("one-shot, or verified", "with exact counts")),
)


def arrow(points: str, dashed: bool = False) -> str:
    """Return a line through the points, with a head at its end."""
    dash = ' stroke-dasharray="5 4"' if dashed else ""
    return (
        f'<polyline points="{points}" fill="none" stroke="{INK}" stroke-width="1.6"{dash} '
        'marker-end="url(#head)"/>\n'
    )


def picture() -> str:
    """Return the whole picture as SVG."""
    middle, low = TOP + BOX_HEIGHT // 2, BELOW + BOX_HEIGHT // 2
    forward = [
        arrow(f"{left + BOX_WIDTH},{middle} {following - 3},{middle}")
        for left, following in pairwise(LEFTS)
    ]
    down = LEFTS[3] + BOX_WIDTH // 2
    back = [
        arrow(f"{left},{low} {before + BOX_WIDTH + 3},{low}")
        for left, before in ((LEFTS[3], LEFTS[2]), (LEFTS[2], LEFTS[1]))
    ]
    start = LEFTS[0] + BOX_WIDTH // 2
    directed = arrow(f"{down},{TOP} {down},28 {start},28 {start},{TOP - 3}", dashed=True)
    legend = "".join(
        f'<rect x="{LEFTS[0]}" y="{BELOW + 8 + 28 * k}" width="16" height="16" rx="3" '
        f'fill="{colour}" stroke="{SOFT}"/>\n'
        f'<text x="{LEFTS[0] + 24}" y="{BELOW + 21 + 28 * k}" class="left">{text}</text>\n'
        for k, (colour, text) in enumerate(
            ((GIVEN, "yours, as they are"), (FITTED, "fitted once"), (FOR_EVER, "runs for ever"))
        )
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'role="img" aria-label="codes, images, labels, latent classifier, tilt, calibrate, draw">\n'
        "<style>text { font: 15px sans-serif; text-anchor: middle; fill: "
        f"{INK}; }} .name {{ font: bold 17px sans-serif; }} .left {{ text-anchor: start; }} "
        f".note {{ font-style: italic; fill: {SOFT}; }}</style>\n"
        '<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
        f'markerHeight="7" orient="auto"><path d="M0,0 L10,5 L0,10 z" fill="{INK}"/></marker>'
        "</defs>\n"
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="10" fill="#ffffff"/>\n'
        + "".join(box.svg() for box in BOXES)
        + "".join(forward)
        + arrow(f"{down},{TOP + BOX_HEIGHT} {down},{BELOW - 3}")
        + "".join(back)
        + directed
        + f'<text x="{WIDTH // 2}" y="20" class="note">half of the labels go to rare cells</text>\n'
        f'<text x="{down - 12}" y="{(TOP + BOX_HEIGHT + BELOW) // 2 + 5}" class="note" '
        'style="text-anchor: end">it reads the first layers, not images</text>\n'
        + legend
        + "</svg>\n"
    )


if __name__ == "__main__":
    OUT.write_text(picture(), encoding="utf-8")
