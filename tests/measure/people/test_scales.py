from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from equipoise.classifiers.skin_tone import SIX, THREE, typology_angle
from equipoise.core.attributes import Attribute, AttributeGrid
from equipoise.measure.people.scales import SCALES, scale_of
from equipoise.measure.people.task import _colours, _instructions


def grey(colour: str) -> float:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("bounds", [THREE, SIX])
def test_a_colour_is_read_as_its_own_level(bounds: dict[str, float]) -> None:
    scale = scale_of(Attribute("skin_tone", tuple(bounds)))
    assert scale is not None
    for level, colour in scale.colours.items():
        values = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        image = np.tile(np.array(values, np.uint8)[None, :, None, None], (1, 1, 8, 8))
        angle = typology_angle(image)[0]
        assert [name for name, low in bounds.items() if angle > low][-1] == level


def test_colours_follow_the_order_of_the_levels() -> None:
    for scale in SCALES:
        shades = [grey(colour) for colour in scale.colours.values()]
        ends = (shades[0], shades[-1])
        assert min(shades) in ends
        assert max(shades) > min(shades) + 50


def test_levels_of_another_scale_have_no_colours() -> None:
    assert scale_of(Attribute("skin_tone", ("I", "II", "III"))) is None
    tones = tuple(map(str, range(1, 11)))
    assert all(
        scale_of(Attribute(name, tones)) == SCALES[-1] for name in ("monk", "skin_tone_monk")
    )
    assert scale_of(Attribute("hair", ("dark", "medium", "light"))) is None


def test_raters_get_the_colours_in_their_order(tmp_path: Path) -> None:
    tone = Attribute("skin_tone", ("dark", "medium", "light"))
    grid = AttributeGrid((tone, Attribute("smiling", ("no", "yes"))))
    sheet, known = _colours(SCALES[0]), list(SCALES[0].colours.values())
    sheet.save(tmp_path / "scale.png")
    with Image.open(tmp_path / "scale.png") as image:
        found = [image.getpixel((k * image.width // 3 + 20, 40)) for k in range(3)]
    assert ["#{:02x}{:02x}{:02x}".format(*pixel) for pixel in found] == known
    said = _instructions(grid)
    assert "Take the level of skin_tone whose colour in scale_skin_tone.png is nearest" in said
    assert "scale_smiling" not in said
