"""The descriptions that ship. Answers are made after each service's reference, not seen from it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from equipoise.classifiers.remote import SERVICES, open_remote
from equipoise.core.errors import InputError
from tests.builders.services import Reply, images, serving

IMAGES = images(2)
FACE = {
    "faces": [
        {
            "attributes": {
                "gender": {"value": "Male"},
                "age": {"value": 23},
                "smile": {"value": 72.1, "threshold": 50.0},
                "emotion": {
                    "anger": 0.1,
                    "disgust": 0.2,
                    "fear": 0.1,
                    "happiness": 90.0,
                    "neutral": 9.0,
                    "sadness": 0.3,
                    "surprise": 0.3,
                },
            }
        }
    ]
}


def test_facepp_is_asked_and_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FACEPP_API_KEY", "a-key")
    monkeypatch.setenv("FACEPP_API_SECRET", "a-secret")
    busy = Reply(403, {"error_message": "CONCURRENCY_LIMIT_EXCEEDED"})
    with serving(lambda times, body: Reply(body=FACE)) as service:
        service.reply = lambda times, body: busy if len(service.asked) == 1 else Reply(body=FACE)
        origin = f"http://127.0.0.1:{service.port}"
        classifier = open_remote("facepp", folder=tmp_path, origin=origin)
        readings = classifier.predict(IMAGES[:1])
    assert [a.name for a in classifier.attributes] == ["gender", "smiling", "expression", "age"]
    assert [int(reading.levels[0]) for reading in readings] == [1, 1, 3, 0]
    assert readings[1].scores[0] == pytest.approx(22.1, abs=1e-4)
    assert classifier.tally.rate_limit == 1
    body = service.asked[0].body
    assert service.asked[0].path == "/facepp/v3/detect"
    for name, value in [("api_key", "a-key"), ("return_attributes", "gender,age,smiling,emotion")]:
        assert f'name="{name}"\r\n\r\n{value}\r\n'.encode() in body
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert json.dumps(FACE).encode() in kept
    assert b"a-secret" not in kept


def test_facepp_without_its_keys_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FACEPP_API_KEY", raising=False)
    with pytest.raises(InputError, match="FACEPP_API_KEY"):
        open_remote("facepp")


def test_services_are_named() -> None:
    assert SERVICES == ("facepp", "rekognition")
