"""The lighting check finds a planted confound of skin tone, and passes its absence."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from equipoise.audit.images import AuditImages
from equipoise.audit.lighting import examine_lighting
from equipoise.classifiers.skin_colour import SkinColour
from equipoise.classifiers.skin_tone import SkinTone
from equipoise.core.attributes import Attribute, AttributeGrid
from equipoise.generators.toy import ToyGenerator
from equipoise.measure.lighting import Lighting, lighting_check, lighting_of

N = 400
GRID = AttributeGrid((Attribute("smiling", ("no", "yes")), SkinTone(["skin_tone"]).attributes[0]))


def pictures(seed: int, confounded: bool) -> NDArray[np.uint8]:
    """Return faces on a background: one light falls on both, or skin has a colour of its own."""
    rng = np.random.default_rng(seed)
    light, skin, wall = rng.uniform(0.35, 1.0, (3, N))
    if confounded:
        skin, wall = light * rng.uniform(0.9, 1.0, N), light * rng.uniform(0.6, 1.0, N)
    images = np.empty((N, 3, 16, 16))
    images[:] = wall[:, None, None, None] * 200
    images[:, :, 4:12, 4:12] = (skin[:, None] * [230, 180, 140])[:, :, None, None]
    return np.asarray(images, np.uint8)


def written(folder: Path, images: NDArray[np.uint8], weights: NDArray[np.float64]) -> AuditImages:
    """Write images, and return them with their levels by the angle."""
    tones = SkinTone(["skin_tone"]).predict(images)[0].levels
    levels = np.stack([np.arange(N, dtype=np.int8) % 2, tones], axis=1)
    files = tuple(f"{i:04d}.png" for i in range(N))
    for name, image in zip(files, images, strict=True):
        Image.fromarray(image.transpose(1, 2, 0)).save(folder / name)
    return AuditImages(folder, GRID, files, levels, files, weights)


def examined(folder: Path, seed: int, confounded: bool) -> Lighting:
    folder.mkdir()
    found = examine_lighting(
        written(folder, pictures(seed, confounded), np.ones(N)), GRID.names, folder / "audit"
    )
    assert found is not None
    return found


def test_one_light_on_face_and_background_is_found(tmp_path: Path) -> None:
    found = examined(tmp_path / "a", 0, confounded=True)
    assert found.correlation.low > 0.6
    assert found.changed.share > 0.2
    check = lighting_check(found)
    assert (check.outcome, check.check_id) == ("tip", "lighting:skin_tone")
    assert "Much of it" in check.words
    assert (tmp_path / "a" / "audit" / "pictures" / found.picture).is_file()


def test_skin_that_does_not_follow_the_background_passes(tmp_path: Path) -> None:
    held = 0
    for seed in range(5):
        found = examined(tmp_path / str(seed), seed, confounded=False)
        held += found.correlation.low <= 0 <= found.correlation.high
        assert lighting_check(found).outcome == "passed"
    assert held >= 4


def test_the_same_toy_faces_pass_as_drawn_and_are_found_relit(tmp_path: Path) -> None:
    """Counterfactual relighting: one light on each whole picture, and nothing else changes."""
    toy = ToyGenerator()
    for seed in range(4):
        drawn = toy.images(toy.prior.codes(seed, 0, N))
        light = np.random.default_rng(seed).uniform(0.35, 1, N)
        relit = np.asarray(drawn * light[:, None, None, None], np.uint8)
        outcomes = []
        for name, images in (("drawn", drawn), ("relit", relit)):
            folder = tmp_path / f"{name}{seed}"
            folder.mkdir()
            material = written(folder, images, np.ones(N))
            found = examine_lighting(material, GRID.names, folder / "audit")
            assert found is not None
            outcomes.append(lighting_check(found).outcome)
            assert (found.correlation.low > 0.3) is (name == "relit")
        assert outcomes == ["passed", "tip"]


def test_a_gap_that_another_attribute_explains_is_no_lighting(tmp_path: Path) -> None:
    """Smiling faces are lighter and before lighter walls; within each, nothing is."""
    rng = np.random.default_rng(1)
    smiling = np.arange(N) % 2
    images = pictures(0, confounded=False).astype(np.float64)
    images[:, :, 4:12, 4:12] *= (0.6 + 0.4 * smiling)[:, None, None, None]
    wall = (80 + 100 * smiling + rng.uniform(0, 20, N))[:, None, None]
    for rows in (slice(0, 4), slice(12, 16)):
        images[:, :, rows, :] = wall[..., None]
        images[:, :, :, rows] = wall[..., None]
    given = written(tmp_path, np.asarray(images, np.uint8), np.ones(N))
    found = examine_lighting(given, GRID.names, tmp_path / "audit")
    assert found is not None and abs(found.correlation.value) < 0.15


@dataclass(frozen=True, eq=False)
class Held:
    """Images in memory."""

    pixels: NDArray[np.uint8]
    grid: AttributeGrid
    levels: NDArray[np.int8]

    @property
    def weights(self) -> NDArray[np.float64]:
        return np.ones(len(self.pixels))

    def __len__(self) -> int:
        return len(self.pixels)

    def images(self, rows: Sequence[int]) -> NDArray[np.uint8]:
        return self.pixels[list(rows)]


def with_tones(pixels: NDArray[np.uint8], tone: Attribute, tones: NDArray[np.int8]) -> Held:
    """Return images with levels of one attribute, and another one that alternates."""
    levels = np.stack([np.arange(N, dtype=np.int8) % 2, tones], axis=1)
    return Held(pixels, AttributeGrid((GRID.attributes[0], tone)), levels)


def lit(images: Held) -> Lighting | None:
    return lighting_of(images, images.grid.names, lambda shown: "sheet.png")


@pytest.mark.parametrize("warm_light", [True, False])
def test_the_hue_of_skin_is_set_against_the_yellowness_of_the_background(warm_light: bool) -> None:
    rng = np.random.default_rng(0)
    skin, wall = rng.uniform(0.5, 1.0, (2, N))
    if warm_light:
        wall = skin * rng.uniform(0.95, 1.0, N)
    images = np.empty((N, 3, 16, 16))
    for of, where in ((wall, np.s_[:]), (skin, np.s_[4:12])):
        colour = np.stack([np.full(N, 200), np.full(N, 160), 160 * of], axis=1)
        images[:, :, where, where] = colour[:, :, None, None]
    pixels = np.asarray(images, np.uint8)
    axis = SkinColour(["skin_hue"])
    tones = axis.predict(pixels)[0].levels
    found = lit(with_tones(pixels, axis.attributes[0], tones))
    assert found is not None
    assert (found.measured, found.background) == ("hue angle", "yellowness")
    assert (found.correlation.low > 0.6) is warm_light
    assert lighting_check(found).outcome == ("tip" if warm_light else "passed")


@pytest.mark.parametrize("confounded", [True, False])
def test_levels_of_another_classifier_are_numbered(confounded: bool) -> None:
    """A scale of ten tones, say, that a network reads."""
    pixels = pictures(0, confounded)
    brightness = pixels[:, :, 4:12, 4:12].mean(axis=(1, 2, 3))
    tones = np.argsort(np.argsort(brightness)) * 10 // N
    scale = Attribute("monk", tuple(f"tone{i}" for i in range(10)), ordered=True)
    found = lit(with_tones(pixels, scale, tones.astype(np.int8)))
    assert found is not None
    assert found.explained == pytest.approx(found.correlation.value**2)
    assert (found.explained < 0.05) is not confounded
    assert (found.measured, found.changed, found.picture) == ("level", None, "")
    assert (found.correlation.low > 0.6) is confounded
    assert lighting_check(found).outcome == ("tip" if confounded else "passed")


def test_a_background_that_does_not_vary_shows_nothing() -> None:
    shown = pictures(0, confounded=True)
    face = shown[:, :, 4:12, 4:12].copy()
    shown[:] = 255
    shown[:, :, 4:12, 4:12] = face
    found = lit(
        with_tones(shown, GRID.attributes[1], SkinTone(["skin_tone"]).predict(shown)[0].levels)
    )
    assert found is not None
    check = lighting_check(found)
    assert check.outcome == "not applicable"
    assert check.words == "It cannot be seen: the background does not vary."


def test_of_two_scales_of_skin_neither_hides_the_other_s_light() -> None:
    shown = pictures(0, confounded=True)
    both = (*SkinTone(["skin_tone"]).attributes, *SkinColour(["skin_lightness"]).attributes)
    levels = np.stack(
        [
            SkinTone(["skin_tone"]).predict(shown)[0].levels,
            SkinColour(["skin_lightness"]).predict(shown)[0].levels,
        ],
        axis=1,
    )
    drawn = Held(shown, AttributeGrid(both), levels)
    found = lighting_of(drawn, drawn.grid.names, lambda images: "sheet.png")
    assert found is not None and found.correlation.low > 0.6


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_scale_that_shows_nothing_does_not_hide_another(order: tuple[int, int]) -> None:
    """Warm light on all, before walls of one lightness: hue shows it, lightness cannot."""
    rng = np.random.default_rng(0)
    light = rng.uniform(0.5, 1.0, N)
    images = np.empty((N, 3, 16, 16))
    images[:] = np.stack([np.full(N, 180.0), np.full(N, 180.0), 180 * light], axis=1)[
        ..., None, None
    ]
    skin = np.stack([np.full(N, 200.0), np.full(N, 150.0), 150 * light], axis=1)
    images[:, :, 4:12, 4:12] = (skin * rng.uniform(0.6, 1, N)[:, None])[:, :, None, None]
    shown = np.asarray(images, np.uint8)
    both = [SkinTone(["skin_tone"]), SkinColour(["skin_hue"])]
    grid = AttributeGrid(tuple(both[i].attributes[0] for i in order))
    levels = np.stack([both[i].predict(shown)[0].levels for i in order], axis=1)
    found = lighting_of(Held(shown, grid, levels), grid.names, lambda images: "sheet.png")
    assert found is not None
    assert found.attribute == "skin_hue" and found.correlation.low > 0.3


def test_levels_without_an_order_and_other_names_are_no_tones() -> None:
    shown = pictures(0, confounded=True)
    for attribute in (
        Attribute("skinny", ("no", "yes")),
        Attribute("skin_colour", ("rose", "olive", "brown")),
    ):
        levels = np.arange(N, dtype=np.int8) % len(attribute.levels)
        assert lit(with_tones(shown, attribute, levels)) is None


def test_nothing_is_said_without_an_attribute_of_skin_or_of_one_level() -> None:
    shown, tone = pictures(0, confounded=True), GRID.attributes[1]
    given = with_tones(shown, tone, SkinTone(["skin_tone"]).predict(shown)[0].levels)
    assert lighting_of(given, ("smiling",), lambda images: "") is None
    assert lit(with_tones(shown, tone, np.zeros(N, np.int8))) is None
