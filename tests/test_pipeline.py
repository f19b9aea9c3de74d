import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chisquare

from equipoise.classifiers import ClassifierPanel, open_panel
from equipoise.classifiers.models import Models
from equipoise.classifiers.toy import ToyClassifier
from equipoise.core.errors import InputError, InsufficientLabelsError
from equipoise.core.records import to_json
from equipoise.core.settings import Settings
from equipoise.engines import OnExecutor
from equipoise.generators import Generator
from equipoise.generators.toy import ToyGenerator
from equipoise.measure.features.offline import PixelFeatures
from equipoise.measure.representation import divergence, noise_floor
from equipoise.measure.sampler import sampler_quality
from equipoise.pipeline import balance
from equipoise.report.run_page import render
from equipoise.runs.folder import RunFolder
from equipoise.samplers.file import load_sampler
from equipoise.samplers.sampler import Sampler

TOY = Settings(generator="toy", method="shift", distance=1.5, components=1)


def replaced(**changes: object) -> Settings:
    return Settings(**{**vars(TOY), **changes})


@pytest.mark.parametrize("seed", range(3))
def test_the_papers_recipe_meets_a_uniform_target_on_the_linear_toy(
    seed: int, tmp_path: Path
) -> None:
    done = balance(Settings(generator="toy", method="shift", seed=seed), tmp_path)
    prior, achieved = done.record.prior, done.representation
    assert prior.kl > 0.4
    assert achieved.kl < 5 * achieved.kl_floor
    counts = [share.count for share in achieved.cells]
    assert chisquare(counts).pvalue > 1e-3
    levels = [level for attribute in achieved.attributes for level in attribute]
    assert sum(level.low <= level.target <= level.high for level in levels) >= len(levels) - 1


CENSUS = {
    "smiling=no, skin_tone=dark": 10,
    "smiling=no, skin_tone=medium": 25,
    "smiling=no, skin_tone=light": 30,
    "smiling=yes, skin_tone=dark": 5,
    "smiling=yes, skin_tone=medium": 10,
    "smiling=yes, skin_tone=light": 20,
}


@pytest.mark.parametrize(
    ("target", "seed"),
    [
        ("marginals: smiling=yes:3,no:1; skin_tone=dark:1,medium:1,light:1", 2),
        ("census", 3),
        ("conditional: smiling | skin_tone", 4),
    ],
)
def test_the_tilt_meets_targets_by_true_attributes(target: str, seed: int, tmp_path: Path) -> None:
    """3,000 labels do: calibration makes the mix right whatever the purity."""
    if target == "census":
        target = str(tmp_path / "census.json")
        Path(target).write_text(json.dumps(CENSUS))
    settings = Settings(generator="toy", target=target, seed=seed, n=3000, measure_n=500)
    assert_met(balance(settings, tmp_path / "run").sampler)


def assert_met(sampler: Sampler) -> None:
    """Check the shares of fresh draws by the toy's true levels, not by a classifier."""
    toy, n = ToyGenerator(), 6000
    truth = toy.levels(sampler.draw(n, 77).codes)
    columns = [toy.grid.attribute(name) for name in sampler.grid.names]
    counts = np.bincount(sampler.grid.cell_of(truth[:, columns]), minlength=6)
    found = divergence(counts / n, sampler.target.shares)
    assert found < 4 * noise_floor(sampler.target.shares, n)
    assert chisquare(counts, sampler.target.shares * n).pvalue > 1e-4


def test_the_tilt_tells_how_it_came_about(tmp_path: Path) -> None:
    settings = Settings(generator="toy", n=3000, measure_n=500, beside=("shift",), components=1)
    done = balance(settings, tmp_path)
    assert_met(done.sampler)
    assert [result.method for result in done.record.results] == ["tilt", "shift"]
    account = done.record.results[0].tilt
    assert account.calibration.measured == 3000
    assert [mode.faithful for mode in account.verified] == ["0.9", "exact", "typical"]
    assert to_json(done.sampler.statements) == to_json(account.verified)
    assert account.calibration.reachable
    assert account.calibration.calls_per_verified_image < 1.2
    assert account.latent.loss < account.latent.base
    assert (tmp_path / "sampler-shift.safetensors").exists()
    html = (tmp_path / "report.html").read_text()
    for said in (
        "How the tilt was made",
        "Tilted sampling",
        "Is the latent classifier calibrated?",
    ):
        assert said in html
    # A cell that never came out has no finite number of calls; the report says so.
    record = json.loads((tmp_path / "record.json").read_text())
    stated = record["results"][0]["tilt"]["verified"][0]["cells"][0]["calls"]
    stated.update(value="infinite", low=None, high=None)
    (tmp_path / "record.json").write_text(json.dumps(record))
    render(RunFolder(tmp_path))
    assert '<td class="n">infinite</td>' in (tmp_path / "report.html").read_text()


def test_ones_own_generator_and_classifiers(tmp_path: Path) -> None:
    toy = ToyGenerator(entanglement=0.5)
    panel = ClassifierPanel([ToyClassifier(toy)], ["glasses"])
    settings = Settings(n=2000, directed=0.0, measure_n=400)
    done = balance(settings, str(tmp_path), generator=toy, panel=panel)
    plot = done.plot()._repr_svg_()
    assert all(share.name in plot for share in done.shares())
    assert done.shares()._repr_html_().count("<tr>") == 1 + len(done.shares())
    assert done.table().num_rows == done.representation.table().num_rows
    assert {"prior", "balanced", "target"} <= set(re.findall(r">(\w+)</text>", plot))
    assert done.record.settings.attributes == ("glasses",)
    assert done.sampler.generator.digest == toy.digest
    assert load_sampler(str(tmp_path / "sampler.safetensors"), toy).draw(5).codes.shape == (5, 16)


def test_a_mixture_of_tilted_draws_meets_the_target(tmp_path: Path) -> None:
    settings = Settings(generator="toy", method="mixture", n=4000, measure_n=2000, components=1)
    done = balance(settings, tmp_path)
    achieved = done.representation
    assert achieved.kl < 6 * achieved.kl_floor
    assert done.record.results[0].tilt.calibration.calls_per_verified_image < 1.6
    assert load_sampler(tmp_path / "sampler.safetensors").draw(3).codes.shape == (3, 16)


def test_zeros_and_marginals_are_met(tmp_path: Path) -> None:
    target = "marginals: smiling=yes:3,no:1; skin_tone=dark:0,medium:1,light:1"
    done = balance(replaced(target=target), tmp_path)
    achieved = done.representation
    shares = {share.name: share for share in achieved.cells}
    for name, share in shares.items():
        if share.target:
            assert share.share == pytest.approx(share.target, abs=0.03), name
        else:
            assert share.share < 0.01
    sampler = load_sampler(tmp_path / "sampler.safetensors")
    with pytest.raises(InputError, match="positive share"):
        sampler.draw(1, cell="smiling=yes, skin_tone=dark")


def test_a_stopped_run_goes_on_and_ends_alike(tmp_path: Path) -> None:
    settings = replaced(n=3000, measure_n=500)
    whole = balance(settings, tmp_path / "whole")

    class Stopped(Exception):
        pass

    def stop_at_measure(stage: str, done: int, total: int) -> None:
        if stage == "measure":
            raise Stopped

    with pytest.raises(Stopped):
        balance(settings, tmp_path / "broken", stop_at_measure)
    assert list(RunFolder(tmp_path / "broken").sheets()) == ["prior", "shift"]
    resumed = balance(settings, tmp_path / "broken")
    assert resumed.record.cost.labels_computed == 0
    assert resumed.sampler.digest == whole.sampler.digest
    for name in ("labels/labels-00000.parquet", "sampler.safetensors", "pictures/shift.png"):
        one, other = ((tmp_path / run / name).read_bytes() for run in ("whole", "broken"))
        assert one == other, name


def test_an_engine_changes_nothing(tmp_path: Path) -> None:
    settings = replaced(method="shift-calibrated", n=2000, measure_n=300)
    here = balance(settings, tmp_path / "here")
    with ThreadPoolExecutor(2) as executor:
        there = balance(settings, tmp_path / "there", engine=OnExecutor(executor, 2))
    assert there.sampler.digest == here.sampler.digest
    assert to_json(there.record.results) == to_json(here.record.results)
    with pytest.raises(InputError, match="models must be opened by address"):
        own = {"generator": ToyGenerator(), "engine": OnExecutor(executor, 2)}
        balance(settings, tmp_path / "own", **own)  # type: ignore[arg-type]


def test_a_second_run_in_a_folder_leaves_nothing_of_the_first(tmp_path: Path) -> None:
    balance(replaced(n=3000, measure_n=500), tmp_path)
    assert (tmp_path / "pictures" / "shift-cell-0.png").exists()
    target = "marginals: smiling=yes:1,no:0"
    balance(replaced(n=3000, measure_n=500, target=target), tmp_path)
    assert not (tmp_path / "pictures" / "shift-cell-0.png").exists()
    assert (tmp_path / "pictures" / "shift-cell-3.png").exists()


def test_a_run_that_fails_leaves_the_results_of_the_last_one(tmp_path: Path) -> None:
    settings = replaced(n=3000, measure_n=500)
    balance(settings, tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()}
    with pytest.raises(InsufficientLabelsError):
        balance(replace(settings, method="tilt", directed=0.0, n=3), tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()} == before


def test_figures_of_the_same_sampler_outlast_another_run(tmp_path: Path) -> None:
    settings = replaced(n=3000, measure_n=500)
    done, run = balance(settings, tmp_path), RunFolder(tmp_path)
    toy = ToyGenerator()
    features = PixelFeatures(toy.image_shape[0])
    panel = open_panel(settings.attributes, toy)
    found = sampler_quality(done.sampler, Models(toy, panel), features, 60, 1)
    run.write_quality(found, done.sampler.digest)
    balance(replace(settings, measure_n=600, workers=1), tmp_path)
    assert run.quality.exists()
    balance(replace(settings, distance=1.0), tmp_path)
    assert not run.quality.exists()


def test_a_bad_target_fails_before_anything_is_labelled(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="got hat"):
        balance(replaced(target="marginals: hat=yes:1"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.fixture
def real_run(real: Generator, tmp_path: Path) -> Path:
    """A run on the real generator: that of EQUIPOISE_DEMO_RUN, where `.ci/run` made one before."""
    if "EQUIPOISE_DEMO_RUN" in os.environ:
        return Path(os.environ["EQUIPOISE_DEMO_RUN"])
    settings = Settings(n=2400, directed=0.4, measure_n=1000, beside=("shift",), components=1)
    return balance(settings, tmp_path, generator=real).folder


def test_the_real_generator_end_to_end(real_run: Path) -> None:
    """Smiling x skin tone on the DCGAN: the prior is as published, and the recipe evens it out."""
    record = RunFolder(real_run).read_record()
    published = [0.70, 0.067, 0.043, 0.166, 0.014, 0.007]
    for share, wanted in zip(record.prior.cells, published, strict=True):
        assert share.low - 5e-3 <= wanted <= share.high + 5e-3, "published to so many digits"
    found = {result.method: result for result in record.results}
    tilt, shift = (found[method].representation for method in ("tilt", "shift"))
    assert tilt.kl < 6 * tilt.kl_floor
    stated = found["tilt"].tilt.verified[0].cells
    assert np.mean([cell.calls.value for cell in stated]) < 3.5, "rejection needs 23"
    assert shift.kl < 0.2 * record.prior.kl
    assert min(share.share for share in shift.cells) > 0.05
    html = (real_run / "report.html").read_text()
    for said in ("KL to the target", "confounded with lighting", "MIT", "arXiv 2012.04842"):
        assert said in html
    named = ("http://www.w3.org", "http://purl.org", "http://creativecommons.org")
    for name in (*named, "https://matplotlib.org"):
        html = html.replace(name, "")
    assert "http:" not in html
    assert "https:" not in html


def test_a_target_of_one_cell_is_met(tmp_path: Path) -> None:
    """All weights are even before and after calibration, so both are one sampler."""
    table = tmp_path / "one.json"
    table.write_text('{"smiling=yes": 1, "smiling=no": 0}')
    settings = Settings(
        generator="toy",
        attributes=("smiling",),
        target=str(table),
        n=1200,
        directed=0.0,
        measure_n=400,
    )
    done = balance(settings, tmp_path / "run")
    found = done.representation
    assert found.cells[1].share > 0.95


def test_unwanted_common_cells_leave_a_rare_one_drawable(tmp_path: Path) -> None:
    shares = {
        "skin_tone": {"dark": 0.93, "medium": 0.05, "light": 0.02},
        "smiling": {"no": 0.9, "yes": 0.1},
    }
    toy = ToyGenerator(shares, curvature=0.8)
    panel = open_panel(["smiling", "skin_tone"], toy)
    cells = panel.grid.cells
    table = tmp_path / "rare.json"
    table.write_text(json.dumps({cell: float(cell == cells[4]) for cell in cells}))
    settings = Settings(target=str(table), n=3000, measure_n=300)
    done = balance(settings, tmp_path / "run", generator=toy, panel=panel)
    assert done.record.results[0].tilt.acceptance[4] > 1e-5


def test_a_level_too_rare_for_directions_is_balanced_by_tilting(tmp_path: Path) -> None:
    toy = ToyGenerator({"hat": {"no": 0.988, "yes": 0.012}})
    panel = open_panel(["hat"], toy)
    settings = Settings(n=2400, measure_n=600)
    done = balance(settings, tmp_path, generator=toy, panel=panel)
    assert "level hat=yes needs at least 20 labelled codes" in done.record.directions.note
    assert "Not applicable: " in (tmp_path / "report.html").read_text()
    assert done.representation.kl < 0.03
    with pytest.raises(InsufficientLabelsError):
        balance(replace(settings, n=1200, method="shift"), tmp_path, generator=toy, panel=panel)
