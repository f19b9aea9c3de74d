import numpy as np
import pytest

from equipoise.classifiers import ClassifierPanel, Prediction, open_panel
from equipoise.classifiers.base import by_probability
from equipoise.core.attributes import UNKNOWN, Attribute
from equipoise.core.errors import InputError, ModelOutputError
from equipoise.generators import Generator

IMAGES = np.zeros((4, 3, 8, 8), np.uint8)


class Fixed:
    """Answers what it is told."""

    name = "fixed"
    digest = "0" * 64
    caveats = ()
    pinned = ()
    attributes = (Attribute("hat", ("no", "yes")),)

    def __init__(self, reading: Prediction) -> None:
        self.reading = reading

    def predict(self, images: np.ndarray) -> tuple[Prediction, ...]:
        return (self.reading,)


def reading(*rows: tuple[float, float]) -> Prediction:
    return by_probability(np.array(rows, np.float32))


GOOD = reading((0.9, 0.1), (0.2, 0.8), (0.45, 0.55), (0.5, 0.5))


def test_reads_levels_and_abstains_below() -> None:
    labels = ClassifierPanel([Fixed(GOOD)], ["hat"]).predict(IMAGES)
    assert labels.levels[:, 0].tolist() == [0, 1, 1, 0]
    unsure = ClassifierPanel([Fixed(GOOD)], ["hat"], abstain_below=0.6).predict(IMAGES)
    assert unsure.levels[:, 0].tolist() == [0, 1, UNKNOWN, UNKNOWN]
    assert unsure.cells.tolist() == [0, 1, -1, -1]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (reading((0.9, 0.1), (np.nan, 0.8), (1, 0), (1, 0)), "NaN or infinity for 1 of 4.*row 1"),
        (reading((0.9, 0.1)), r"must have probabilities of shape \(4, 2\)"),
        (reading((-3, 4), (1, 0), (1, 0), (1, 0)), r"must be in \[0, 1\], got -3 to 4"),
        (
            Prediction(np.array([0, 1, 2, 0], np.int8), GOOD.probabilities, GOOD.scores),
            r"must have levels in -1\.\.1, got 0 to 2",
        ),
        (
            Prediction(GOOD.levels, GOOD.probabilities, np.full(4, np.nan, np.float32)),
            "NaN or infinity for 4 of 4",
        ),
        (
            Prediction(GOOD.levels.astype(np.float32), GOOD.probabilities, GOOD.scores),
            "whole levels",
        ),
        (
            Prediction(GOOD.levels, GOOD.probabilities, GOOD.scores, np.ones(3, np.float32)),
            r"must have seconds of shape \(4,\), or none, got \(3,\)",
        ),
    ],
)
def test_wrong_answers_are_named(answer: Prediction, said: str) -> None:
    with pytest.raises(ModelOutputError, match=f"classifier 'fixed' on 'hat' {said}|{said}"):
        ClassifierPanel([Fixed(answer)], ["hat"]).predict(IMAGES)


@pytest.mark.parametrize(
    "images", [IMAGES.astype(np.float32), IMAGES[0], np.zeros((4, 8, 8, 3), np.uint8)]
)
def test_wrong_images_are_named(images: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"images must be uint8 of shape \(n, 3, height, width\)"):
        ClassifierPanel([Fixed(GOOD)], ["hat"]).predict(images)


def test_unknown_and_doubled_attributes_are_named() -> None:
    with pytest.raises(InputError, match="attribute must be one of hat, got scarf"):
        ClassifierPanel([Fixed(GOOD)], ["scarf"])
    with pytest.raises(InputError, match="must predict different attributes"):
        ClassifierPanel([Fixed(GOOD), Fixed(GOOD)], ["hat"])
    with pytest.raises(InputError, match=r"abstain_below must be in \[0, 1\], got 1.5"):
        ClassifierPanel([Fixed(GOOD)], ["hat"], abstain_below=1.5)
    with pytest.raises(InputError, match=r"attribute must be one of gender, age, .*got beard"):
        open_panel(["beard"])


def test_attributes_come_in_the_asked_order_and_models_are_shared(real: Generator) -> None:
    panel = open_panel(["skin_tone", "expression", "smiling"], real)
    assert panel.grid.names == ("skin_tone", "expression", "smiling")
    assert [c.name for c in panel.classifiers] == ["fer", "typology-angle"]
    labels = panel.predict(real.images(real.prior.codes(0, 0, 64)))
    happy = labels.probabilities[1][:, 3]
    assert np.array_equal(labels.levels[:, 2] == 1, happy > 0.5)


def test_a_panel_of_other_settings_has_another_digest() -> None:
    digests = {
        ClassifierPanel([Fixed(GOOD)], ["hat"]).digest,
        ClassifierPanel([Fixed(GOOD)], ["hat"], abstain_below=0.5).digest,
    }
    assert len(digests) == 2
