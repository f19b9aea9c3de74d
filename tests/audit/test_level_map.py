import numpy as np
import pytest

from equipoise.audit.level_map import LevelMap, choose_attribute, translate
from equipoise.core.attributes import Attribute
from equipoise.core.errors import InputError

WORDS = Attribute("expression", ("happy", "sad", "neutral"))


def test_words_are_matched_by_name_whatever_their_order() -> None:
    numbers = LevelMap().numbers(Attribute("gender", ("male", "female")), ("female", "male"))
    assert numbers.tolist() == [1, 0]


def test_a_map_may_abstain_and_the_star_takes_the_rest() -> None:
    found = LevelMap.parse("happy=yes,neutral=unknown,*=no")
    assert found.numbers(WORDS, ("no", "yes")).tolist() == [1, 0, -1]
    assert found.meant(WORDS) == ("yes", "no")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("happy", "must be pairs .* got happy"),
        ("happy=yes,happy=no", "each level once"),
        ("glad=yes,*=no", "must be one of happy, sad, neutral, or .* got glad"),
        ("happy=yes", "must be mapped to one of no, yes, or unknown, got sad"),
        ("happy=perhaps,*=no", "got perhaps"),
    ],
)
def test_bad_maps_are_named(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        LevelMap.parse(text).numbers(WORDS, ("no", "yes"))


def test_failures_and_abstentions_stay() -> None:
    levels = np.array([1, -2, -1, 0], np.int8)
    assert translate(levels, np.array([1, -1], np.int8)).tolist() == [-1, -2, -1, 1]


def test_the_only_attribute_is_the_audited_one() -> None:
    assert choose_attribute((WORDS,), "smiling", "m") == 0
    with pytest.raises(InputError, match="must be one of expression, age, got smiling"):
        choose_attribute((WORDS, Attribute("age", ("a", "b"))), "smiling", "m")
