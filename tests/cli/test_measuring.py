"""plan, quality and card, on a small run of the toy."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from equipoise.core.settings import Settings
from equipoise.pipeline import balance
from equipoise.runs.folder import RunFolder
from tests.builders.command_line import Done
from tests.builders.schemas import assert_valid


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    path = tmp_path_factory.mktemp("measuring")
    settings = Settings(
        generator="toy",
        attributes=("smiling",),
        method="shift",
        n=600,
        per_cell=200,
        measure_n=300,
        components=1,
    )
    balance(settings, path)
    return RunFolder(path)


def test_plan_tells_images_and_time(
    cli: Callable[..., Done], folder: RunFolder, tmp_path: Path
) -> None:
    out = tmp_path / "plan.json"
    done = cli("plan", "--sampler", str(folder.sampler), "--gap", "0.05", "--json", str(out))
    assert_valid(out, "plan")
    plan = json.loads(out.read_text())
    assert f"{plan['n']:,}" in done.stdout
    assert plan["gap"] == pytest.approx(0.05, rel=0.02)
    assert plan["seconds"] > 0


def test_a_plan_of_a_mode_is_of_verified_draws(folder: RunFolder, cli: Callable[..., Done]) -> None:
    given = ("plan", "--sampler", str(folder.sampler), "--gap", "0.05", "--faithful", "exact")
    assert "--faithful must be given with --verified alone" in cli(*given, code=2).error


def test_a_plan_without_a_wish_is_refused(cli: Callable[..., Done]) -> None:
    done = cli("plan", "--attributes", "skin_tone", code=2)
    assert "half_width or gap must be given" in done.stderr


def test_quality_is_kept_and_shown(cli: Callable[..., Done], folder: RunFolder) -> None:
    cli("quality", str(folder.path), "--n", "400", "--features", "pixels", "--watch", "skin_tone")
    found = json.loads(folder.quality.read_text())["quality"]
    assert [cell["name"] for cell in found["cells"]] == ["smiling=no", "smiling=yes"]
    assert found["pooled"]["n_reference"] == 400
    assert {d["name"].partition("=")[0] for d in found["cells"][0]["drift"]} == {"skin_tone"}
    report = folder.report.read_text()
    assert "Quality by cell" in report
    assert found["about"] in report
    card = json.loads((folder.path / "card.json").read_text())
    assert card["quality"]["digest"] == found["digest"]
    for name in ("record", "quality", "card"):
        assert_valid(folder.path / f"{name}.json", name)


def test_an_engine_is_refused_where_quality_labels_nothing(
    cli: Callable[..., Done], folder: RunFolder
) -> None:
    flags = ("--reference", folder.path, "--engine", "processes")
    error = cli("quality", folder.path, *flags, code=2).error
    assert "--engine must not be given with --reference, which leaves nothing to label" in error


def test_a_damaged_quality_is_named(cli: Callable[..., Done], folder: RunFolder) -> None:
    content = folder.quality.read_text() if folder.quality.exists() else "{}"
    folder.quality.write_text("[1")
    done = cli("card", str(folder.path), code=2)
    folder.quality.write_text(content)
    assert "must be readable JSON" in done.stderr
