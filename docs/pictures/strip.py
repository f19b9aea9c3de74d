"""Makes the strip at the top of the README from a run: `python docs/pictures/strip.py runs/demo`.

Left the first draws of the generator as it is, right the first draws of the balanced sampler, as
they come: none is chosen.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

OUT = Path(__file__).with_name("demo.png")
COLUMNS, ROWS, STEP = 8, 3, 68
GAP, CAPTION = 24, 26


def panel(sheet: Image.Image) -> Image.Image:
    """Return the first 24 images of a contact sheet of rows of twelve, in rows of eight."""
    found = Image.new("RGB", (COLUMNS * STEP, ROWS * STEP), "white")
    for i in range(COLUMNS * ROWS):
        left, top = i % 12 * STEP, i // 12 * STEP
        one = sheet.crop((left, top, left + STEP, top + STEP))
        found.paste(one, (i % COLUMNS * STEP, i // COLUMNS * STEP))
    return found


def strip(run: Path) -> Image.Image:
    """Return both panels side by side, each under its caption."""
    width = 2 * COLUMNS * STEP + GAP
    found = Image.new("RGB", (width, ROWS * STEP + CAPTION), "white")
    pen, font = ImageDraw.Draw(found), ImageFont.load_default(16)
    for k, (name, caption) in enumerate(
        (("prior", "the generator as it is"), ("tilt", "balanced: smiling x skin tone"))
    ):
        left = k * (COLUMNS * STEP + GAP)
        pen.text((left + 2, 3), caption, "#202124", font)
        with Image.open(run / "pictures" / f"{name}.png") as sheet:
            found.paste(panel(sheet.convert("RGB")), (left, CAPTION))
    return found


if __name__ == "__main__":
    strip(Path(sys.argv[1])).save(OUT, optimize=True)
