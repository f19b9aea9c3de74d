import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from equipoise.cli.balance import _doubtful
from equipoise.core.attributes import Attribute, AttributeGrid
from equipoise.core.targets import Target
from equipoise.generators import Generator
from equipoise.methods.calibration import Calibration
from equipoise.report.trackers import run_facts
from equipoise.runs.folder import RunFolder
from tests.builders.command_line import Done

TOY = ["--generator", "toy", "--n", "2000"]


@pytest.fixture(scope="module")
def folder(cli: Callable[..., Done], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder made by the command line."""
    path = tmp_path_factory.mktemp("cli") / "run"
    done = cli(
        "balance", "--out", str(path), *TOY, "--measure-n", "600",
        "--beside",        "shift", "--components", "1",
        "--distance", "1.5", "--json", str(path / "copy.json"),
    )  # fmt: skip
    assert "KL to target" in done.stdout
    return path


def test_balance_leaves_everything(folder: Path) -> None:
    for name in ("report.html", "sampler.safetensors", "directions.safetensors", "settings.toml"):
        assert (folder / name).is_file()
    assert json.loads((folder / "copy.json").read_text()) == json.loads(
        (folder / "record.json").read_text()
    )


def test_trackers_are_given_the_statements(folder: Path) -> None:
    facts = run_facts(RunFolder(folder))
    tilt = RunFolder(folder).read_record().results[0].tilt
    assert tilt is not None
    for mode in tilt.verified:
        stated = mode.cells[0].faithfulness
        about = f"tilt/verified_{mode.faithful}/faithfulness/{mode.cells[0].cell.replace('=', '_')}"
        about = about.replace(", ", ".")
        assert (facts.numbers[about], facts.numbers[f"{about}/low"]) == (stated.value, stated.low)


def test_sample_describe_measure_and_report(
    cli: Callable[..., Done], folder: Path, tmp_path: Path
) -> None:
    sampler = str(folder / "sampler.safetensors")
    assert "target  16.67%" in cli("describe", sampler).stdout
    cli("sample", sampler, "--n", "70", "--out", str(tmp_path / "images"))
    assert len(list((tmp_path / "images" / "images").glob("*.png"))) == 70
    cli("measure", sampler, "--n", "300", "--json", str(tmp_path / "m.json"))
    kept = ("--keep", tmp_path / "kept", "--json", tmp_path / "kept.json")
    cli("measure", sampler, "--n", "300", *kept)
    assert (tmp_path / "kept" / "labels-00000.done.json").exists()
    assert (tmp_path / "kept.json").read_text() == (tmp_path / "m.json").read_text()
    assert json.loads((tmp_path / "m.json").read_text())["representation"]["n"] == 300
    cli(
        "measure", str(tmp_path / "images"), "--attributes", "skin_tone", "--target", "uniform",
        "--json", str(tmp_path / "f.json"),
    )  # fmt: skip
    assert json.loads((tmp_path / "f.json").read_text())["n"] == 70
    (folder / "report.html").unlink()
    cli("report", str(folder))
    assert (folder / "report.html").is_file()


def test_collect_then_directions(cli: Callable[..., Done], tmp_path: Path) -> None:
    done = cli("collect", "--out", str(tmp_path), *TOY, "--json", str(tmp_path / "c.json"))
    assert "2,000/2,000" in done.stderr
    cli("directions", str(tmp_path), "--json", str(tmp_path / "d.json"))
    planes = json.loads((tmp_path / "d.json").read_text())["planes"]
    assert min(plane["auc"] for plane in planes) > 0.99
    assert (tmp_path / "directions.safetensors").is_file()


def test_dry_run_tells_settings_and_cost_and_does_nothing(
    cli: Callable[..., Done], tmp_path: Path, real: Generator
) -> None:
    done = cli("balance", "--out", str(tmp_path / "run"), "--dry-run", "--seed", "7")
    assert "19,000 generator calls" in done.stdout
    assert "digiface-dcgan" in done.stdout
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["balance", "--n", "0"], "n must be a whole number of at least 1, got 0"),
        (["balance", "--n", "-5"], "got -5"),
        pytest.param(
            ["balance", "--attributes", "beard"],
            "attribute must be one of",
            marks=pytest.mark.real,
        ),
        (["balance", "--generator", "toy", "--attributes", "beard"], "got beard"),
        (["balance", "--method", "magic"], "method must be one of"),
        (["balance", "--log", "paper"], "tracker must be one of mlflow, wandb, tensorboard"),
        (["balance", "--dry-run", "--distance", "-1"], "distance must be above 0, got -1.0"),
        (["balance", "--dry-run", "--workers", "0"], "workers must be a whole number"),
        (["balance", "--device", "warp"], "device must be one that this machine has"),
    ],
)
def test_bad_input_is_told_in_a_sentence(
    cli: Callable[..., Done], arguments: list[str], said: str, tmp_path: Path
) -> None:
    done = cli(*arguments, "--out", str(tmp_path / "run"), code=2)
    assert said in done.error


def test_a_foreign_sampler_is_told_in_a_sentence(cli: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "s.safetensors").write_bytes(b"nothing of the kind")
    done = cli("sample", str(tmp_path / "s.safetensors"), "--out", str(tmp_path / "x"), code=2)
    assert "must be a whole safetensors file" in done.error


def test_names_in_brackets_are_not_markup(cli: Callable[..., Done], tmp_path: Path) -> None:
    out = tmp_path / "run[bold]x[/x]"
    done = cli("collect", "--out", str(out), "--generator", "toy", "--n", "50")
    assert f"labels   {out / 'labels'}\n" in done.stdout
    done = cli("collect", "--out", str(out), "--generator", "toy", "--attributes", "[/x]", code=2)
    assert "got [/x]" in done.error


def test_a_refused_run_leaves_the_good_one_as_it_was(
    cli: Callable[..., Done], tmp_path: Path
) -> None:
    arguments = ("collect", "--out", str(tmp_path), "--generator", "toy", "--n", "2000")
    cli(*arguments)
    done = cli(*arguments, "--seed", "1", code=2)
    assert "must be empty or hold labels of this run" in done.error
    cli("directions", str(tmp_path))


def test_flags_that_mean_nothing_are_refused(
    cli: Callable[..., Done], folder: Path, tmp_path: Path
) -> None:
    done = cli("measure", str(tmp_path), "--n", "5", code=2)
    assert "--n must not be given for a folder of images" in done.error
    done = cli("measure", str(tmp_path), "--device", "abacus", code=2)
    assert "device must be one that this machine has, got abacus" in done.error
    done = cli("measure", str(folder / "sampler.safetensors"), "--attributes", "age", code=2)
    assert "--attributes must not be given for a sampler" in done.error


@pytest.mark.real
def test_zoo_lists_fetches_and_names_paths(cli: Callable[..., Done]) -> None:
    listed = cli("zoo", "list").stdout
    assert "MIT" in listed
    fetched = cli("zoo", "fetch", "expression")
    place = cli("zoo", "path", "expression").stdout.strip()
    assert Path(place).is_file()
    assert "expression" in fetched.stdout


def test_help_has_an_example(cli: Callable[..., Done]) -> None:
    for command in ("balance", "demo", "collect", "directions", "sample", "measure", "report"):
        assert f"Example: equipoise {command}" in " ".join(cli(command, "--help").stdout.split())


def test_a_mix_that_the_labels_leave_uncertain_is_named() -> None:
    grid = AttributeGrid((Attribute("smiling", ("no", "yes")),))
    one = np.array([0.5, 0.5])

    def words(low: float, high: float) -> str:
        return _doubtful(
            Calibration(
                weights=one,
                expected=one,
                low=np.array([1 - high, low]),
                high=np.array([1 - low, high]),
                distance=0.0,
                reachable=True,
                purity=one,
                calls_per_verified_image=2.0,
                measured=50,
            ),
            Target.uniform(grid),
        )

    assert words(0.49, 0.515) == ""
    assert "may come out at 30.0% to 51.0%, target 50.0%" in words(0.30, 0.51)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--target", "nonsense"), "target must be 'uniform'"),
        (("--target", "marginals: smiling=yes:1,never:1"), "never"),
        (("--generator", "typing error"), "generator must be one of digiface-dcgan, toy"),
        (("--generator", "stylegan2:nix.pkl?space=w"), "must name a file, got nix.pkl."),
        (("--generator", "toy-text:nix.csv"), "must name a file, got nix.csv."),
        (("--attributes", "smilling"), "attribute must be one of"),
    ],
)
def test_a_dry_run_finds_what_is_mistyped(
    cli: Callable[..., Done], tmp_path: Path, given: tuple[str, ...], words: str
) -> None:
    toy = ("--generator", "toy", "--out", tmp_path / "run", "--dry-run")
    done = cli("balance", *toy, *given, code=2)
    assert words in done.error
    assert not (tmp_path / "run").exists()
