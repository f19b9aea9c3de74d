"""Edits of prompts are made of templates and words of levels."""

from pathlib import Path

import pytest

from equipoise.core.errors import EquipoiseError
from equipoise.generators.edit_words import EditWords, read_edit_words
from equipoise.generators.prompts import read_prompts

WORDS = """
[gender]
female = ["female", "woman"]
male = ["male"]

[age]
young = ["young"]
old = ["old", "elderly"]
"""


def write(
    folder: Path, words: str = WORDS, text: str = "a photo of a {age} {gender} nurse"
) -> None:
    (folder / "words.toml").write_text(words)
    rows = f"n,{text}\ne,an old photo of an {{age}} {{gender}} engineer\n"
    (folder / "jobs.csv").write_text(f"id,text\n{rows}")


def test_every_cell_has_an_edit_and_wordings_take_turns(tmp_path: Path) -> None:
    write(tmp_path)
    found = read_prompts(tmp_path / "jobs.csv", read_edit_words(tmp_path / "words.toml"))
    assert found.contexts == ("n", "e")
    assert found.edits == (
        "gender=female, age=young",
        "gender=female, age=old",
        "gender=male, age=young",
        "gender=male, age=old",
    )
    assert found.texts[0] == (
        "a photo of a nurse",
        "a photo of a young female nurse",
        "a photo of an elderly female nurse",
        "a photo of a young male nurse",
        "a photo of an elderly male nurse",
    )
    assert found.texts[1][:3] == (
        "an old photo of an engineer",
        "an old photo of a young woman engineer",
        "an old photo of an old woman engineer",
    )
    assert found.only("e").texts == (found.texts[1],)


@pytest.mark.parametrize(
    ("words", "text", "said"),
    [
        (
            WORDS,
            "a photo of a {gender} nurse",
            r"must have the slots \{gender\}, \{age\} once each",
        ),
        (WORDS, "a {hair} {age} {gender}", "must have the slots"),
        ("[gender]\nfemale = ['woman']", "a {gender}", "must have two levels or more"),
        ("[gender]\nfemale = []\nmale = ['man']", "a {gender}", "field gender"),
        ("gender = 3", "a {gender}", "field gender"),
        ("", "a", "must have a table for each attribute"),
        ("[", "a", "words.toml"),
        ("[g]\na = ['x']\nb = ['y']", "{g}", r"text in row 2 .* must have 1 to 2000 characters"),
        ("[g]\na = ['x']\nb = ['" + "y" * 2001 + "']", "a {g}", "must have 1 to 2000"),
        ("".join(f"[a{k}]\n0=['x']\n1=['y']\n" for k in range(10)), "a", "at most 1,000 comb"),
    ],
)
def test_wrong_words_are_named(words: str, text: str, said: str, tmp_path: Path) -> None:
    write(tmp_path, words, text)
    with pytest.raises(EquipoiseError, match=said):
        read_prompts(tmp_path / "jobs.csv", read_edit_words(tmp_path / "words.toml"))


@pytest.mark.parametrize(
    ("template", "texts"),
    [
        (
            "an MRI of a {g} leg",
            ("an MRI of a leg", "an MRI of a male leg", "an MRI of an old leg"),
        ),
        (
            "a {g} man, an 18-year-old",
            ("a man, an 18-year-old", "a male man, an 18-year-old", "an old man, an 18-year-old"),
        ),
        ("vitamin A and {g}", ("vitamin A and", "vitamin A and male", "vitamin A and old")),
        ("a man, {g}, studio", ("a man, studio", "a man, male, studio", "a man, old, studio")),
    ],
)
def test_articles_before_slots_alone_follow_the_next_word(
    template: str, texts: tuple[str, ...]
) -> None:
    words = EditWords({"g": {"m": ("male",), "o": ("old",)}})
    assert words.texts(template, 0) == texts


def test_rows_of_edits_do_not_go_with_words(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "jobs.csv").write_text("id,text,cell\nn,a {gender} {age} n,\nn,a,gender=male\n")
    with pytest.raises(EquipoiseError, match="must be empty where edits are made of words"):
        read_prompts(tmp_path / "jobs.csv", read_edit_words(tmp_path / "words.toml"))
