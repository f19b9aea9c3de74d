import numpy as np
import pytest

from equipoise.audit.checks import adjust
from equipoise.audit.counterfactuals.effects import effect_check, effects

LEVELS = ("female", "male")
TONES = ("dark", "light")


def answers(chance: float, seed: int, faces: int = 300) -> np.ndarray:
    """Half of the faces are male; a light one's answer flips to male with a chance."""
    rng = np.random.default_rng(seed)
    dark = (rng.random(faces) < 0.5).astype(np.int8)
    light = np.where((dark == 0) & (rng.random(faces) < chance), 1, dark).astype(np.int8)
    return np.stack([dark, light], axis=1)


def test_counts_are_those_of_the_pairs() -> None:
    told = np.array([[0, 1], [0, 0], [1, 1], [1, 0], [0, 1], [-1, 1], [1, -2]], np.int8)
    sure = np.tile(np.float32([0.6, 0.7]), (7, 1))
    (found,) = effects("tone", TONES, told, sure, LEVELS)
    assert found.check_id == "counterfactual:tone:dark->light:male"
    assert (found.n, found.to.count, found.to.n, found.away.count, found.away.n) == (5, 2, 3, 1, 2)
    assert found.odds_ratio.value == 2
    assert found.difference.value == pytest.approx(1 / 5)
    assert found.confidence.value == pytest.approx(0.1)


def test_every_two_levels_are_compared_and_every_answer_of_three() -> None:
    told = np.zeros((10, 3), np.int8)
    found = effects("tone", ("a", "b", "c"), told, np.ones((10, 3), np.float32), ("x", "y", "z"))
    assert len(found) == 9
    assert [e.p_value for e in found] == [1.0] * 9


def test_a_planted_effect_is_found_and_its_interval_covers_it() -> None:
    """Of female faces a fifth become male when light: a tenth of all."""
    issues, covered, rates = 0, 0, 0
    for seed in range(400):
        told = answers(0.2, seed)
        (found,) = effects("tone", TONES, told, np.ones_like(told, np.float32), LEVELS)
        issues += effect_check(found, 0.05).outcome == "issue"
        covered += found.difference.low <= 0.1 <= found.difference.high
        rates += found.to.estimate.low <= 0.2 <= found.to.estimate.high
    assert issues >= 390
    # 380 of 400, less two and a half standard errors of 4.4.
    assert covered >= 369
    assert rates >= 369


def test_errors_that_do_not_depend_on_the_attribute_are_seldom_an_issue() -> None:
    issues = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        truth = (rng.random((200, 1)) < 0.5).astype(np.int8)
        wrong = rng.random((200, 3)) < 0.1
        told = np.where(wrong, 1 - truth, truth).astype(np.int8)
        sure = np.ones((200, 3), np.float32)
        found = adjust((), effects("tone", ("a", "b", "c"), told, sure, LEVELS))[1]
        issues += any(effect_check(effect, 0.0).outcome == "issue" for effect in found)
    assert issues <= 9


def test_outcomes_tell_too_few_faces_from_no_effect() -> None:
    def outcome(told: np.ndarray) -> str:
        found = adjust((), effects("tone", TONES, told, np.ones(told.shape, np.float32), LEVELS))[1]
        return effect_check(found[0], 0.05).outcome

    assert outcome(answers(0.0, 0, 20)) == "tip"
    assert outcome(answers(0.0, 0, 400)) == "passed"
    assert outcome(np.full((5, 2), -1, np.int8)) == "not applicable"
