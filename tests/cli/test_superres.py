"""audit superres, on verified draws of the toy."""

import functools
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from equipoise.samplers.file import save_sampler
from equipoise.samplers.sampler import Sampler
from tests.builders.command_line import Done


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, toy_sampler: Sampler) -> Path:
    home = tmp_path_factory.mktemp("superres")
    save_sampler(toy_sampler, home / "sampler.safetensors")
    return home


@pytest.fixture
def run(
    home: Path, cli: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Done]:
    """Run `audit superres` in `home`."""
    monkeypatch.chdir(home)
    return functools.partial(cli, "audit", "superres")


def test_a_sampler_is_drawn_restored_and_told_then_its_folder_is(
    home: Path, run: Callable[..., Done]
) -> None:
    """Bicubic blurs the patches, one low pixel high, into their surroundings."""
    common = ("--model", "bicubic", "--json", "told.json")
    done = run("sampler.safetensors", *common, "--n", "60", "--out", "a")
    assert "flip_gap:smiling" in done.stdout
    told = json.loads((home / "told.json").read_text())
    assert told == json.loads((home / "a" / "superres.json").read_text())
    assert told["n"] == 60
    assert told["flips"][0]["overall"]["flips"]["count"] > 3

    more = ("--attributes", "smiling", "--factor", "2", "--ignore", "abstentions", "--out", "b")
    done = run("a/material", *common, "--generator", "toy", *more)
    told = json.loads((home / "told.json").read_text())
    assert {c["check_id"]: c["outcome"] for c in told["checks"]}["abstentions"] == "ignored"
    assert len(told["flips"]) == 1


def test_a_dry_run_restores_nothing_and_bad_names_are_told(
    home: Path, run: Callable[..., Done]
) -> None:
    done = run("sampler.safetensors", "--model", "bicubic", "--dry-run", "--out", "dry")
    assert "at most 240 images restored by bicubic, and 720 read by the panel" in done.stdout
    common = ("sampler.safetensors", "--model", "bicubic", "--dry-run", "--attributes", "smiling")
    assert "at most 31 images" in run(*common, "--n", "31").stdout
    assert "n must be a whole number of at least 1, got 0" in run(*common, "--n", "0", code=2).error
    assert not (home / "dry").exists()
    done = run("sampler.safetensors", "--model", "pulse", code=2)
    assert "must be differentiable, for pulse, got toy" in done.error
    done = run("sampler.safetensors", "--model", "bicubic", "--generator", "toy", code=2)
    assert "--generator must not be given for a sampler" in done.error
    assert "Example:" in run("--help").stdout


def test_a_pdf_without_a_browser_and_thresholds_without_descriptors_are_refused_first(
    home: Path, run: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    common = ("sampler.safetensors", "--model", "bicubic", "--out", "none")
    done = run(*common, "--fmr", "0.01", code=2)
    assert "--fmr must not be given without --descriptors" in done.stderr
    done = run(*common, "--descriptors", "a:b", "--fmr", "0.1", "--threshold", "0.5", code=2)
    assert "threshold must not come with --fmr" in done.stderr
    monkeypatch.setattr("equipoise.report.pdf._BROWSERS", ())
    monkeypatch.setattr("equipoise.report.pdf._ELSEWHERE", "/nowhere/chrome")
    done = run(*common, "--pdf", code=2)
    assert "browser must be installed to print a PDF" in done.stderr
    assert not (home / "none").exists()
