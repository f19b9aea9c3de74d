import colorsys

import numpy as np
import pytest
from numpy.typing import NDArray

from equipoise.classifiers import open_classifier, open_panel
from equipoise.classifiers.skin_colour import HUE, LIGHTNESS, SkinColour, skin_hue, skin_lightness

# L*, a*, b* of sRGB's corners under D65, as tables of the space have them.
KNOWN = {
    (255, 0, 0): (53.24, 80.09, 67.20),
    (0, 255, 0): (87.73, -86.18, 83.18),
    (255, 255, 0): (97.14, -21.55, 94.48),
    (255, 0, 255): (60.32, 98.23, -60.82),
}


def plain(colour: tuple[int, ...]) -> NDArray[np.uint8]:
    return np.broadcast_to(np.array(colour, np.uint8)[None, :, None, None], (1, 3, 16, 16))


@pytest.mark.parametrize("colour", KNOWN)
def test_both_axes_have_the_known_values(colour: tuple[int, int, int]) -> None:
    lightness, a, b = KNOWN[colour]
    assert skin_lightness(plain(colour))[0] == pytest.approx(lightness, abs=0.02)
    assert skin_hue(plain(colour))[0] == pytest.approx(np.degrees(np.arctan2(b, a)), abs=0.02)


def test_levels_are_the_published_ones_and_a_score_at_a_threshold_is_above() -> None:
    assert (LIGHTNESS["light"], HUE["yellow"]) == (60, 55)
    lightness, hue = SkinColour().predict(np.concatenate([plain(c) for c in KNOWN]))
    assert lightness.levels.tolist() == [0, 1, 1, 1]
    assert hue.levels.tolist() == [0, 1, 1, 0]
    greys = np.arange(256, dtype=np.uint8)[:, None, None, None] * np.ones((1, 3, 8, 8), np.uint8)
    measured = skin_lightness(greys)
    assert np.array_equal(SkinColour(["skin_lightness"]).predict(greys)[0].levels, measured >= 60)


def test_hue_turns_with_the_colour_and_lightness_does_not_say_it() -> None:
    hues = np.linspace(0.0, 0.15, 6)
    colours = [tuple(int(255 * c) for c in colorsys.hsv_to_rgb(h, 0.5, 0.7)) for h in hues]
    found = skin_hue(np.concatenate([plain(colour) for colour in colours]))
    assert (np.diff(found) > 0).all()
    assert found[0] < 55 < found[-1]


def test_they_are_pinned_attributes() -> None:
    assert open_classifier("pinned:skin_hue").attributes[0].levels == ("red", "yellow")
    panel = open_panel(["skin_tone", "skin_lightness", "skin_hue"])
    assert panel.grid.size == 12
    assert [classifier.name for classifier in panel.classifiers] == [
        "typology-angle",
        "skin-colour",
    ]
    only = SkinColour(["skin_hue"])
    assert only.digest != SkinColour(["skin_lightness"]).digest
