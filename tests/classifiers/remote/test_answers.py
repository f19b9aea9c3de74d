import pytest

from equipoise.classifiers.remote.answers import (
    MISSING,
    NotWhole,
    WrongShape,
    parse_json,
    parse_path,
    places,
)

DOCUMENT = {"faces": [{"a-b": {"c": [1, [2, 3]]}, "null": None}], "0": "key"}


def test_paths_find_what_plain_indexing_finds() -> None:
    assert parse_path("faces[0].a-b.c[1][0]").find(DOCUMENT) == 2
    assert parse_path("0").find(DOCUMENT) == "key"
    assert parse_path("[1]").find([5, 6]) == 6
    assert parse_path(".").find([5, 6]) == [5, 6]
    assert parse_path('a["skin tone"][0]["x.y"]').find({"a": {"skin tone": [{"x.y": 3}]}}) == 3


@pytest.mark.parametrize("text", ["faces[1]", "faces.a", "faces[0].null", "faces[0].a-b.c[1][7]"])
def test_missing_places_and_null_are_missing(text: str) -> None:
    assert parse_path(text).find(DOCUMENT) is MISSING


@pytest.mark.parametrize(
    "text",
    ["", "..", "a.", '["a"', '["a"]b', '[""]', ".a", "a..b", "a[", "a[-1]", "a[b]", "a b", "*"],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="faces"):
        parse_path(text)


def test_what_is_whole_is_told_from_what_is_not() -> None:
    assert parse_json("[1]") == [1]
    assert parse_json('"busy"') == "busy"
    for text in ('{"a": NaN}', '{"a": 1, "a": 2}'):
        with pytest.raises(WrongShape) as caught:
            parse_json(text)
        assert not isinstance(caught.value, NotWhole)
    for text in ("", '{"a": ', "<html>", "[" * 100_000):
        with pytest.raises(NotWhole):
            parse_json(text)


def test_places_are_written_as_paths_and_bounded() -> None:
    assert places({"a b": [{"c": 1}], "d": {}}) == '["a b"][0].c, d'
    assert places([]) == "."
    assert len(places({f"key{i}": i for i in range(10_000)})) < 260
    deep: object = 1
    for _ in range(500):
        deep = [deep]
    assert len(places(deep)) < 260
