"""Each bad field of a description is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from equipoise.classifiers.remote import make_description, open_remote, read_description
from equipoise.core.errors import InputError
from equipoise.runtimes.http.transport import check_url
from tests.builders.services import description, values

LABEL = {"name": "g", "levels": ["a", "b"], "label": "x"}


def attribute(**changes: Any) -> dict[str, Any]:
    return {"attribute": [LABEL | changes]}


def kind(**fields: Any) -> dict[str, Any]:
    return {"attribute": [{"name": "g", "levels": ["a", "b"]} | fields]}


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no name": ({"name": ""}, "field name"),
    "name": ({"name": 3}, "field name"),
    "stranger": ({"colour": "red"}, "field colour"),
    "caveats": ({"caveats": ["no full stop"]}, "field caveats"),
    "stranger in a table": ({"limits": {"speed": 3}}, "field limits.speed"),
    "scheme": ({"request": {"url": "ftp://host/"}}, "field request.url"),
    "file": ({"request": {"url": "file:///etc/passwd"}}, "field request.url"),
    "http afar": ({"request": {"url": "http://example.org/"}}, "field request.url"),
    "http near by name": ({"request": {"url": "http://127.0.0.1.example.org"}}, "request.url"),
    "password": ({"request": {"url": "https://u:hidden@example.org/"}}, "field request.url"),
    "port": ({"request": {"url": "https://example.org:port/"}}, "field request.url"),
    "method": ({"request": {"method": "DELETE"}}, "field request.method"),
    "upload": ({"request": {"upload": "ftp"}}, "field request.upload"),
    "fields of raw": ({"request": {"fields": {"a": "b"}}}, "field request.fields"),
    "header": ({"request": {"headers": {"A B": "c"}}}, "field request.headers.A B"),
    "header's value": ({"request": {"headers": {"A": "b\r\nC: d"}}}, "field request.headers.A"),
    "fixed header": ({"request": {"headers": {"Host": "c"}}}, "field request.headers.Host"),
    "variable": ({"request": {"headers": {"A": {"env": "A-B"}}}}, "request.headers.A.env"),
    "key in the file": ({"request": {"headers": {"A": {"value": "k"}}}}, "request.headers.A.env"),
    "insecure": ({"request": {"insecure": "yes"}}, "field request.insecure"),
    "statuses": ({"request": {"answers": ["404"]}}, "field request.answers"),
    "rate": ({"limits": {"rate": -1}}, "field limits.rate"),
    "infinite": ({"limits": {"rate": float("inf")}}, "field limits.rate"),
    "concurrency": ({"limits": {"concurrency": 0}}, "field limits.concurrency"),
    "retries": ({"limits": {"retries": 2.5}}, "field limits.retries"),
    "truth as a number": ({"limits": {"retries": True}}, "field limits.retries"),
    "side": ({"picture": {"side": 10**6}}, "field picture.side"),
    "filter": ({"picture": {"filter": "sharp"}}, "field picture.filter"),
    "no face": ({"no_face": {"is": "gone"}}, "field no_face.is"),
    "no face's value": ({"no_face": {"is": "equal"}}, "field no_face.value"),
    "no attribute": ({"attribute": []}, "field attribute"),
    "attributes": ({"attribute": {"name": "g"}}, "field attribute"),
    "twice": ({"attribute": [LABEL, LABEL]}, "field attribute"),
    "no kind": (kind(), "field attribute[0].label"),
    "two kinds": (attribute(score="x"), "field attribute[0].label"),
    "levels": (attribute(levels=["a"]), "field attribute[0].levels"),
    "level's name": (attribute(levels=["a", "b=c"]), "field attribute[0].levels"),
    "path": (attribute(label="x..y"), "field attribute[0].label"),
    "open path": (attribute(label="x[0"), "field attribute[0].label"),
    "star": (attribute(label="x.*"), "field attribute[0].label"),
    "map": (attribute(map={"c": "d"}), "field attribute[0].map.c"),
    "no star": (kind(probabilities="x"), "field attribute[0].probabilities"),
    "key without value": (kind(probabilities="x.*", key="k"), "field attribute[0].value"),
    "probability": (kind(probability="x", levels=["a", "b", "c"]), "field attribute[0].levels"),
    "thresholds": (kind(score="x", thresholds=[1, 2]), "field attribute[0].thresholds"),
    "falling": (
        kind(score="x", thresholds=[2, 1], levels=["a", "b", "c"]),
        "field attribute[0].thresholds",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_field_is_named(case: str) -> None:
    changes, field = BAD[case]
    with pytest.raises(InputError) as caught:
        make_description(values(**changes))
    assert field in str(caught.value)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://example.org/a?b=c", "http://localhost:1/", "http://[::1]"]
)
def test_addresses_that_may_be_used(url: str) -> None:
    assert check_url(url, "url") == url
    assert check_url("http://example.org", "url", insecure=True)


@pytest.mark.parametrize("content", [b"name = ", b"\xff\xfe", b"a = " + b"[" * 5000, b"#" * 2**17])
def test_a_file_that_is_no_description_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"bad\.toml"):
        read_description(path)


def test_a_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        open_remote(tmp_path / "none.toml")
    with pytest.raises(InputError, match="facepp, rekognition"):
        open_remote("somebody")


def test_another_origin_keeps_path_and_query() -> None:
    made = description(request={"url": "https://example.org/ask?detect=none", "service": "s 1"})
    moved = made.at("http://127.0.0.1:4711")
    assert moved.request.url == "http://127.0.0.1:4711/ask?detect=none"  # type: ignore[union-attr]
    assert moved.request_digest == made.request_digest
    for bad in ("http://127.0.0.1:1/path", "http://example.org", "127.0.0.1:80"):
        with pytest.raises(InputError, match="origin"):
            made.at(bad)


def test_the_request_digest_is_of_what_decides_answers() -> None:
    digest = description().request_digest
    same: list[dict[str, Any]] = [
        {"limits": {"rate": 3}},
        {"name": "other"},
        attribute(),
        {"request": {"headers": {"X-Key": {"env": "OTHER"}}}},
    ]
    different: list[dict[str, Any]] = [
        {"picture": {"side": 128}},
        {"request": {"url": "https://example.org/ask"}},
        {"request": {"url": "http://127.0.0.1:9/ask?detect=none"}},
        {"request": {"headers": {"X-Mode": "fast"}}},
        {"request": {"upload": "base64"}},
    ]
    assert all(description(**changes).request_digest == digest for changes in same)
    others = {description(**changes).request_digest for changes in different}
    assert len(others | {digest}) == len(different) + 1
