"""The descriptions under examples/services, on stand-ins that answer as each reference says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from equipoise.classifiers.base import NO_FACE
from equipoise.classifiers.remote import open_remote
from tests.builders.services import Reply, images, serving

SERVICES = Path(__file__).parents[3] / "examples" / "services"
EMOTION = {
    "angry": 1.0,
    "disgust": 0.0,
    "fear": 0.5,
    "happy": 90.5,
    "sad": 3.0,
    "surprise": 1.0,
    "neutral": 4.0,
}
DEEPFACE = {
    "results": [
        {
            "age": 31,
            "gender": {"Woman": 2.5, "Man": 97.5},
            "dominant_gender": "Man",
            "emotion": EMOTION,
        }
    ]
}
AZURE = [{"faceRectangle": {"top": 1}, "faceAttributes": {"glasses": "readingGlasses"}}]
CLARIFAI = {
    "outputs": [
        {
            "data": {
                "concepts": [
                    {"id": "a", "name": "Feminine", "value": 0.8},
                    {"id": "b", "name": "Masculine", "value": 0.2},
                ]
            }
        }
    ]
}


@pytest.mark.parametrize(
    ("name", "answer", "levels", "sent"),
    [
        ("deepface", DEEPFACE, [1, 1, 3, 1], b'name="enforce_detection"\r\n\r\nfalse'),
        ("azure-face", AZURE, [1], b"\x89PNG"),
        ("clarifai", CLARIFAI, [0], b'{"inputs":[{"data":{"image":{"base64":"/9j/'),
    ],
)
def test_a_stand_in_is_asked_and_read(
    name: str,
    answer: Any,
    levels: list[int],
    sent: bytes,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("AZURE_FACE_KEY", "a-key")
    monkeypatch.setenv("CLARIFAI_PAT", "a-key")
    with serving(lambda times, body: Reply(body=answer)) as service:
        origin = f"http://127.0.0.1:{service.port}"
        found = open_remote(SERVICES / f"{name}.toml", folder=tmp_path, origin=origin)
        readings = found.predict(images(1))
    assert [int(reading.levels[0]) for reading in readings] == levels
    assert sent in service.asked[0].body.replace(b": ", b":").replace(b", ", b",")


@pytest.mark.parametrize(
    ("name", "answer"),
    [("deepface", {"results": []}), ("azure-face", []), ("clarifai", {"outputs": [{"data": {}}]})],
)
def test_no_face_is_no_answer(
    name: str, answer: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AZURE_FACE_KEY", "a-key")
    monkeypatch.setenv("CLARIFAI_PAT", "a-key")
    with serving(lambda times, body: Reply(body=answer)) as service:
        origin = f"http://127.0.0.1:{service.port}"
        found = open_remote(SERVICES / f"{name}.toml", folder=tmp_path, origin=origin)
        readings = found.predict(images(1))
    assert [int(reading.levels[0]) for reading in readings] == [NO_FACE] * len(readings)
    assert found.tally.no_face == 1
