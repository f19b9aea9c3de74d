"""Lists of prompts: what is read, and what is refused."""

from pathlib import Path

import pytest

from equipoise.classifiers.age_gender import GENDER
from equipoise.core.errors import FileFormatError, InputError
from equipoise.generators.prompts import read_prompts


def written(folder: Path, text: str) -> Path:
    path = folder / "prompts.csv"
    path.write_text(text)
    return path


def test_contexts_edits_shares_and_negatives_are_read(tmp_path: Path) -> None:
    found = read_prompts(
        written(
            tmp_path,
            "id,text,share,negative,cell\n"
            "nurse,a nurse,3,blurry,\n"
            "nurse,a female nurse,,,gender=female\n"
            "doctor,a female doctor,,,gender=female\n"
            "doctor,a doctor,1,,\n",
        )
    )
    assert found.contexts == ("nurse", "doctor")
    assert found.texts == (("a nurse", "a female nurse"), ("a doctor", "a female doctor"))
    assert found.shares == (0.75, 0.25)
    assert found.negatives == ("blurry", "")
    assert found.edits == ("gender=female",)
    one = found.only("doctor")
    assert (one.contexts, one.shares, one.texts) == (("doctor",), (1.0,), found.texts[1:])


def test_the_occupations_that_are_shipped_are_a_list() -> None:
    found = read_prompts(Path(__file__).parents[2] / "examples" / "occupations.csv")
    assert len(found.contexts) == 40
    assert found.edits == tuple(f"gender={level}" for level in GENDER.levels)
    assert all(len(set(texts)) == 3 for texts in found.texts)


def test_five_thousand_contexts_are_read(tmp_path: Path) -> None:
    rows = "".join(f"{i},person {i}\n" for i in range(5000))
    found = read_prompts(written(tmp_path, "id,text\n" + rows))
    assert len(found.contexts) == 5000
    assert found.texts[4999] == ("person 4999",)
    with pytest.raises(
        InputError, match=r"must be an id .* got 5000\. Pass one of 0, .* 4,995 more"
    ):
        found.only("5000")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("nurse, \n", r"text in row 2 of .* must be a text of 1 to 2000 characters, got"),
        (" ,a nurse\n", "id in row 2"),
        ('"a\nb",a nurse\n', r"id in row \d of .* must be on one line, got"),
        (f"a,{'long' * 600}\n", "text in row 2"),
        ("a,x\na,y\n", "row 3 of .* must be the only one of its id and cell, got a"),
        ("", "must have a prompt, got none"),
    ],
)
def test_wrong_rows_are_named(tmp_path: Path, rows: str, message: str) -> None:
    with pytest.raises(FileFormatError, match=message):
        read_prompts(written(tmp_path, "id,text\n" + rows))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a,x,-1,\n", "share in row 2 of .* must be a number from 0, or empty, got -1"),
        ("a,x,nan,\n", "share in row 2 .* got nan"),
        ("a,x,0,\nb,y,0,\n", "shares in .* must not all be 0"),
        ("a,x,,\na,z,2,g=f\n", "share in row 3 .* must be empty in a row with a cell.* got 2"),
        ("a,x,,\na,z,,g=f\nb,y,,\n", "id b in .* must have a row .*none for the cell 'g=f'"),
        ("a,x,,\nb,z,,g=f\n", "must have a row without cell"),
    ],
)
def test_wrong_shares_and_edits_are_named(tmp_path: Path, rows: str, message: str) -> None:
    with pytest.raises(FileFormatError, match=message):
        read_prompts(written(tmp_path, "id,text,share,cell\n" + rows))
