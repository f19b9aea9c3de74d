"""Ways to a mix within every context, on the text-to-image toy."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

from equipoise.classifiers import open_panel
from equipoise.classifiers.models import Models
from equipoise.compare import contexts
from equipoise.compare.context_methods import METHODS, WITH_EDITS, ContextCase, best_of, edits_alone
from equipoise.compare.contexts import (
    ContextResult,
    ContextScore,
    images_of,
    read_context_results,
    remarks,
    run_contexts,
    table,
)
from equipoise.compare.stored import Refused
from equipoise.core.context_targets import ContextTargets
from equipoise.core.errors import InputError, InsufficientLabelsError
from equipoise.core.settings import Settings
from equipoise.core.targets import Target
from equipoise.generators.toy_text import ToyTextGenerator
from tests.builders.command_line import Done
from tests.builders.schemas import assert_valid

PROMPTS = ["a photo of a farmer", "a photo of a librarian"]
TOY = ToyTextGenerator(PROMPTS, leak=0.2)
MODELS = Models(TOY, open_panel(("smiling", "skin_tone"), TOY))
UNIFORM = ContextTargets(Target.uniform(MODELS.panel.grid), {})

Results = dict[str, ContextResult]


def case_in(folder: Path, **changes: Any) -> ContextCase:
    return replace(
        ContextCase(MODELS, UNIFORM, 700, 120, 0, folder), **changes, _kept={}, _refusals={}
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ways")


@pytest.fixture(scope="module", autouse=True)
def fewer() -> Iterator[None]:
    """Leave out early refusal of prompts alone: it is that of both, and takes seconds to learn."""
    kept = {name: way for name, way in METHODS.items() if not name.startswith("prompts, early")}
    with mock.patch.object(contexts, "METHODS", kept):
        yield


@pytest.fixture(scope="module")
def results(folder: Path) -> Results:
    return run_contexts(case_in(folder), folder / "results", lambda *_: None)


def test_every_way_has_the_same_labels_and_images(folder: Path, results: Results) -> None:
    assert list(results) == list(contexts.METHODS)
    assert_valid(folder / "results" / "edits_alone.json", "context-result")
    for method, found in results.items():
        assert isinstance(found, ContextScore), found
        assert found.n == 240, method
        assert found.labels in (0, 700)
        assert found.mean.low <= found.mean.value <= found.mean.high
        assert found.worst_deviation.value >= found.mean.value
        states = 700 * 8 / 20 if "refusal" in method else 0
        paid = found.calls + (found.labels + states) / 240
        assert found.calls_with_labels == pytest.approx(paid)


def deviation(shares: np.ndarray) -> np.ndarray:
    """Return the deviation ratio from uniform of each context, by its true shares."""
    return np.abs(shares - 1 / 6).max(axis=1) / (5 / 6)


def best_of_shares(own: np.ndarray, often: int) -> np.ndarray:
    """Return the shares of the best of several images, cells being wanted alike."""
    shares = np.zeros(6)
    for wanted in range(6):
        missed = (1 - own[wanted]) ** often
        others = np.where(np.arange(6) == wanted, 0.0, own) / (1 - own[wanted])
        shares += missed * others / 6
        shares[wanted] += (1 - missed) / 6
    return shares


def test_baselines_are_as_good_as_they_are_known_to_be(results: Results) -> None:
    def ratio(method: str) -> float:
        return results[method].mean.value

    own = deviation(TOY.cell_shares[:, 0])
    ways = {"prompts as they are": 1, **{f"best of {n} by classifier": n for n in (4, 16)}}
    for way, often in ways.items():
        truth = deviation(np.stack([best_of_shares(p, often) for p in TOY.cell_shares[:, 0]]))
        assert ratio(way) == pytest.approx(truth.mean(), abs=0.08), way
        assert results[way].calls == often
    blind = results["edits alone"].mean
    assert blind.low <= 0.2 * own.mean() <= blind.high
    for method in results:
        if "verified" in method or "refusal" in method:
            assert ratio(method) == 0, method
    plain, early, blind = (
        results[f"prompts and edits, {how}"]
        for how in ("verified", "early refusal", "early refusal without calibration")
    )
    assert early.calls < plain.calls
    assert plain.faithfulness.value == results["prompts, verified"].faithfulness.value == 1
    assert early.faithfulness.value > 0.95 > blind.faithfulness.high
    assert np.isnan(results["edits, verified"].faithfulness.value)


def test_the_best_of_several_is_the_first_that_is_wanted(tmp_path: Path) -> None:
    case = case_in(tmp_path, images=6)
    cells = case.candidates().labels.cells.reshape(6, 16, 2)
    found = best_of(4)(case).labels.cells.reshape(6, 2)
    for j in range(6):  # One image of each cell is wanted, in order.
        for c in range(2):
            first = cells[j, :4, c]
            assert found[j, c] == (j if j in first else first[0])


def test_edits_alone_follow_the_target_of_each_context(tmp_path: Path) -> None:
    grid = MODELS.panel.grid
    dark = Target(grid, np.array([1, 0, 0, 1, 0, 0]) / 2, "dark")
    found = edits_alone(
        case_in(tmp_path, wanted=ContextTargets(dark, {PROMPTS[0]: UNIFORM.common}))
    )
    skin = found.labels.levels[:, 1 if grid.names[0] == "smiling" else 0]
    shares = [np.mean(skin[found.contexts == c] == 0) for c in range(2)]
    assert shares[1] > 0.7 > shares[0]


def test_what_is_measured_is_not_measured_again(folder: Path, results: Results) -> None:
    (folder / "results" / "edits_alone.json").unlink()
    new: list[str] = []
    args = folder / "results", lambda *_: None, lambda method, _: new.append(method)
    assert run_contexts(case_in(folder), *args) == read_context_results(folder / "results")
    assert new == ["edits alone"]
    with pytest.raises(InputError, match="must be empty or hold results of this comparison"):
        run_contexts(case_in(folder, seed=1), *args)


def test_a_generator_without_edits_has_the_rows_of_its_prompts(
    folder: Path, results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "results").mkdir()
    for method in set(contexts.METHODS) - WITH_EDITS:  # Only the others are measured.
        name = f"{method.replace(' ', '_').replace(',', '')}.json"
        (tmp_path / "results" / name).write_bytes((folder / "results" / name).read_bytes())
    (tmp_path / "results" / "case.txt").write_bytes((folder / "results/case.txt").read_bytes())
    monkeypatch.setattr(ToyTextGenerator, "edits", ())
    found = run_contexts(case_in(tmp_path), tmp_path / "results", lambda *_: None)
    assert {method for method, one in found.items() if isinstance(one, Refused)} == WITH_EDITS
    own = [method for method in contexts.METHODS if method not in WITH_EDITS]
    assert [row[0] for row in table(found)[1]] == own
    assert "edits of the generator must be one for each cell" in " ".join(remarks(found))


def test_images_are_spread_over_contexts() -> None:
    assert images_of(Settings(), 40) == 250
    assert images_of(Settings(measure_n=99), 40) == 2
    with pytest.raises(InsufficientLabelsError, match="one for each of 40 contexts, got 39"):
        images_of(Settings(measure_n=39), 40)


def test_prompts_of_a_list_are_compared(
    cli: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = {name: way for name, way in METHODS.items() if "refusal" not in name}
    monkeypatch.setattr(contexts, "METHODS", quick)
    prompts, out, file = tmp_path / "jobs.csv", tmp_path / "out", tmp_path / "ways.json"
    prompts.write_text("id,text\n" + "".join(f"{text[-6:]},{text}\n" for text in PROMPTS))
    flags = "--attributes smiling,skin_tone --n 280 --measure-n 48"
    chosen = [*flags.split(), f"--contexts={prompts}", f"--out={out}"]
    done = cli("compare", "--generator=toy-text", *chosen, f"--json={file}")
    assert "perfect generator has a mean deviation ratio of" in done.stdout
    record = json.loads(file.read_text())
    assert list(record) == list(quick)
    assert record["edits alone"]["contexts"] == 2
    page = (out / "compare.md").read_text()
    assert f"--contexts {prompts}" in page
    assert "| best of 16 by classifier | " in page
    done = cli("compare", "--generator=toy", *chosen, code=2)
    assert "generator must be toy-text or diffusers-text: to take a list" in done.error
    done = cli("compare", "--generator=toy-text", *chosen, "--pool=10", code=2)
    assert "--pool must not be given with --contexts, got 10" in done.error
    done = cli(
        "compare", "--generator=toy", *flags.split(), "--contexts=own", f"--out={out}", code=2
    )
    assert "generator must have contexts" in done.error
