"""The command that measures prompts at several values of an option."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.builders.command_line import Done


def test_guidance_is_swept_over(cli: Callable[..., Done], tmp_path: Path) -> None:
    saving = pytest.importorskip("tests.builders.text_pipelines")
    saving.save("sd", tmp_path / "sd")
    prompts, file = tmp_path / "prompts.csv", tmp_path / "sweep.json"
    prompts.write_text("id,text\nnurse,a nurse\npilot,a pilot\n")
    address = f"diffusers-text:{tmp_path / 'sd'}?prompts={prompts}&steps=2&size=16&guidance=4"
    flags = f"--generator {address} --attributes skin_tone --images 4 --out {tmp_path / 'out'}"
    done = cli("sweep", *flags.split(), "--sweep=guidance=1,3", f"--json={file}")
    assert "mean deviation ratio" in done.stdout
    record = json.loads(file.read_text())
    assert record["option"] == "guidance"
    assert [row["value"] for row in record["rows"]] == ["1", "3"]
    assert all(row["worst"] in ("nurse", "pilot", "") for row in record["rows"])


def test_a_generator_without_options_is_refused(cli: Callable[..., Done], tmp_path: Path) -> None:
    flags = f"--generator toy-text --attributes smiling --out {tmp_path}"
    done = cli("sweep", *flags.split(), "--sweep=guidance=1,3", code=2)
    assert "generator must be an address with options, got toy-text" in done.error
