import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

TOY = ["--generator", "toy", "--n", "2000"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from equipoise.cli import main; main()", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        env=None,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder made by the command line."""
    path = tmp_path_factory.mktemp("cli") / "run"
    done = run(
        "balance", "--out", str(path), *TOY, "--measure-n", "600", "--calibrate-n", "900",
        "--beside",        "shift", "--components", "1",
        "--distance", "1.5", "--json", str(path / "copy.json"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "KL to target" in done.stdout
    return path


def test_balance_leaves_everything(folder: Path) -> None:
    for name in ("report.html", "sampler.safetensors", "directions.safetensors", "settings.toml"):
        assert (folder / name).is_file()
    assert json.loads((folder / "copy.json").read_text()) == json.loads(
        (folder / "record.json").read_text()
    )


def test_sample_describe_measure_and_report(folder: Path, tmp_path: Path) -> None:
    sampler = str(folder / "sampler.safetensors")
    assert "target  16.67%" in run("describe", sampler).stdout
    done = run("sample", sampler, "--n", "70", "--out", str(tmp_path / "images"))
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "images" / "images").glob("*.png"))) == 70
    done = run("measure", sampler, "--n", "300", "--json", str(tmp_path / "m.json"))
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "m.json").read_text())["representation"]["n"] == 300
    done = run(
        "measure", str(tmp_path / "images"), "--attributes", "skin_tone", "--target", "uniform",
        "--json", str(tmp_path / "f.json"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "f.json").read_text())["n"] == 70
    (folder / "report.html").unlink()
    assert run("report", str(folder)).returncode == 0
    assert (folder / "report.html").is_file()


def test_collect_then_directions(tmp_path: Path) -> None:
    done = run("collect", "--out", str(tmp_path), *TOY, "--json", str(tmp_path / "c.json"))
    assert done.returncode == 0, done.stderr
    assert "2,000/2,000" in done.stderr
    done = run("directions", str(tmp_path), "--json", str(tmp_path / "d.json"))
    assert done.returncode == 0, done.stderr
    planes = json.loads((tmp_path / "d.json").read_text())["planes"]
    assert min(plane["auc"] for plane in planes) > 0.99
    assert (tmp_path / "directions.safetensors").is_file()


def test_dry_run_tells_settings_and_cost_and_does_nothing(tmp_path: Path) -> None:
    done = run("balance", "--out", str(tmp_path / "run"), "--dry-run", "--seed", "7")
    assert done.returncode == 0
    assert "24,000 generator calls" in done.stdout
    assert "digiface-dcgan" in done.stdout
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["balance", "--n", "0"], "n must be a whole number of at least 1, got 0"),
        (["balance", "--n", "-5"], "got -5"),
        (["balance", "--attributes", "beard"], "attribute must be one of"),
        (["balance", "--generator", "toy", "--attributes", "beard"], "got beard"),
        (["balance", "--method", "magic"], "method must be one of"),
        (["balance", "--dry-run", "--distance", "-1"], "distance must be above 0, got -1.0"),
        (["balance", "--dry-run", "--workers", "0"], "workers must be a whole number"),
        (["balance", "--device", "warp"], "device must be one that this machine has"),
    ],
)
def test_bad_input_is_told_in_a_sentence(arguments: list[str], said: str, tmp_path: Path) -> None:
    done = run(*arguments, "--out", str(tmp_path / "run"))
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_a_foreign_sampler_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "s.safetensors").write_bytes(b"nothing of the kind")
    done = run("sample", str(tmp_path / "s.safetensors"), "--out", str(tmp_path / "x"))
    assert done.returncode == 2
    assert "must be a whole safetensors file" in " ".join(done.stderr.split())


def test_names_in_brackets_are_not_markup(tmp_path: Path) -> None:
    out = tmp_path / "run[bold]x[/x]"
    done = run("collect", "--out", str(out), "--generator", "toy", "--n", "50")
    assert done.returncode == 0, done.stderr
    assert f"labels   {out / 'labels'}\n" in done.stdout
    done = run("collect", "--out", str(out), "--attributes", "[/x]")
    assert done.returncode == 2
    assert "got [/x]" in " ".join(done.stderr.split())


def test_a_refused_run_leaves_the_good_one_as_it_was(tmp_path: Path) -> None:
    arguments = ("collect", "--out", str(tmp_path), "--generator", "toy", "--n", "2000")
    assert run(*arguments).returncode == 0
    done = run(*arguments, "--seed", "1")
    assert done.returncode == 2
    assert "must be empty or hold labels of this run" in " ".join(done.stderr.split())
    assert run("directions", str(tmp_path)).returncode == 0


def test_flags_that_mean_nothing_are_refused(folder: Path, tmp_path: Path) -> None:
    done = run("measure", str(tmp_path), "--n", "5")
    assert done.returncode == 2
    assert "--n must not be given for a folder of images" in " ".join(done.stderr.split())
    done = run("measure", str(folder / "sampler.safetensors"), "--attributes", "age")
    assert "--attributes must not be given for a sampler" in " ".join(done.stderr.split())


def test_ctrl_c_says_what_is_kept(tmp_path: Path) -> None:
    # A shell starts what runs in the background deaf to SIGINT, and children inherit that.
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from equipoise.cli import main; main()"
    )
    arguments = ("collect", "--out", str(tmp_path), "--generator", "toy", "--n", "400000")
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stderr=subprocess.PIPE, text=True
    )
    while not list(tmp_path.glob("labels/*.parquet")):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert "Stopped. What was written is kept" in process.communicate(timeout=60)[1]
    assert process.returncode == 130


def test_zoo_lists_fetches_and_names_paths() -> None:
    listed = run("zoo", "list").stdout
    assert "MIT" in listed
    fetched = run("zoo", "fetch", "expression")
    place = run("zoo", "path", "expression").stdout.strip()
    assert Path(place).is_file()
    assert "expression" in fetched.stdout


def test_help_has_an_example() -> None:
    for command in ("balance", "demo", "collect", "directions", "sample", "measure", "report"):
        assert f"Example: equipoise {command}" in " ".join(run(command, "--help").stdout.split())
