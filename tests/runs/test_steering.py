from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from equipoise.core.attributes import Attribute, AttributeGrid
from equipoise.core.errors import InputError
from equipoise.core.settings import Settings
from equipoise.core.targets import Target
from equipoise.methods.calibration import calibrate, calibrate_counts, posterior
from equipoise.pipeline import balance, open_models
from equipoise.runs.folder import RunFolder
from equipoise.runs.steering import Steering
from equipoise.samplers.draw import one_shot
from equipoise.samplers.file import load_sampler


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("steering")
    settings = Settings(
        generator="toy", method="shift-calibrated", n=2000, measure_n=2000, components=1
    )
    balance(settings, folder)
    return RunFolder(folder)


def test_draws_of_a_steered_sampler_show_the_predicted_shares(run: RunFolder) -> None:
    steering = Steering.of(run)
    target = steering.target("marginals: smiling=no:1,yes:3")
    expected = steering.course(target).calibration
    models = open_models(steering.record.settings)
    sampler = steering.steered(target).bound(models.generator)
    cells = np.concatenate([b.labels.cells for b in one_shot(sampler, models, 6000, 5)])
    shares = np.bincount(cells[cells >= 0], minlength=6) / (cells >= 0).sum()
    noise = 4 * np.sqrt(target.shares * (1 - target.shares) / 6000)
    assert (shares > expected.low - noise).all()
    assert (shares < expected.high + noise).all()


def test_the_runs_own_target_and_the_prior(run: RunFolder) -> None:
    steering = Steering.of(run)
    own = steering.target("marginals: smiling=no:50,yes:50")
    course = steering.course(own)
    assert course.calibration.distance < 0.02
    assert course.calibration.weights.tolist() == steering.sampler.weights.tolist()
    assert steering.steered(own).digest == steering.sampler.digest
    assert steering.target("prior").shares == pytest.approx(steering.prior)
    with pytest.raises(InputError, match=r"faithful must be one of none, got 0\.9"):
        steering.course(steering.target("uniform"), "0.9")


def test_steer_writes_the_same_sampler(run: RunFolder, cli: Any, tmp_path: Path) -> None:
    text = "cells: smiling=yes, skin_tone=dark: 3; smiling=no, skin_tone=light: 1"
    out = tmp_path / "steered.safetensors"
    done = cli("steer", str(run.path), "--target", text, "--out", str(out))
    steering = Steering.of(run)
    assert load_sampler(out).digest == steering.steered(steering.target(text)).digest
    assert load_sampler(out).target.text == text
    assert "75.0%" in done.stdout


def test_thirty_six_cells_are_planned_in_a_tenth_of_a_second() -> None:
    levels = tuple("abcdef")
    grid = AttributeGrid((Attribute("x", levels), Attribute("y", levels)))
    rng = np.random.default_rng(0)
    errors = rng.dirichlet(np.full(37, 0.2), 36) * 0.3
    rates = errors + 0.7 * np.eye(36, 37)
    counts = np.array([rng.multinomial(300, row) for row in rates])
    found = posterior(counts, draws=1000)
    times = []
    for _ in range(20):
        target = Target(grid, rng.dirichlet(np.ones(36)))
        began = time.process_time()
        calibrate(*found, target, int(counts.sum()))
        times.append(time.process_time() - began)
    assert np.median(times) < 0.1


def test_counts_are_calibrated_as_their_posterior() -> None:
    grid = AttributeGrid((Attribute("x", ("a", "b")),))
    counts = np.array([[80, 20, 0], [10, 90, 0]])
    target = Target.uniform(grid)
    own = calibrate_counts(counts, target, 3)
    split = calibrate(*posterior(counts, 3), target, 200)
    assert own.low.tolist() == split.low.tolist()
