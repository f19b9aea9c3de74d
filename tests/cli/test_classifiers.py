"""One's own classifiers through every command that takes them, on the toy."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from equipoise.runs.folder import RunFolder
from tests.builders.command_line import Done
from tests.classifiers.local.conftest import save_scripted


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_scripted(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def folder(
    cli: Callable[..., Done], tmp_path_factory: pytest.TempPathFactory, described: Path
) -> Path:
    out = tmp_path_factory.mktemp("run")
    flags = "--generator=toy --attributes=smiling --method=shift --n=600 --per-cell=200"
    small = "--measure-n=300 --components=1"
    cli("balance", f"--classifier={described}", *flags.split(), *small.split(), f"--out={out}")
    return out


@pytest.fixture(scope="module")
def images(
    cli: Callable[..., Done], folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    out = tmp_path_factory.mktemp("images") / "drawn"
    cli("sample", RunFolder(folder).sampler, "--n=40", "--verified", f"--out={out}")
    return out


def test_the_report_tells_digest_licence_and_preprocessing(folder: Path) -> None:
    models = json.loads((folder / "record.json").read_text())["models"]
    used = next(model for model in models if model["role"] == "classifier")
    assert (used["name"], len(used["digest"])) == ("smile", 64)
    report = (folder / "report.html").read_text()
    assert "not known" in report
    assert "smile: 32x32 pixels by the bilinear filter, rgb, nchw" in report


def test_verified_draws_are_what_the_classifier_says(
    cli: Callable[..., Done], images: Path, described: Path
) -> None:
    out = images.parent / "measured.json"
    cli("measure", images, "--attributes=smiling", f"--classifier={described}", f"--json={out}")
    cells = json.loads(out.read_text())["cells"]
    assert [cell["count"] for cell in cells] == [20, 20]


def test_what_is_left_out_of_a_folder_is_said_and_odd_names_are_written(
    cli: Callable[..., Done], images: Path, described: Path, tmp_path: Path
) -> None:
    odd = os.fsencode(tmp_path / "in") + b"/Mumm\xe4.png"
    drawn = sorted((images / "images").iterdir())
    (tmp_path / "in").mkdir()
    for source, name in zip(drawn, [odd, b"a.png", b".hidden.png"], strict=False):
        shutil.copy(source, os.path.join(os.fsencode(tmp_path / "in"), name))
    (tmp_path / "in" / "broken.png").write_bytes(drawn[0].read_bytes()[:99])
    flags = ("--attributes=smiling", f"--classifier={described}")
    done = cli("measure", tmp_path / "in", *flags, code=2)
    assert "1 of 3 images must be a whole" in " ".join(done.error.split())
    out = tmp_path / "measured.json"
    done = cli("measure", tmp_path / "in", *flags, "--skip-broken", f"--json={out}")
    assert "left out 1: hidden files (.png)" in done.error
    assert "left out 1: broken files" in done.error
    assert sum(cell["count"] for cell in json.loads(out.read_text())["cells"]) == 2
    flags = (*flags, "--skip-broken", "--at-random=2")
    cli("label", "export", tmp_path / "in", *flags, "--out", tmp_path / "out")
    assert "./Mumm\\xe4.png" in (tmp_path / "out" / "answers.csv").read_text()


def test_a_moved_classifier_is_named_anew_and_a_changed_one_refused(
    cli: Callable[..., Done], folder: Path, described: Path, tmp_path: Path
) -> None:
    file = shutil.copy(RunFolder(folder).sampler, tmp_path)
    moved = Path(shutil.copytree(described.parent, tmp_path / "moved")) / described.name
    cli("measure", file, "--n=100", f"--classifier={moved}")
    moved.write_text(moved.read_text().replace("size = 32", "size = 64"))
    flags = ("--n=8", "--verified", f"--classifier={moved}")
    done = cli("sample", file, *flags, "--out", tmp_path / "o", code=2)
    assert "must be those that the sampler was made with" in done.error


def test_quality_watches_an_attribute_of_ones_own(
    cli: Callable[..., Done], folder: Path, described: Path
) -> None:
    flags = ("--n=200", "--features=pixels", "--watch=skin_tone,redness")
    done = cli("quality", folder, *flags, f"--classifier={described}")
    assert "drift" in done.stdout


@pytest.fixture
def moved(described: Path, tmp_path: Path) -> Iterator[Path]:
    """Where the described classifier lies during one test."""
    away = described.parent.rename(tmp_path / "moved")
    yield away / described.name
    away.rename(described.parent)


def test_where_a_classifier_lies_now_can_be_told_everywhere(
    cli: Callable[..., Done], folder: Path, images: Path, moved: Path, tmp_path: Path
) -> None:
    sampler, flag = RunFolder(folder).sampler, f"--classifier={moved}"
    assert "must be" in cli("quality", sampler, "--n=100", "--features=pixels", code=2).error
    cli("quality", sampler, "--n=100", "--features=pixels", flag)
    cli("plan", "--sampler", sampler, "--half-width=0.05", flag)
    cli("plan", "--attributes=redness", "--half-width=0.05", flag)
    small = ("--factor=2", "--n=24", "--model=bicubic")
    cli("audit", "superres", images, *small, flag, "--out", tmp_path / "audit")
    assert "smile" in (tmp_path / "audit" / "superres.html").read_text()


def test_label_export_and_collect_take_them(
    cli: Callable[..., Done], images: Path, described: Path, tmp_path: Path
) -> None:
    flags = ("--attributes=smiling", f"--classifier={described}")
    cli("label", "export", images, *flags, "--at-random=10", "--out", tmp_path / "task")
    done = cli("collect", "--generator=toy", *flags, "--n=100", "--out", tmp_path / "labels")
    assert "smiling=yes" in done.stdout
    settings = RunFolder(tmp_path / "labels").read_settings()
    assert settings.classifiers == (str(described),)
    assert np.all([name in settings.to_dict() for name in ("classifiers", "attributes")])
