"""Each fault is found on a classifier that has it, and on none that lacks it."""

import hashlib
from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import expit

from equipoise.audit.preflight.checks import check_classifier as preflight
from equipoise.classifiers import Prediction, by_probability
from equipoise.classifiers.age_gender import AgeGender
from equipoise.classifiers.toy import ToyClassifier
from equipoise.core.attributes import Attribute
from equipoise.generators import Generator
from equipoise.generators.toy import ToyGenerator

Changed = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Faulty:
    """Answers by brightness, changed by a fault."""

    name = "faulty"
    caveats = ()
    pinned = ()
    attributes = (Attribute("bright", ("no", "yes")),)
    digest = hashlib.sha256(b"faulty").hexdigest()

    def __init__(self, change: Changed) -> None:
        self.change = change

    def predict(self, images: np.ndarray) -> tuple[Prediction, ...]:
        value = images.mean(axis=(1, 2, 3)) / 255
        share = self.change(value, images).astype(np.float32)
        return (by_probability(np.stack([1 - share, share], axis=1)),)


CHANCE = np.random.default_rng(0)
FAULTS: dict[str, tuple[str, Changed]] = {
    "constant": ("constant", lambda value, _: np.full(len(value), 0.4)),
    "NaN": ("answers", lambda value, _: np.where(value > np.median(value), np.nan, value)),
    "range": ("answers", lambda value, _: 255 * value),
    "chance": ("repeat", lambda value, _: CHANCE.random(len(value))),
    "neighbours": ("batch", lambda value, _: np.clip(0.5 + value - value.mean(), 0, 1)),
    "place": ("batch", lambda value, _: np.linspace(0.1, 0.9, len(value))),
}


def outcomes(classifier: object, images: np.ndarray) -> dict[str, str]:
    return {check.check_id: check.outcome for check in preflight(classifier, images)}  # type: ignore[arg-type]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("seed", range(5))
def test_a_fault_is_found(toy: ToyGenerator, fault: str, seed: int) -> None:
    check_id, change = FAULTS[fault]
    images = toy.images(toy.prior.codes(seed, 0, 64))
    assert outcomes(Faulty(change), images)[f"{check_id}:bright"] == "issue"


def test_what_kept_answers_hide_is_not_passed(toy: ToyGenerator) -> None:
    class Keeps(Faulty):
        def kept_answer(self, image: np.ndarray) -> None:
            return None

    images = toy.images(toy.prior.codes(0, 0, 64))
    found = outcomes(Keeps(lambda value, _: value), images)
    hidden = {name for name, outcome in found.items() if outcome == "skipped"}
    assert hidden == {"repeat:bright", "batch:bright"}


@pytest.mark.parametrize("seed", range(20))
def test_a_classifier_without_fault_raises_nothing(toy: ToyGenerator, seed: int) -> None:
    images = toy.images(toy.prior.codes(seed, 0, 64))
    found = outcomes(ToyClassifier(toy), images) | outcomes(Faulty(lambda v, _: v), images)
    assert set(found.values()) <= {"passed", "not applicable"}


UNDECIDED = ("channels", "activation")
"""Checks that need not apply: of colours, and of outputs that a classifier does not show."""


def test_pinned_classifiers_pass_on_real_images(real: Generator) -> None:
    images = real.images(real.prior.codes(0, 0, 64))
    found = outcomes(AgeGender(), images)
    decided = {o for check_id, o in found.items() if check_id.split(":")[0] not in UNDECIDED}
    assert decided == {"passed"}


@pytest.mark.parametrize("seed", range(5))
def test_swapped_channels_are_told(toy: ToyGenerator, seed: int) -> None:
    def sure_of_red(value: np.ndarray, images: np.ndarray) -> np.ndarray:
        red, _, blue = images.mean(axis=(2, 3)).T
        return 0.5 + 0.49 * expit((red - blue) / 10)

    classifier = Faulty(sure_of_red)
    images = toy.images(toy.prior.codes(seed, 0, 64)) // 2
    images[:, 0] += 60
    assert outcomes(classifier, images)["channels:bright"] == "passed"
    swapped = np.ascontiguousarray(images[:, ::-1])
    assert outcomes(classifier, swapped)["channels:bright"] == "tip"


def test_the_pinned_networks_are_not_thought_swapped(real: Generator) -> None:
    for seed in range(3):
        images = real.images(real.prior.codes(seed, 0, 128))
        assert "tip" not in outcomes(AgeGender(), images).values()
