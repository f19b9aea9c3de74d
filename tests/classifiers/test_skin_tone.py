import numpy as np
import pytest

from equipoise.classifiers.skin_tone import SIX, THREE, SkinTone, typology_angle

# sRGB colours with L*a*b* from the definition of the space, computed by hand in float64.
COLOURS = [(255, 224, 189), (198, 134, 66), (141, 85, 36), (60, 46, 40), (234, 192, 134)]


def angle(red: int, green: int, blue: int) -> float:
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (red / 255, green / 255, blue / 255)
    ]
    y = np.dot([0.2126729, 0.7151522, 0.0721750], linear)
    z = np.dot([0.0193339, 0.1191920, 0.9503041], linear) / 1.08883
    fy, fz = (t ** (1 / 3) if t > 216 / 24389 else (24389 / 27 * t + 16) / 116 for t in (y, z))
    return float(np.degrees(np.arctan2(116 * fy - 66, 200 * (fy - fz))))


@pytest.mark.parametrize("colour", COLOURS)
def test_the_angle_is_that_of_the_definition(colour: tuple[int, int, int]) -> None:
    image = np.broadcast_to(np.array(colour, np.uint8)[None, :, None, None], (1, 3, 16, 16))
    assert typology_angle(image)[0] == pytest.approx(angle(*colour), abs=0.01)


def test_only_the_middle_quarter_counts_and_by_its_median() -> None:
    image = np.zeros((1, 3, 64, 64), np.uint8)
    image[:, :, 24:40, 24:40] = 230
    inside = typology_angle(image)
    image[:, :, 24:40, 24:26] = 0
    assert typology_angle(image) == pytest.approx(inside)


def test_levels_are_the_published_ones() -> None:
    assert list(SIX) == ["dark", "brown", "tan", "intermediate", "light", "very_light"]
    assert list(SIX.values())[1:] == [-30, 10, 28, 41, 55]
    assert list(THREE.values())[1:] == [10, 41]


def test_three_and_six_levels_agree() -> None:
    greys = np.arange(256, dtype=np.uint8)
    images = np.broadcast_to(greys[:, None, None, None], (256, 3, 8, 8)).copy()
    images[:, 2] //= 2
    three, six = SkinTone().predict(images)
    assert np.array_equal(three.scores, six.scores)
    merged = np.array([0, 0, 1, 1, 2, 2])[six.levels]
    assert np.array_equal(merged, three.levels)


def test_tiny_pictures_have_a_middle() -> None:
    assert np.isfinite(typology_angle(np.full((2, 3, 1, 1), 90, np.uint8))).all()
