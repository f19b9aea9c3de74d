"""The steps of action.yml run as a runner of GitHub runs them, with stand-ins for pip and gh."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from equipoise.samplers.file import save_sampler
from equipoise.samplers.sampler import Sampler
from tests.builders.toy_module import toy_module

yaml = pytest.importorskip("yaml", reason="not applicable: PyYAML is missing")

ROOT = Path(__file__).parent.parent

PYTHON = f"""#!/bin/sh
if [ "$2" = pip ]; then printf '%s\\n' "$@" > "$CALLS/pip"; exit; fi
exec {shlex.quote(sys.executable)} "$@"
"""

GH = """#!/bin/sh
case "$REFUSED" in
all) exit 1 ;;
option) case "$*" in *--create-if-none*) exit 1 ;; esac ;;
esac
[ "$GH_TOKEN" = secret ] || exit 1
for body in "$@"; do :; done
cp "$body" "$CALLS/comment"
echo "$*" >> "$CALLS/gh"
"""

AUDIT = f"""#!{sys.executable}
import json, os, sys
from pathlib import Path
calls, given = Path(os.environ["CALLS"]), sys.argv[1:]
(calls / "audit").write_text(json.dumps({{"given": given, "variables": dict(os.environ)}}))
status = int(os.environ["STATUS_WANTED"])
if status in (0, 3):
    print("verdict  one issue")
    Path(given[given.index("--table") + 1]).write_text("| group | n |\\n|---|---|\\n| dark | 4 |")
    Path(given[given.index("--junit") + 1]).write_text("<testsuite/>")
sys.exit(status)
"""

REAL_AUDIT = f"#!{sys.executable}\nfrom equipoise.cli import main\nmain()\n"


@dataclass(frozen=True)
class Ended:
    """What a run of the action left."""

    status: int
    log: str
    outputs: dict[str, str]
    summary: str
    calls: Path

    @property
    def asked(self) -> dict[str, Any]:
        """Arguments and environment of `equipoise`."""
        found = json.loads((self.calls / "audit").read_text())
        assert isinstance(found, dict)
        return found

    def lines(self, name: str) -> list[str]:
        path = self.calls / name
        return path.read_text().splitlines() if path.exists() else []


Act = Callable[..., Ended]


@pytest.fixture
def act(tmp_path: Path) -> Act:
    """Run the action: `act("classifier faces", status=3, refused="all", comment="false")`."""
    workspace = tmp_path / "work space"
    workspace.mkdir()

    def run(
        audit: str,
        *,
        stand_in: str = AUDIT,
        status: int = 0,
        refused: str = "",
        number: str = "7",
        path: str = "",
        **inputs: str,
    ) -> Ended:
        home = tmp_path / f"run-{len(list(tmp_path.iterdir()))}"
        programs, calls, scratch = (home / name for name in ("programs", "calls", "scratch"))
        for folder in (programs, calls, scratch):
            folder.mkdir(parents=True)
        for name, text in (("python", PYTHON), ("gh", GH), ("equipoise", stand_in)):
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        variables = {
            "PATH": f"{programs}:/usr/bin:/bin",
            "HOME": str(home),
            "CALLS": str(calls),
            "STATUS_WANTED": str(status),
            "REFUSED": refused,
            "RUNNER_TEMP": str(scratch),
            "GITHUB_WORKSPACE": str(workspace),
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_STEP_SUMMARY": str(home / "summary"),
            "GITHUB_OUTPUT": str(home / "outputs"),
            **({"PYTHONPATH": path} if path else {}),
        }
        found = yaml.safe_load((ROOT / "action.yml").read_text())
        context = {f"inputs.{n}": given.get("default", "") for n, given in found["inputs"].items()}
        context |= {"inputs.audit": audit, "inputs.github-token": "secret"}
        context |= {f"inputs.{name.replace('_', '-')}": text for name, text in inputs.items()}
        context |= {"github.event.pull_request.number": number, "github.repository": "a/b"}

        def resolved(text: str) -> str:
            return re.sub(r"\$\{\{ (.+?) \}\}", lambda m: context.get(m[1], ""), text)

        log, code = "", 0
        for step in found["runs"]["steps"]:
            (home / "step.sh").write_text(step["run"])
            own = {name: resolved(text) for name, text in step["env"].items()}
            assert step["shell"] == "bash"
            done = subprocess.run(
                ["bash", "--noprofile", "--norc", "-eo", "pipefail", home / "step.sh"],
                cwd=workspace,
                env=variables | own,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            log, code = log + done.stdout, done.returncode
            lines = Path(variables["GITHUB_OUTPUT"])
            if "id" in step and lines.exists():
                pairs = (line.partition("=") for line in lines.read_text().splitlines())
                context |= {f"steps.{step['id']}.outputs.{key}": text for key, _, text in pairs}
            if code:
                break
        outputs = {name: resolved(one["value"]) for name, one in found["outputs"].items()}
        summary = home / "summary"
        return Ended(code, log, outputs, summary.read_text() if summary.exists() else "", calls)

    return run


@pytest.mark.parametrize("status", [0, 3])
def test_the_status_is_that_of_the_audit_and_the_table_is_commented(act: Act, status: int) -> None:
    ended = act("classifier faces", status=status)
    assert ended.status == status
    assert ended.outputs["status"] == str(status)
    assert Path(ended.outputs["junit"]).read_text() == "<testsuite/>"
    wanted = "### Audit by Equipoise\nverdict  one issue\n\n| group | n |\n|---|---|\n| dark | 4 |"
    assert (ended.calls / "comment").read_text() == ended.summary == wanted
    (called,) = ended.lines("gh")
    assert called.startswith("pr comment 7 --edit-last --create-if-none --body-file ")


def test_an_audit_that_does_not_finish_is_said_and_has_no_checks(act: Act) -> None:
    ended = act("classifier faces", status=2)
    assert (ended.status, ended.outputs) == (2, {"status": "2", "junit": ""})
    assert "The audit did not finish." in (ended.calls / "comment").read_text()


def test_a_refused_comment_warns_and_changes_no_status(act: Act) -> None:
    for status in (0, 3):
        ended = act("classifier faces", status=status, refused="all")
        assert ended.status == status
        assert "::warning::No comment was written" in ended.log
        assert "| dark | 4 |" in ended.summary


def test_an_older_gh_gets_a_plain_comment(act: Act) -> None:
    ended = act("classifier faces", refused="option")
    (called,) = ended.lines("gh")
    assert called.startswith("pr comment 7 --body-file ")
    assert "::warning::" not in ended.log


def test_no_comment_is_tried_without_a_pull_request_or_a_wish(act: Act) -> None:
    for given in ({"number": ""}, {"comment": "false"}):
        ended = act("classifier faces", **given)
        assert ended.status == 0
        assert ended.lines("gh") == []
        assert "::warning::" not in ended.log


def test_words_are_split_as_on_a_command_line_and_none_is_run(act: Act, tmp_path: Path) -> None:
    line = """classifier 'my faces' --out "a 'b'" '' '$(touch ran)' $(touch ran) `touch ran` * ; | &
        "two
lines" > ran"""
    ended = act(line, fail_on="tip")
    given = ended.asked["given"]
    wanted = ["audit", *shlex.split(line), "--fail-on", "tip", "--junit"]
    assert given[: len(wanted)] == wanted
    assert {"my faces", "a 'b'", "", "*", "$(touch", "two\nlines"} <= set(given)
    assert list((tmp_path / "work space").iterdir()) == []


def test_an_open_quote_is_named_and_nothing_is_asked(act: Act) -> None:
    ended = act("classifier 'faces")
    assert ended.status == 2
    assert "audit must be words as on a command line, got No closing quotation." in ended.log
    assert ended.lines("audit") == []


def test_the_model_sees_the_checkout_and_no_token(act: Act, tmp_path: Path) -> None:
    workspace = str(tmp_path / "work space")
    assert act("classifier faces").asked["variables"]["PYTHONPATH"] == workspace
    seen = act("classifier faces", path="/kept").asked["variables"]
    assert seen["PYTHONPATH"] == f"{workspace}:/kept"
    assert "secret" not in seen.values()


@pytest.mark.parametrize(
    ("package", "wanted"), [("", str(ROOT)), ("a b==1", "a b==1")], ids=["own", "given"]
)
def test_what_services_need_is_installed_in_tested_versions(
    act: Act, package: str, wanted: str
) -> None:
    called = act("classifier faces", package=package).lines("pip")
    constraints = str(ROOT / "constraints.txt")
    assert called[-4:] == ["-c", constraints, wanted, "equipoise[audit]"]
    assert Path(constraints).is_file()
    project = (ROOT / "pyproject.toml").read_text()
    assert re.search(r'^name = "equipoise"$', project, re.M)
    assert re.search(r'^audit = \["httpx2', project, re.M)


def test_a_model_of_the_checkout_is_audited(act: Act, tmp_path: Path, toy_sampler: Sampler) -> None:
    workspace = tmp_path / "work space"
    (workspace / "mine.py").write_text(toy_module(0.5))
    save_sampler(toy_sampler, workspace / "sampler.safetensors")
    ended = act(
        "classifier sampler.safetensors --n 240 --model mine:model --attribute smiling",
        stand_in=REAL_AUDIT,
        path=str(ROOT / "src"),
    )
    assert ended.status == 3, ended.log
    comment = (ended.calls / "comment").read_text().splitlines()
    assert comment[0] == "### Audit by Equipoise"
    assert re.match(r"verdict  \S", comment[1])
    assert comment[3].startswith("| group | n | failed | wrong | abstains | predicts yes |")
    assert any(line.startswith("| smiling=yes, skin_tone=dark |") for line in comment)
    failed = {case.get("name") for case in ET.parse(ended.outputs["junit"]).getroot() if len(case)}
    assert "error_gap:smiling" in failed
