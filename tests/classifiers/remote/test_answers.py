import pytest

from equipoise.classifiers.remote.answers import MISSING, parse_path

DOCUMENT = {"faces": [{"a-b": {"c": [1, [2, 3]]}, "null": None}], "0": "key"}


def test_paths_find_what_plain_indexing_finds() -> None:
    assert parse_path("faces[0].a-b.c[1][0]").find(DOCUMENT) == 2
    assert parse_path("0").find(DOCUMENT) == "key"
    assert parse_path("[1]").find([5, 6]) == 6


@pytest.mark.parametrize("text", ["faces[1]", "faces.a", "faces[0].null", "faces[0].a-b.c[1][7]"])
def test_missing_places_and_null_are_missing(text: str) -> None:
    assert parse_path(text).find(DOCUMENT) is MISSING


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a..b", "a[", "a[-1]", "a[b]", "a b", "*"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="faces"):
        parse_path(text)
