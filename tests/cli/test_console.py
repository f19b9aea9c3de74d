"""What a terminal, a log and a program see: tables, progress, errors."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from equipoise.cli import console
from equipoise.cli.console import print_table
from tests.builders import command_line
from tests.builders.command_line import Done


@pytest.mark.parametrize("width", [80, 100])
def test_columns_of_single_words_are_not_broken(width: int) -> None:
    text = io.StringIO()
    code = "flip_beyond_reencoding:skin_tone"
    rows = [("not applicable", code, "as many words as there are " * 12), ("tip", "b", "c" * 90)]
    console = Console(file=text, width=width)
    print_table(console, ("outcome", "check", "answer"), rows)
    assert code in text.getvalue()
    assert text.getvalue().replace("\n", "").count("c") >= 90


LABEL = ("collect", "--generator", "toy", "--attributes", "smiling", "--n", "300", "--out")


def test_progress_for_machines_is_json_lines(cli: Callable[..., Done], tmp_path: Path) -> None:
    done = cli("--progress", "json", *LABEL, tmp_path / "run")
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert {line["stage"] for line in lines} == {"label"}
    assert (lines[-1]["done"], lines[-1]["total"]) == (300, 300)
    assert all(line["seconds"] >= 0 for line in lines)
    assert "n = 300" in done.stdout


@pytest.mark.parametrize("kind", ["auto", "json"])
def test_a_stage_that_begins_again_has_a_clock_of_its_own(
    kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two draws follow each other: 100 images in 50 s, then 50 of 100 in 5 s."""
    now = iter((0.0, 50.0, 1000.0, 1005.0))
    times: list[float] = []

    def clock() -> float:
        return times[-1]

    monkeypatch.setattr(console, "shown", replace(console.shown, progress=kind))
    monkeypatch.setattr(console, "_SECONDS_BETWEEN_LINES", 1)
    monkeypatch.setattr(console.time, "monotonic", clock)
    with console.bars() as progress:
        for done in (0, 100, 0, 50):
            times.append(next(now))
            progress("draw", done, 100)
    lines = capsys.readouterr().err.splitlines()
    if kind == "json":
        assert [json.loads(line)["seconds"] for line in lines] == [0, 50, 0, 5]
    else:
        assert lines[1].endswith("100/100, 0.5 s each, 0 s left")
        assert lines[2:] == ["draw     0/100", "draw     50/100, 10/s, 5 s left"]


def test_quiet_prints_errors_alone(cli: Callable[..., Done], tmp_path: Path) -> None:
    done = cli("--quiet", *LABEL, tmp_path / "run")
    assert (done.stdout, done.stderr) == ("", "")
    assert (tmp_path / "run" / "labels").is_dir()
    assert "Error: n must be" in cli("--quiet", "balance", "--n", "0", "--out", "x", code=2).stderr
    done = cli("--quiet", "--progress", "json", *LABEL, tmp_path / "other")
    assert not done.stdout and json.loads(done.stderr.splitlines()[-1])["done"] == 300
    assert cli("zoo", "path", "age").stdout, "the next command speaks again"


def test_verbose_shows_where_an_error_was_raised(cli: Callable[..., Done], tmp_path: Path) -> None:
    command = ("balance", "--n", "0", "--out", str(tmp_path / "run"))
    with pytest.raises(AssertionError, match="Traceback"):
        cli("--verbose", *command, code=2)
    assert "Traceback" not in cli(*command, code=2).stderr


def test_another_progress_is_refused(cli: Callable[..., Done]) -> None:
    done = cli("--progress", "xml", "zoo", "list", code=2)
    assert "--progress must be one of auto, json, none, got xml" in done.stderr


def test_an_error_leaves_paths_whole(
    cli: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a log, a path that is broken over lines can neither be found nor copied."""
    monkeypatch.setattr(command_line, "WIDTH", 40)
    path = tmp_path / ("a long name with blanks " * 4) / "sampler.safetensors"
    done = cli("describe", path, code=2)
    assert str(path) in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("refused", [True, False])
def test_no_color_is_obeyed(refused: bool) -> None:
    program = "from equipoise.cli import main; main()"
    environment = {**os.environ, "FORCE_COLOR": "1", "TERM": "xterm-256color", "NO_COLOR": ""}
    done = subprocess.run(
        [sys.executable, "-c", program, "--progress", "xml", "zoo", "list"],
        env={**environment, "NO_COLOR": "1"} if refused else environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ("\x1b[1;31mError" in done.stderr) is not refused
    assert "must be one of auto, json, none" in done.stderr
