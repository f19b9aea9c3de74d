import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from equipoise.compare.baselines import BASELINES, PAPER
from equipoise.compare.page import columns, plot, rows, write_page
from equipoise.compare.run import compare, read_results
from equipoise.compare.scores import Score
from equipoise.compare.stored import Refused
from equipoise.core.errors import FileFormatError, InputError, InsufficientLabelsError
from equipoise.core.estimates import Estimate
from equipoise.core.settings import Settings
from equipoise.engines import OnExecutor
from tests.builders.schemas import assert_valid

SETTINGS = Settings(generator="toy", attributes=("smiling", "skin_tone"), n=2000, measure_n=600)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compare")


@pytest.fixture(scope="module")
def results(folder: Path) -> dict[str, Score]:
    return compare(SETTINGS, folder, 12_000, ["pixels"])


def test_labels_are_the_same_on_an_engine(
    folder: Path, results: dict[str, Score], tmp_path: Path
) -> None:
    shutil.copytree(folder / "results", tmp_path / "results")
    with ThreadPoolExecutor(2) as executor:
        engine = OnExecutor(executor, 2)
        again = compare(SETTINGS, tmp_path, 12_000, ["pixels"], engine=engine)
    assert again == results
    made = [path.relative_to(tmp_path) for path in tmp_path.glob("*/labels-*.parquet")]
    assert len(made) == 7
    assert all((folder / path).read_bytes() == (tmp_path / path).read_bytes() for path in made)


def test_every_method_has_a_score(folder: Path, results: dict[str, Score]) -> None:
    assert list(results) == list(BASELINES)
    assert_valid(folder / "results" / "prior.json", "result")
    for method, result in results.items():
        assert result.n == 600, method
        assert sum(result.shares) == pytest.approx(1)
        assert 0 <= result.kl < 2
        assert result.calls >= 1


def test_scores_tell_the_methods_apart(results: dict[str, Score]) -> None:
    assert results["prior"].kl > 0.3
    for method in ("rejection", "tilt, verified", "tilt, verified, exact"):
        assert results[method].kl < 1e-9, "exact by construction"
    assert results["tilt, one-shot"].kl < 0.02
    far = results[f"{PAPER} 3"]
    assert _excess(far) > 5 * abs(_excess(results["tilt, one-shot"])), "off the manifold"
    assert abs(_excess(results["tilt, verified, exact"])) < 0.02
    assert results["tilt, verified"].calls < 0.6 * results["rejection"].calls
    default, exact = (
        min(results[f"tilt, verified{mode}"].faithfulness) for mode in ("", ", exact")
    )
    assert 0.8 < default < exact == 1
    assert _mean(results["tilt, verified, exact"].distinguished) < 0.1
    assert _mean(far.distinguished) > 0.5
    assert results["moment constraint, joint"].kl < 0.02
    assert results["moment constraint, joint"].calls > 2 * results["tilt, verified"].calls
    assert np.nanmean(results["importance resampling"].effective) < 0.9
    assert set(results["tilt, one-shot"].effective) == {1.0}
    assert 0.5 < np.mean(results["tilt, verified, exact"].effective) < 1
    assert [results[name].labels for name in ("prior", "rejection", "tilt, verified")] == [
        *(0, 0),
        SETTINGS.n,
    ]


def _excess(score: Score) -> float:
    return float(np.nanmean(score.excess["pixels"]))


def test_any_target_that_wants_every_cell_is_compared(tmp_path: Path) -> None:
    settings = replace(SETTINGS, target="marginals: smiling=yes:3,no:1", n=4000, measure_n=400)
    results = compare(settings, tmp_path, 12_000, ["pixels"])
    wanted = [1 / 12] * 3 + [1 / 4] * 3
    for method in ("rejection", "tilt, verified", "logistic regression on codes, verified"):
        assert results[method].shares == pytest.approx(wanted, abs=0.005), method
    assert results["tilt, one-shot"].kl < 0.05
    assert results["moment constraint, joint"].kl < 0.05


def test_the_page_leaves_out_what_is_not_known(results: dict[str, Score], tmp_path: Path) -> None:
    """Few images of a cell on both sides distinguish nothing; a pipe in a title is no column."""
    none = tuple(Estimate.missing("too few") for _ in range(6))
    few = {name: replace(score, distinguished=none) for name, score in results.items()}
    title = "smiling, conditional: smiling | skin_tone"
    write_page(tmp_path / "page.md", "a command", {title: [few], "b": [few]}, 0.5)
    text = (tmp_path / "page.md").read_text()
    head = next(line for line in text.splitlines() if line.startswith("| case |"))
    row = next(line for line in text.splitlines() if line.startswith("| [smiling, conditional"))
    assert row.replace("\\|", "").count("|") == head.count("|")


def test_a_method_is_cheaper_from_where_its_saved_calls_outweigh_its_labels(
    results: dict[str, Score],
) -> None:
    """Filling a cell of share t at an effective share e takes t / e draws."""
    rejection = replace(results["rejection"], calls_verified=4.0, shares=(0.5, 0.5))
    tilt = replace(
        results["tilt, verified"], calls_verified=1.3, effective=(1.0, 0.25), labels=2000
    )
    found = {"rejection": rejection, "tilt, verified": tilt, "tilt, verified, typical": tilt}
    found["tilt, verified, typical"] = replace(tilt, calls_verified=np.nan)
    found["tilt, verified, exact"] = replace(tilt, calls_verified=3.0)
    found["importance resampling"] = tilt
    place = columns([found]).index("cheaper from")
    assert {row[0]: row[place] for row in rows([found])} == {
        "rejection": "-",
        "importance resampling": "-",
        "tilt, verified": f"{2000 / (4 - 1.3 * 2.5):,.0f}",
        "tilt, verified, exact": "never",
        "tilt, verified, typical": "-",
    }


def _mean(values: tuple[Estimate, ...]) -> float:
    return float(np.nanmean([value.value for value in values]))


@pytest.mark.parametrize(
    ("changes", "pool", "said"),
    [
        ({}, 0, "pool must be a whole number of at least 2, got 0"),
        ({"measure_n": 3}, 12_000, "measure_n must be at least 6, .* of 6 cells, got 3"),
        ({"target": "cells: smiling=yes, skin_tone=dark: 1"}, 12_000, "must want every cell"),
    ],
)
def test_what_cannot_be_compared_is_named_before_a_code_is_labelled(
    changes: dict[str, Any], pool: int, said: str, tmp_path: Path
) -> None:
    with pytest.raises((InputError, InsufficientLabelsError), match=said):
        compare(replace(SETTINGS, **changes), tmp_path, pool, ["pixels"])
    assert not any(tmp_path.iterdir())


def test_what_is_measured_is_not_measured_again(folder: Path, results: dict[str, Score]) -> None:
    lost = folder / "results" / "prior.json"
    kept = folder / "results" / "rejection.json"
    before = kept.stat().st_mtime_ns
    lost.unlink()
    told: list[str] = []
    again = compare(
        SETTINGS, folder, 12_000, ["pixels"], on_result=lambda method, result: told.append(method)
    )
    assert told == ["prior"]
    assert kept.stat().st_mtime_ns == before
    assert again["prior"].shares == results["prior"].shares


def test_results_of_other_settings_are_refused(folder: Path, results: dict[str, Score]) -> None:
    with pytest.raises(InputError, match="must be empty or hold results of this comparison"):
        compare(replace(SETTINGS, measure_n=300), folder, 12_000, ["pixels"])


def test_a_damaged_result_is_named(folder: Path, results: dict[str, Score]) -> None:
    path = folder / "results" / "prior.json"
    content = path.read_text()
    for damaged, rule in (
        (content[:20], "readable JSON, got"),
        ('{"x": 1}', "there, got none"),
        ('{"refused": 1}', "a text, got 1"),
        (content.replace('"kl":', '"KL":'), "there, got none"),
    ):
        path.write_text(damaged)
        with pytest.raises(FileFormatError, match=rf"prior\.json must be {rule}"):
            read_results(folder / "results")
    path.write_text("[]")
    with pytest.raises(FileFormatError, match=r"prior\.json must hold an object, got list"):
        read_results(folder / "results")
    path.write_text(content)


def test_a_small_pool_names_the_cell(tmp_path: Path) -> None:
    with pytest.raises(InsufficientLabelsError, match="of the pool"):
        compare(SETTINGS, tmp_path, 30, ["pixels"])


def test_the_page_has_a_row_a_method_and_a_plot(results: dict[str, Score], tmp_path: Path) -> None:
    refused = {**results, "prior": Refused(refused="too few")}
    assert [row[0] for row in rows([refused])] == list(BASELINES)[1:]
    write_page(tmp_path / "page.md", "a command", {"two seeds": [results, results]}, 0.5)
    text = (tmp_path / "page.md").read_text()
    assert "`a command`" in text
    assert "two seeds (2 seeds)" in text
    for method in BASELINES:
        assert re.search(rf"^\| {re.escape(method)} \|", text, re.M)
    assert (tmp_path / "page-0.svg").read_text() == plot([results, results])
    assert "Summary of all cases" not in text


def test_a_page_of_several_cases_begins_with_all_of_them(
    results: dict[str, Score], tmp_path: Path
) -> None:
    none = {"tilt, one-shot": Refused(refused="too few"), "prior": results["prior"]}
    write_page(tmp_path / "page.md", "a command", {"a, 1,000 labels": [results], "b": [none]}, 0.5)
    text = (tmp_path / "page.md").read_text()
    best = min(r.kl for name, r in results.items() if name.startswith("paper"))
    tilt = results["tilt, one-shot"].kl
    row = next(line for line in text.splitlines() if "(#a-1000-labels-1-seed)" in line)
    assert f"| {tilt:.4f} (" in row
    assert f"| {best:.4f} |" in row
    assert "| [b](#b-1-seed) | - (-) | - | - | - | - | - |" in text
