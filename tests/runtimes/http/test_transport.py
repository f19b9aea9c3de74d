"""What goes over the wire, and that keys go nowhere else."""

from __future__ import annotations

import base64
import json
import logging
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest

from equipoise.classifiers.remote import connect
from equipoise.core.errors import EquipoiseError, InputError
from equipoise.runtimes.http.transport import retry_after
from tests.builders.services import SECRET, Reply, description, face, images, serving

IMAGES = images(4)


def test_raw_sends_the_file_as_the_body(tmp_path: Path) -> None:
    with serving(lambda times, body: face(0)) as service:
        connect(description(service.port), tmp_path).predict(IMAGES[:1])
    (asked,) = service.asked
    assert asked.body.startswith(b"\x89PNG")
    assert asked.headers["Content-Type"] == "image/png"
    assert asked.headers["X-Key"] == f"Bearer {SECRET}"
    assert asked.path == "/ask"


FIELDS = {"key": {"env": "TEST_KEY"}, "return": "gender"}


def test_multipart_sends_file_and_fields(tmp_path: Path) -> None:
    request = {"upload": "multipart", "field": "image_file", "fields": FIELDS}
    with serving(lambda times, body: face(0)) as service:
        made = description(service.port, request=request, picture={"format": "jpeg"})
        connect(made, tmp_path).predict(IMAGES[:1])
    (asked,) = service.asked
    assert b'name="image_file"; filename="image.jpeg"\r\nContent-Type: image/jpeg' in asked.body
    assert f'name="key"\r\n\r\n{SECRET}\r\n'.encode() in asked.body
    assert b'name="return"\r\n\r\ngender\r\n' in asked.body
    assert b"\xff\xd8\xff" in asked.body


def test_base64_sends_json(tmp_path: Path) -> None:
    request = {"upload": "base64", "field": "data", "fields": FIELDS}
    with serving(lambda times, body: face(0)) as service:
        connect(description(service.port, request=request), tmp_path).predict(IMAGES[:1])
    sent = json.loads(service.asked[0].body)
    assert base64.b64decode(sent.pop("data")).startswith(b"\x89PNG")
    assert sent == {"key": SECRET, "return": "gender"}


def test_an_image_may_lie_deep_in_json_and_behind_its_media_type(tmp_path: Path) -> None:
    fields = {
        "requests[0].features[0].type": "FACE",
        "requests[0].features[0].most": 1,
        'requests[0]["with pose"]': True,
        "key": {"env": "TEST_KEY"},
    }
    request = {"upload": "data_uri", "field": "requests[0].image.content", "fields": fields}
    with serving(lambda times, body: face(0)) as service:
        made = description(service.port, request=request, picture={"format": "jpeg"})
        connect(made, tmp_path).predict(IMAGES[:1])
    sent = json.loads(service.asked[0].body)
    head, _, encoded = sent["requests"][0].pop("image")["content"].partition(",")
    assert head == "data:image/jpeg;base64"
    assert base64.b64decode(encoded).startswith(b"\xff\xd8\xff")
    features = [{"type": "FACE", "most": 1}]
    assert sent == {"requests": [{"features": features, "with pose": True}], "key": SECRET}


@pytest.mark.parametrize(
    ("field", "fields"),
    [("a[", {}), ("a", {"a": "x"}), ("a", {"a.b": "x"}), ("a[1]", {}), ("a", {"b": float("nan")}),
     ("a[0]", {"a.b": "x"})],
)  # fmt: skip
def test_places_that_make_no_body_are_refused(field: str, fields: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"field request\.field"):
        description(request={"upload": "base64", "field": field, "fields": fields})


def test_redirects_are_not_followed(tmp_path: Path) -> None:
    with serving(lambda times, body: face(0)) as other:
        away = {"Location": f"http://127.0.0.1:{other.port}/steal"}
        with serving(lambda times, body: Reply(307, {}, away)) as service:
            classifier = connect(description(service.port), tmp_path)
            (reading,) = classifier.predict(IMAGES)
    assert (reading.levels == -2).all()
    assert not other.asked


ECHO = json.dumps({"faces": [], "you_sent": f"Bearer {SECRET}"}).encode()


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, ECHO),
        Reply(401, ECHO),
        Reply(500, SECRET.encode()),
        Reply(400, ECHO),
        Reply(200, b"[" + SECRET.encode()),
        Reply(200, b"", {"Location": SECRET, "Content-Encoding": "br"}),
        Reply(429, ECHO, {"Retry-After": "9999"}),
        Reply(200, {}, delay=0.5),
    ],
)
def test_keys_are_in_no_file_log_error_or_text(
    reply: Reply, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    fields = {"again": {"env": "TEST_KEY"}}
    told: list[str] = []
    with serving(lambda times, body: reply) as service:
        made = description(
            service.port,
            request={"upload": "multipart", "fields": fields},
            limits={"retries": 1, "stop_after": 2, "time_out": 0.2},
        )
        classifier = connect(made, tmp_path)
        try:
            classifier.predict(IMAGES)
        except EquipoiseError as error:
            told += [str(error), repr(error), "".join(traceback.format_exception(error))]
            told += [repr(error.__cause__), repr(error.__context__)]
        assert SECRET in service.asked[0].headers["X-Key"]
    told += [repr(classifier), repr(classifier.tally), repr(made), str(vars(classifier))]
    told += [made.digest, *classifier.caveats, caplog.text]
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for form in (SECRET, json.dumps(SECRET)[1:-1], repr(SECRET)):
        assert form not in "\n".join(told)
        assert form.encode() not in kept


@pytest.mark.parametrize("value", [None, "", " padded", "two\nlines", "clé"])
def test_a_key_that_is_not_set_or_cannot_be_sent_is_named(
    value: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if value is None:
        monkeypatch.delenv("TEST_KEY")
    else:
        monkeypatch.setenv("TEST_KEY", value)
    with pytest.raises(InputError, match="environment variable TEST_KEY") as caught:
        connect(description(), tmp_path)
    assert not value or value not in str(caught.value)


def test_a_missing_library_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "httpx2", None)
    with pytest.raises(InputError, match=r"Run `pip install .*\[remote\]"):
        connect(description(), tmp_path)


def test_an_unreachable_service_fails_its_images(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"limits": {"retries": 1}}
    classifier = connect(description(9, **changes), tmp_path)
    (reading,) = classifier.predict(IMAGES)
    assert (reading.levels == -2).all()
    assert classifier.tally.connection == 4
    assert classifier.tally.failed == 4


def test_retry_after_is_seconds_or_a_date() -> None:
    assert retry_after("7") == 7
    assert retry_after(None) is None
    assert retry_after("nan") is None
    assert retry_after("-3") == 0
    assert (retry_after("Fri, 01 Jan 2100 00:00:00 GMT") or 0) > 1e8
