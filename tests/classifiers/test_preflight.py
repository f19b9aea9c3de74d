"""Each fault is found on a classifier that has it, and on none that lacks it."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from equipoise.classifiers import Reading, by_probability
from equipoise.classifiers.age_gender import AgeGender
from equipoise.classifiers.open import open_classifier
from equipoise.classifiers.preflight import preflight
from equipoise.classifiers.toy import ToyClassifier
from equipoise.generators import Generator
from equipoise.generators.toy import ToyGenerator
from equipoise.groups import Attribute

from .local.conftest import save_scripted

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

    def read(self, images: np.ndarray) -> tuple[Reading, ...]:
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
    return {check.code: check.outcome for check in preflight(classifier, images)}  # type: ignore[arg-type]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("seed", range(5))
def test_a_fault_is_found(toy: ToyGenerator, fault: str, seed: int) -> None:
    code, change = FAULTS[fault]
    images = toy.images(toy.prior.codes(seed, 0, 64))
    assert outcomes(Faulty(change), images)[f"{code}:bright"] == "issue"


@pytest.mark.parametrize("seed", range(20))
def test_a_classifier_without_fault_raises_nothing(toy: ToyGenerator, seed: int) -> None:
    images = toy.images(toy.prior.codes(seed, 0, 64))
    found = outcomes(ToyClassifier(toy), images) | outcomes(Faulty(lambda v, _: v), images)
    assert set(found.values()) <= {"passed", "not applicable"}


def test_pinned_classifiers_pass_on_real_images(dcgan: Generator) -> None:
    images = dcgan.images(dcgan.prior.codes(0, 0, 64))
    found = outcomes(AgeGender(), images)
    assert {o for code, o in found.items() if "channels" not in code} == {"passed"}


@pytest.mark.parametrize("seed", range(5))
def test_swapped_channels_are_told_and_right_ones_not(
    tmp_path: Path, toy: ToyGenerator, seed: int
) -> None:
    # Its "redness" is sure of reddish images; skin in the toy's middle is reddish.
    images = toy.images(toy.prior.codes(seed, 0, 64)).astype(np.int16)
    images[:, 0] += 30
    reddish = images.clip(0, 255).astype(np.uint8)
    right = open_classifier(str(save_scripted(tmp_path)))
    assert outcomes(right, reddish)["channels:redness"] != "tip"


def test_swapped_channels_of_the_pinned_networks_are_told(dcgan: Generator) -> None:
    images = dcgan.images(dcgan.prior.codes(0, 0, 256))
    swapped = np.ascontiguousarray(images[:, ::-1])
    assert outcomes(AgeGender(["gender"]), images)["channels:gender"] == "passed"
    assert outcomes(AgeGender(["gender"]), swapped)["channels:gender"] == "tip"
