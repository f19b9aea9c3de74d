from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from equipoise.core.synthetic_mark import is_marked
from equipoise.pipeline import open_models
from equipoise.runs.folder import RunFolder
from equipoise.runs.steering import Steering
from equipoise.view.around import MOVES, NEIGHBOURS, Surroundings

from .test_api import drawn


@pytest.fixture
def made(runs: Path) -> Any:
    def make() -> tuple[Surroundings, np.ndarray]:
        steering = Steering.of(RunFolder(runs / "faces/a"))
        models = open_models(steering.record.settings)
        codes = models.generator.prior.codes(steering.record.settings.seed, 0, 9)
        return Surroundings(RunFolder(runs / "faces/a"), steering, models), codes

    return make


def test_a_labelled_code_is_its_own_nearest(made: Any) -> None:
    found, codes = made()
    near = found.neighbours(3 * codes[7])
    assert len(near) == NEIGHBOURS
    assert (near[0].index, near[0].place) == (7, pytest.approx(1))
    places = [one.place for one in near]
    assert places == sorted(places, reverse=True)


def test_moves_along_a_direction_change_its_attribute_and_no_other_boundary(made: Any) -> None:
    found, codes = made()
    strips = {strip.name: [one.answer for one in shown] for strip, shown in found.moved(codes[0])}
    assert (strips["smiling"][0], strips["smiling"][-1]) == ("no", "yes")
    assert [one.place for one in found.moved(codes[0])[0][1]] == list(MOVES)
    normals = [strip.normal for strip in found.strips]
    assert np.linalg.norm(normals, axis=1) == pytest.approx(1)


def test_directions_are_fitted_where_the_run_stored_none(made: Any, runs: Path) -> None:
    stored, _ = made()
    (runs / "faces/a/directions.safetensors").unlink()
    fitted, _ = made()
    for one, other in zip(stored.strips, fitted.strips, strict=True):
        assert (one.name, one.attribute) == (other.name, other.attribute)
        assert one.normal == pytest.approx(other.normal, abs=1e-6)


def test_a_drawn_picture_stands_in_the_middle_of_its_strips(client: Any, runs: Path) -> None:
    for verified in (True, False):
        address, found = drawn(client, n=6, verified=verified)
        around = client.get(f"{address}/images/5/around").json()
        own = found["images"][5]["achieved"]
        assert len(around["neighbours"]) == NEIGHBOURS
        assert around["missing"] == ""
        for strip in around["strips"]:
            middle = strip["moved"][2]
            assert middle["move"] == 0
            if "=" not in strip["name"]:
                assert f"{strip['name']}={middle['answer']}" in own
            head, _, text = middle["picture"].partition(",")
            assert head == "data:image/png;base64"
            assert is_marked(base64.b64decode(text))
    assert client.get(f"{address}/images/6/around").status_code == 404
    (runs / "faces/a/labels/labels-00000.parquet").unlink()
    assert client.get(f"{address}/images/5/around").status_code == 200  # Kept in memory.


def test_a_run_without_labels_says_so(client: Any, runs: Path) -> None:
    address, _ = drawn(client, n=6)
    (runs / "faces/a/labels/labels-00000.parquet").unlink()
    refused = client.get(f"{address}/images/0/around")
    assert refused.status_code == 409
    assert "must be a whole Parquet file" in refused.json()["detail"]
