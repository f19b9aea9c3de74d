"""Amazon Rekognition through botocore's Stubber, which checks requests against the service's model.

No network; what a real account answers has not been seen here.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from equipoise.classifiers.base import NO_FACE
from equipoise.classifiers.remote import RemoteClassifier, connect, open_remote
from equipoise.core.errors import InputError, RemoteError
from equipoise.runtimes.http.service import RateLimits
from tests.builders.services import images

boto3 = pytest.importorskip("boto3")

IMAGES = images(4)


def a_face(gender: str, smile: bool, age: int = 33) -> dict[str, Any]:
    return {
        "FaceDetails": [
            {
                "Gender": {"Value": gender, "Confidence": 95.0},
                "Smile": {"Value": smile, "Confidence": 80.0},
                "AgeRange": {"Low": age, "High": age + 8},
                "Emotions": [
                    {"Type": "HAPPY", "Confidence": 70.0},
                    {"Type": "CALM", "Confidence": 20.0},
                    {"Type": "CONFUSED", "Confidence": 10.0},
                ],
            }
        ]
    }


@pytest.fixture
def opened(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[tuple[RemoteClassifier, Any]]:
    from botocore.stub import Stubber

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a-key-id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-key")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    opened = open_remote("rekognition", folder=tmp_path).description
    # One request at a time, in the order of the stub's answers.
    limits = RateLimits(concurrency=1, back_off=0.01)
    classifier = connect(dataclasses.replace(opened, limits=limits), tmp_path)
    with Stubber(classifier._transport._client) as stub:  # type: ignore[attr-defined]
        yield classifier, stub


def test_answers_are_read(opened: tuple[RemoteClassifier, Any]) -> None:
    from botocore.stub import ANY

    classifier, stub = opened
    expected = {"Image": {"Bytes": ANY}, "Attributes": ["ALL"]}
    stub.add_response("detect_faces", a_face("Male", True), expected)
    stub.add_response("detect_faces", {"FaceDetails": []}, expected)
    stub.add_response("detect_faces", a_face("Female", False, 50), expected)
    gender, smiling, expression, age = classifier.predict(IMAGES[:3])
    assert gender.levels.tolist() == [1, NO_FACE, 0]
    assert gender.probabilities[0] == pytest.approx([0.05, 0.95])
    assert smiling.levels.tolist() == [1, NO_FACE, 0]
    assert smiling.probabilities[2] == pytest.approx([0.8, 0.2])
    assert expression.levels.tolist() == [3, NO_FACE, 3]
    assert expression.probabilities[0, 3] == pytest.approx(7 / 9)
    assert age.levels.tolist() == [1, NO_FACE, 2]
    assert classifier.tally.no_face == 1
    # All is kept: the stub has no further answer.
    assert np.array_equal(classifier.predict(IMAGES[:3])[0].levels, gender.levels)
    assert classifier.tally.cached == 3


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("ThrottlingException", 400, "rate_limit"),
        ("ProvisionedThroughputExceededException", 400, "rate_limit"),
        ("InternalServerError", 500, "server"),
    ],
)
def test_passing_faults_are_repeated(
    code: str, status: int, kind: str, opened: tuple[RemoteClassifier, Any]
) -> None:
    classifier, stub = opened
    stub.add_client_error("detect_faces", code, http_status_code=status)
    stub.add_response("detect_faces", a_face("Male", True))
    assert classifier.predict(IMAGES[:1])[0].levels.tolist() == [1]
    assert getattr(classifier.tally, kind) == 1


def test_a_refused_image_fails_alone(opened: tuple[RemoteClassifier, Any]) -> None:
    classifier, stub = opened
    stub.add_client_error("detect_faces", "InvalidImageFormatException", http_status_code=400)
    stub.add_response("detect_faces", a_face("Male", True))
    assert classifier.predict(IMAGES[:2])[0].levels.tolist() == [-2, 1]


@pytest.mark.parametrize("code", ["AccessDeniedException", "UnrecognizedClientException"])
def test_denied_access_ends_the_run(code: str, opened: tuple[RemoteClassifier, Any]) -> None:
    classifier, stub = opened
    stub.add_client_error("detect_faces", code, http_status_code=400)
    with pytest.raises(RemoteError, match="AWS_ACCESS_KEY_ID") as caught:
        classifier.predict(IMAGES)
    assert "a-secret-key" not in str(caught.value)


def test_a_missing_region_or_library_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(InputError, match="AWS_DEFAULT_REGION"):
        open_remote("rekognition", folder=tmp_path)
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(InputError, match=r"Run `pip install .*\[rekognition\]"):
        open_remote("rekognition", folder=tmp_path)
