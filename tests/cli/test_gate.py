"""The end of an audit in continuous integration, on recorded answers to draws of the toy."""

import csv
import socket
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from equipoise.samplers.file import save_sampler
from equipoise.samplers.sampler import Sampler
from tests.builders.command_line import Done

Run = Callable[..., Done]

GONE = """
name = "gone"

[request]
service = "a server that was stopped"
url = "http://127.0.0.1:{port}/faces"
upload = "raw"

[picture]
format = "png"

[limits]
retries = 0

[[attribute]]
name = "smiling"
levels = ["no", "yes"]
probability = "smile"
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, toy_sampler: Sampler) -> Path:
    home = tmp_path_factory.mktemp("gate")
    save_sampler(toy_sampler, home / "sampler.safetensors")
    return home


@pytest.fixture(scope="module")
def answered(home: Path, cli: Run) -> Path:
    """The blind set, answered rightly in right.csv, and by one model that fails on dark skin."""
    cli(
        *("audit", "export-set", str(home / "sampler.safetensors"), "--n", "240"),
        *("--to", str(home / "set"), "--out", str(home / "audit")),
    )
    with (home / "audit" / "material" / "metadata.csv").open() as file:
        rows = list(csv.DictReader(file))
    for name, answers_dark in (("right", True), ("failing", False)):
        lines = ["file_name,label"]
        for row in rows:
            known = answers_dark or row["skin_tone"] != "dark"
            lines.append(f"{row['file_name']},{row['smiling'] if known else ''}")
        (home / f"{name}.csv").write_text("\n".join(lines))
    return home


def ask(cli: Run, home: Path, name: str, *more: str, code: int) -> Done:
    """Run `audit answers` on recorded answers, and expect an exit status."""
    return cli(
        *("audit", "answers", str(home / f"{name}.csv"), "--attribute", "smiling"),
        *("--set", str(home / "audit" / "material"), "--out", str(home / name), *more),
        code=code,
    )


def test_a_model_at_fault_fails_the_gate_and_a_clean_one_passes(answered: Path, cli: Run) -> None:
    junit = answered / "checks.xml"
    more = ("--fail-on", "issue", "--junit", str(junit))
    done = ask(cli, answered, "failing", *more, code=3)
    assert "gate     failed: failure_gap:" in done.stdout
    suite = ET.parse(junit).getroot()
    failed = {case.get("name") for case in suite if case.find("failure") is not None}
    assert failed == {"failure_gap:cells", "failure_gap:skin_tone"}
    assert int(suite.get("failures", "")) == 2
    ask(cli, answered, "right", *more, code=0)
    assert ET.parse(junit).getroot().get("failures") == "0"


def test_without_a_gate_an_issue_is_no_error(answered: Path, cli: Run) -> None:
    ask(cli, answered, "failing", "--table", str(answered / "rates.md"), code=0)
    table = (answered / "rates.md").read_text().splitlines()
    assert table[0].startswith("| group | n | failed | wrong | abstains | predicts yes |")
    assert len(table) == 2 + 6 + 2 + 3


def test_what_cannot_be_audited_neither_fails_nor_passes(answered: Path, cli: Run) -> None:
    (answered / "other.csv").write_text("file_name,label\nelsewhere.png,yes\na.png,no\n")
    junit = answered / "none.xml"
    ask(cli, answered, "other", "--fail-on", "tip", "--junit", str(junit), code=2)
    assert not junit.exists()


def test_wrong_answers_are_undecided_by_a_classifier_s_labels_and_fail_that_gate(
    answered: Path, cli: Run
) -> None:
    rows = (answered / "right.csv").read_text().splitlines()
    with (answered / "audit" / "material" / "metadata.csv").open() as file:
        dark = [row["skin_tone"] == "dark" for row in csv.DictReader(file)]
    other = {"yes": "no", "no": "yes"}
    for i, (row, is_dark) in enumerate(zip(rows[1:], dark, strict=True), start=1):
        name, label = row.split(",")
        rows[i] = f"{name},{other[label] if is_dark and i % 5 < 2 else label}"
    (answered / "wrong.csv").write_text("\n".join(rows))
    junit = answered / "wrong.xml"
    ask(cli, answered, "wrong", "--fail-on", "issue", code=0)
    done = ask(cli, answered, "wrong", "--fail-on", "undecided", "--junit", str(junit), code=3)
    assert "gate     failed: error_gap:" in done.stdout
    failed = {
        case.get("name") for case in ET.parse(junit).getroot() if case.find("failure") is not None
    }
    assert {"error_gap:cells", "error_gap:skin_tone"} <= failed


def test_a_service_that_does_not_answer_neither_fails_nor_passes(answered: Path, cli: Run) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    (answered / "gone.toml").write_text(GONE.format(port=port))
    junit = answered / "gone.xml"
    done = cli(
        *("audit", "classifier", str(answered / "audit" / "material"), "--attribute", "smiling"),
        *("--model", str(answered / "gone.toml"), "--out", str(answered / "gone")),
        *("--fail-on", "tip", "--junit", str(junit)),
        code=2,
    )
    assert "service 'gone' must answer" in done.error
    assert not junit.exists()
