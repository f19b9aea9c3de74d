"""The signs of released distances: those of the paper's notebook, or those that are given."""

import pytest

from equipoise.core.attributes import Attribute, AttributeGrid
from equipoise.core.errors import InputError
from equipoise.samplers.signs import cell_of_key, parse_sign, signs_of, with_plain

GENDER = Attribute("gender", ("female", "male"))
SMILING = Attribute("smiling", ("no", "yes"))
GRID = AttributeGrid((GENDER, SMILING))


@pytest.mark.parametrize(
    ("key", "cell"),
    [
        ("-3.0_-3.0", "gender=male, smiling=yes"),
        ("3.0_-3.0", "gender=female, smiling=yes"),
        ("-2_3", "gender=male, smiling=no"),
        ("2_3", "gender=female, smiling=no"),
    ],
)
def test_signs_are_those_of_the_papers_notebook(key: str, cell: str) -> None:
    assert GRID.cells[cell_of_key(key, GRID, signs_of(GRID), "file")] == cell


def test_a_given_sign_takes_precedence() -> None:
    signs = signs_of(GRID, [parse_sign("smiling = no | yes")])
    assert GRID.cells[cell_of_key("1_1", GRID, signs, "file")] == "gender=female, smiling=yes"


@pytest.mark.parametrize("text", ["", "smiling", "smiling=yes", "=a|b", "a=b|", "a=b|c|d"])
def test_a_sign_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"sign must be an attribute, .*--sign"):
        parse_sign(text)


def test_names_of_celeba_are_the_same_attributes() -> None:
    names = ("Male", "Young", "Black_Hair", "Eyeglasses", "Smiling")
    grid = AttributeGrid(tuple(Attribute(name, ("no", "yes")) for name in names))
    assert {(sign.negative, sign.positive) for sign in signs_of(grid)} == {("yes", "no")}


def test_levels_that_do_not_fit_are_never_guessed() -> None:
    theirs = AttributeGrid((Attribute("gender", ("man", "woman")),))
    with pytest.raises(InputError, match=r"two of the levels man, woman, got male\|female"):
        signs_of(theirs)
    with pytest.raises(InputError, match="attribute must be one of gender, smiling, got hat"):
        signs_of(GRID, [parse_sign("hat=no|yes")])
    with pytest.raises(InputError, match=r"got yes\|yes"):
        signs_of(GRID, [parse_sign("smiling=yes|yes")])


def test_attributes_without_a_classifier_have_the_levels_of_their_sign() -> None:
    known = {"smiling": SMILING}
    grid = with_plain(("smiling", "eyeglasses", "hat"), known, [parse_sign("hat=with|bare")])
    assert [attribute.levels for attribute in grid.attributes] == [
        ("no", "yes"),
        ("no", "yes"),
        ("bare", "with"),
    ]
    with pytest.raises(InputError, match="attribute must have a classifier, or a sign"):
        with_plain(("hat",), {}, ())
