"""A real third party: face-api behind its own server, on this machine."""

from __future__ import annotations

import json
import shutil
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from node_server import node_server

from equipoise.audit.superres.models import open_super_resolution_model
from equipoise.classifiers.expression import Expression
from equipoise.classifiers.remote import open_remote
from equipoise.core.errors import MissingProgramError
from equipoise.generators import Generator

ESRGAN = Path(__file__).parents[2] / "examples" / "esrgan"
FACE_API = Path(__file__).parents[2] / "examples" / "face-api"


@pytest.mark.real
@pytest.mark.skipif(not shutil.which("npm"), reason="needs Node 18+ and npm")
def test_face_api_is_asked_and_sees_what_another_sees(real: Generator, tmp_path: Path) -> None:
    images = real.images(real.prior.codes(0, 0, 48))
    with node_server(FACE_API) as origin:
        classifier = open_remote(FACE_API / "face-api.toml", folder=tmp_path, origin=origin)
        gender, smiling, expression, age = classifier.predict(images)
        for name in ("gear", "faceres"):
            other = open_remote(FACE_API / f"{name}.toml", folder=tmp_path, origin=origin)
            genders, ages = other.predict(images[:4])
            assert set(genders.levels.tolist()) <= {0, 1}
            assert ((ages.scores > 0) & (ages.scores < 100)).all()
        (face,) = other.kept_answer(images[0])["faces"]
        assert len(face["descriptor"]) == 1024
        picture = urllib.request.Request(
            f"{origin}/descriptor", classifier.description.picture.encode(images[0])
        )
        with urllib.request.urlopen(picture) as answer:
            assert len(json.load(answer)["faces"][0]["descriptor"]) == 128
    for reading in (gender, smiling, expression, age):
        assert (reading.levels >= 0).all()
        assert np.allclose(reading.probabilities.sum(axis=1), 1, atol=1e-5)
    assert (age.scores > 0).all()
    assert (age.scores < 100).all()
    (fer,) = Expression(["smiling"]).predict(images)
    assert (smiling.levels == fer.levels).mean() > 0.75
    assert classifier.tally.requests == 48
    assert classifier.tally.failed == 0
    # The server is gone, and its answers are here.
    again = open_remote(FACE_API / "face-api.toml", folder=tmp_path)
    assert np.array_equal(again.predict(images)[0].levels, gender.levels)
    assert again.tally.cached == 48


@pytest.mark.real
@pytest.mark.skipif(not shutil.which("npm"), reason="needs Node 18+ and npm")
@pytest.mark.parametrize("name", ["slim", "thick"])
def test_esrgan_restores_to_four_times_the_sides(name: str, tmp_path: Path) -> None:
    low = np.full((2, 3, 16, 16), 200, np.uint8)
    low[1, :, 4:12, 4:12] = [[[220]], [[170]], [[140]]]
    with node_server(ESRGAN) as origin:
        file = tmp_path / "esrgan.toml"
        described = (ESRGAN / f"esrgan-{name}.toml").read_text()
        file.write_text(described.replace("http://127.0.0.1:8701", origin))
        model = open_super_resolution_model(str(file), 4)
        large = model.restore(low, 0, np.arange(2))
    assert large.shape == (2, 3, 64, 64)
    middle = large[:, :, 24:40, 24:40].mean(axis=(2, 3))
    assert middle == pytest.approx(np.array([[200] * 3, [220, 170, 140]]), abs=12)


@pytest.mark.parametrize("version", [None, "v16.20.0"])
def test_a_machine_without_node_is_told_apart(
    version: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if version:
        node = tmp_path / "node"
        node.write_text(f"#!/bin/sh\necho {version}\n")
        node.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(MissingProgramError, match=r"Node 18\+ must be installed"),
        node_server(FACE_API),
    ):
        pass
