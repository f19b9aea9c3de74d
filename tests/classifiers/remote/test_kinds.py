"""What each kind of attribute makes of an answer."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from equipoise.classifiers.remote.answers import Verdict, WrongShape
from tests.builders.services import description


def read(answer: Any, **attribute: Any) -> Verdict:
    made = description(attribute=[{"name": "g", "levels": ["a", "b", "c"]} | attribute])
    verdicts = made.answer.read(json.dumps(answer))
    assert verdicts is not None
    return verdicts[0]


def test_a_label_without_confidence_is_certain() -> None:
    assert read({"x": "b"}, label="x").probabilities == (0, 1, 0)


@pytest.mark.parametrize(("sure", "kept"), [(0.8, 0.8), (1, 1), (0.1, 1 / 3)])
def test_a_label_is_the_most_probable_level(sure: float, kept: float) -> None:
    verdict = read({"x": "b", "p": sure}, label="x", confidence="p")
    assert verdict.level == 1
    assert verdict.probabilities[1] == pytest.approx(kept)
    assert sum(verdict.probabilities) == pytest.approx(1)


def test_labels_may_be_truth_values_numbers_or_mapped() -> None:
    names = {"true": "a", "7": "b", "Other": "unknown"}
    assert read({"x": True}, label="x", map=names).level == 0
    assert read({"x": 7}, label="x", map=names).level == 1
    other = read({"x": "Other"}, label="x", map=names)
    assert other.level == -1
    assert math.isnan(other.score)


def test_percent_is_a_share() -> None:
    verdict = read({"x": "b", "p": 80}, label="x", confidence="p", percent=True)
    assert verdict.probabilities[1] == pytest.approx(0.8)


def test_a_table_is_divided_by_its_sum_and_labels_of_a_level_add_up() -> None:
    names = {"one": "a", "two": "a"}
    verdict = read({"x": {"one": 20, "two": 25, "b": 40, "c": 15}}, probabilities="x.*", map=names)
    assert verdict.level == 0
    assert verdict.probabilities == pytest.approx((0.45, 0.4, 0.15))


def test_a_table_may_be_a_list_of_objects() -> None:
    rows = [{"Type": "c", "P": 60}, {"Type": "b", "P": 30}]
    verdict = read({"x": rows}, probabilities="x.*", key="Type", value="P")
    assert verdict.probabilities == pytest.approx((0, 1 / 3, 2 / 3))


def test_a_table_that_is_mostly_unknown_abstains() -> None:
    table = {"x": {"none": 0.5, "a": 0.3, "b": 0.2}}
    assert read(table, probabilities="x.*", map={"none": "unknown"}).level == -1


def test_a_probability_wins_above_one_half() -> None:
    for share, level in [(0.5, 0), (0.51, 1)]:
        verdict = read({"x": share}, probability="x", levels=["no", "yes"])
        assert verdict.level == level
        assert verdict.score == share


def test_a_score_at_a_threshold_belongs_to_the_upper_level() -> None:
    for score, level in [(29.9, 0), (30, 1), (45, 2)]:
        verdict = read({"x": score}, score="x", thresholds=[30, 45])
        assert (verdict.level, verdict.score) == (level, score)


def test_a_score_is_taken_against_the_services_own_threshold() -> None:
    answer = {"smile": {"value": 40.0, "threshold": 50.0}}
    fields = {"score": "smile.value", "less": "smile.threshold", "thresholds": [0]}
    assert read(answer, levels=["no", "yes"], **fields).level == 0


@pytest.mark.parametrize(
    ("answer", "fields"),
    [
        ({}, {"label": "x"}),
        ({"x": None}, {"label": "x"}),
        ({"x": 1.5}, {"label": "x"}),
        ({"x": "a"}, {"label": "x", "confidence": "p"}),
        ({"x": "a", "p": "0.9"}, {"label": "x", "confidence": "p"}),
        ({"x": []}, {"probabilities": "x.*"}),
        ({"x": {}}, {"probabilities": "x.*"}),
        ({"x": {"a": 0}}, {"probabilities": "x.*"}),
        ({"x": {"a": 1, "d": 1}}, {"probabilities": "x.*"}),
        ({"x": {"a": -1, "b": 2}}, {"probabilities": "x.*"}),
        ({"x": ["a"]}, {"probabilities": "x.*", "key": "k", "value": "v"}),
        ({"x": True}, {"score": "x", "thresholds": [1, 2]}),
        ({"x": {"a": float("inf"), "b": 1}}, {"probabilities": "x.*"}),
        ({"x": 10**400}, {"score": "x", "thresholds": [1, 2]}),
        ({"x": 1.2}, {"probability": "x", "levels": ["a", "b"]}),
    ],
)
def test_an_answer_of_another_shape_is_refused(answer: Any, fields: dict[str, Any]) -> None:
    with pytest.raises(WrongShape):
        read(answer, **fields)
