"""audit classifier, on verified draws of the toy."""

import functools
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from equipoise.samplers.file import save_sampler
from equipoise.samplers.sampler import Sampler
from tests.builders.command_line import Done
from tests.builders.toy_module import toy_module


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, toy_sampler: Sampler) -> Path:
    home = tmp_path_factory.mktemp("audit")
    save_sampler(toy_sampler, home / "sampler.safetensors")
    (home / "mine.py").write_text(toy_module(0.5))
    return home


@pytest.fixture
def run(
    home: Path, cli: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Done]:
    """Run `audit` in `home`."""
    monkeypatch.chdir(home)
    monkeypatch.syspath_prepend(str(home))
    # Other tests have a module of this name.
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    return functools.partial(cli, "audit")


def test_a_sampler_is_drawn_asked_and_told_then_its_folder_is_asked_anew(
    home: Path, run: Callable[..., Done]
) -> None:
    common = ("--model", "mine:model", "--attribute", "smiling", "--json", "told.json")
    done = run("classifier", "sampler.safetensors", *common, "--n", "240", "--out", "a")
    assert "error_gap:smiling" in done.stdout
    told = json.loads((home / "told.json").read_text())
    assert told == json.loads((home / "a" / "audit.json").read_text())
    rates = [group["error"]["count"] for group in told["breakdowns"][1]["groups"]]
    assert rates[0] == 0
    assert 40 < rates[1] < 80
    assert {check["check_id"] for check in told["checks"] if check["outcome"] == "undecided"} >= {
        "error_gap:smiling"
    }

    more = ("--by", "skin_tone", "--ignore", "error_gap:cells", "--out", "b")
    done = run("classifier", "a/material", *common, *more, "--plot", "rates.svg")
    plot = (home / "rates.svg").read_text()
    assert "skin_tone=dark" in plot
    assert "<svg" in plot
    told = json.loads((home / "told.json").read_text())
    assert {c["check_id"]: c["outcome"] for c in told["checks"]}["error_gap:cells"] == "ignored"


def test_a_dry_run_asks_nothing_and_bad_names_are_told(
    home: Path, run: Callable[..., Done]
) -> None:
    common = ("sampler.safetensors", "--model", "mine:model", "--attribute", "smiling")
    done = run("classifier", *common, "--dry-run", "--out", "dry")
    assert "at most 1,200 questions to toy, 1,200 verified images to draw" in done.stdout
    assert not (home / "dry").exists()
    done = run("classifier", *common[:1], "--model", "mine", "--attribute", "smiling", code=2)
    assert "must be pinned:ATTRIBUTE, module:object, a .toml file" in done.error
    assert "Example:" in run("classifier", "--help").stdout


def test_ages_are_audited_from_a_table(home: Path, run: Callable[..., Done]) -> None:
    files = sorted(path.name for path in (home / "a" / "material" / "images").iterdir())
    rows = [f"images/{name},{20 + i % 40}" for i, name in enumerate(files)]
    (home / "ages.csv").write_text("file_name,age\n" + "\n".join(rows))
    given = ("--model", "ages.csv", "--reference", "ages.csv", "--challenge", "30")
    files_out = ("--table", "age.csv", "--plot", "age.png")
    done = run("age", "a/material", *given, "--out", "age", *files_out)
    assert (home / "age.png").read_bytes().startswith(b"\x89PNG")
    assert "No issue" in done.stdout
    assert json.loads((home / "age" / "age.json").read_text())["settings"]["challenges"] == [30.0]
    assert "false refusal at 30" in (home / "age.csv").read_text()
    done = run("age", "a/material", "--model", "mine:model", "--reference", "ages.csv", code=2)
    assert "score of 'smiling' of 'toy' must be an age in years" in done.error


def test_photographs_are_audited_beside_generated_images(
    home: Path, run: Callable[..., Done]
) -> None:
    lines = (home / "a" / "material" / "metadata.csv").read_text()
    (home / "labels.csv").write_text(lines)
    given = ("--labels", "labels.csv", "--beside", "a", "--model", "mine:model", "--side", "32")
    more = ("--json", "p.json", "--table", "p.csv", "--plot", "p.svg")
    done = run("photographs", "a/material", *given, "--out", "p", *more)
    rows = (home / "p.csv").read_text().splitlines()
    assert rows[0] == "by,group,rate,events,n,effective_n,value,low,high"
    assert sum("errors, photographs" in row for row in rows) == 6 + 2 + 3
    assert "<svg" in (home / "p.svg").read_text()
    assert "Share of wrong answers by cell" in done.stdout
    assert (home / "p.json").read_text() == (home / "p" / "photographs.json").read_text()
    done = run("photographs", "a/material", *given[:2], "--beside", "none", *given[4:], code=2)
    assert "Run `equipoise audit classifier --out none` first." in done.error


def test_an_attribute_that_is_not_balanced_is_no_silent_pass(run: Callable[..., Done]) -> None:
    given = ("classifier", "sampler.safetensors", "--model", "mine:model", "--n", "60")
    error = run(*given, "--attribute", "smilling", "--out", "typo", code=2).error
    assert "--attribute must be one of the balanced ones, smiling, skin_tone, or come" in error
    assert "Did you mean smiling?" in error
