"""The descriptions under examples/services, on stand-ins that answer as each reference says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from equipoise.classifiers.base import NO_FACE
from equipoise.classifiers.remote import open_remote, open_remote_describer
from equipoise.core.errors import RemoteError
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


def test_deepface_represents_faces_and_answers_are_kept(tmp_path: Path) -> None:
    """A stand-in whose first picture has a face, whose second has none, and whose third fails."""
    face = {"results": [{"embedding": [1, -2.5] + [0] * 510, "face_confidence": 0}]}
    replies = [Reply(body=face), Reply(body={"results": []}), Reply(400, {"error": "no"})]
    asked: list[bytes] = []

    def answer(times: int, body: bytes) -> Reply:
        asked.append(body)
        return replies[len(asked) - 1]

    with serving(answer) as service:
        file = tmp_path / "represent.toml"
        text = (SERVICES / "deepface-represent.toml").read_text()
        file.write_text(text.replace("5005", str(service.port)).replace("concurrency = 2", ""))
        model = open_remote_describer(file, folder=tmp_path / "kept")
        vectors = np.concatenate([model(images(3)[i : i + 1]) for i in range(3)])
        again = model(images(3)[:2])
    assert b"ArcFace" in asked[0]
    assert vectors.shape == (3, 512)
    assert vectors[0, :3].tolist() == [1, -2.5, 0]
    assert np.isnan(vectors[1:]).all()
    assert np.array_equal(again, vectors[:2], equal_nan=True)
    assert (model.tally.requests, model.tally.no_face, model.tally.failed) == (3, 2, 1)


@pytest.mark.parametrize(
    ("numbers", "fault"),
    [
        ("[1, 2]", r"must hold 512 numbers.*results\[0\]\.embedding"),
        (f"[{10**400}{', 0' * 511}]", "too large a number"),
        (f"[1e999{', 0' * 511}]", "not JSON|too large a number"),
        (f"[true{', 0' * 511}]", "missing or not a number"),
    ],
    ids=["length", "digits", "infinity", "truth"],
)
def test_a_descriptor_that_is_none_is_named(numbers: str, fault: str, tmp_path: Path) -> None:
    body = f'{{"results": [{{"embedding": {numbers}}}]}}'
    with serving(lambda times, sent: Reply(body=body.encode())) as service:
        file = tmp_path / "represent.toml"
        text = (SERVICES / "deepface-represent.toml").read_text()
        file.write_text(text.replace("5005", str(service.port)))
        model = open_remote_describer(file, folder=tmp_path / "kept")
        with pytest.raises(RemoteError, match=fault):
            model(images(3))
