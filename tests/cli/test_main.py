"""The program in a process of its own: what the `cli` fixture, in this process, cannot show."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.builders.processes import start

PROGRAM = "from equipoise.cli import main; main()"


def test_errors_end_the_process_with_a_sentence_and_code_2(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "balance", "--n", "0", "--out", str(tmp_path / "run")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "n must be a whole number of at least 1, got 0" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_a_terminal_that_is_not_utf_8_shows_the_figures(tmp_path: Path) -> None:
    (tmp_path / "Zürich.csv").write_text("smiling,share\nno,1\nyes,3\n")
    words = ("plan", "--attributes", "smiling", "--half-width", ".02")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words, "--target", str(tmp_path / "Zürich.csv")],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode == 0, done.stderr
    assert b"Z?rich.csv" in done.stdout and b"images " in done.stdout


def test_ctrl_c_says_what_is_kept(tmp_path: Path) -> None:
    given = ("collect", "--out", tmp_path, "--generator", "toy", "--n", 400_000)
    process = start(*given, out=tmp_path / "said.txt")
    while not list(tmp_path.glob("labels/*.parquet")):
        time.sleep(0.05)
    assert process.pid
    os.kill(process.pid, signal.SIGINT)
    process.join(60)
    assert process.exitcode == 130
    assert "Stopped. What was written is kept" in (tmp_path / "said.txt").read_text()


def test_the_shell_completes_commands() -> None:
    asked = {"_EQUIPOISE_COMPLETE": "complete_bash", "COMP_CWORD": "1"}
    done = subprocess.run(
        [str(Path(sys.executable).with_name("equipoise"))],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **asked, "COMP_WORDS": "equipoise bal"},
    )
    assert done.stdout.split() == ["balance", "balance-contexts"]
