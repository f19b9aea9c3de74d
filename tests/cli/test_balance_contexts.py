"""The command that balances every prompt."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from equipoise.labelling.picture_folder import find_pictures
from tests.builders.command_line import Done


def test_every_context_is_balanced_and_measured(cli: Callable[..., Done], tmp_path: Path) -> None:
    out, file = tmp_path / "jobs", tmp_path / "contexts.json"
    flags = "--generator toy-text --attributes smiling,skin_tone --n 960 --images 12 --verified"
    done = cli("balance-contexts", *flags.split(), f"--out={out}", f"--json={file}")
    assert "for an image, and 960 for labels" in done.stdout
    assert "edits    give 240 cells in 40 contexts; faithfulness is not defined" in done.stdout
    record = json.loads(file.read_text())
    assert len(record["contexts"]) == 40
    assert {tuple(mix["counts"]) for mix in record["contexts"]} == {(2,) * 6}
    again = tmp_path / "again.json"
    table = out / "metadata.csv"
    cli("measure", str(table), "--contexts", "--attributes", "smiling,skin_tone", f"--json={again}")
    assert json.loads(again.read_text())["mean"]["value"] == 0
    # The contact sheet beside them is no image of a context.
    assert (out / "pictures" / "contexts.png").is_file()
    assert len(find_pictures(out).files) == 480
    done = cli("measure", tmp_path / "nowhere", "--attributes=smiling", code=2)
    assert "what is measured must be a folder or an archive of images" in done.error


def test_prompts_give_what_they_can_and_edits_the_rest(
    cli: Callable[..., Done], tmp_path: Path
) -> None:
    flags = "--generator toy-text --attributes smiling,skin_tone --n 2800 --images 6"
    both = [*flags.split(), "--proposals", "both", f"--out={tmp_path}"]
    done = cli("balance-contexts", *both, code=2)
    assert "proposals must be edits without --verified: the mix of the prompts" in done.error
    file = tmp_path / "contexts.json"
    done = cli("balance-contexts", *both, "--verified", f"--json={file}")
    assert "faithfulness 1, as classifiers see cells, of " in done.stdout
    assert "faithfulness is not defined for edits" in done.stdout
    contexts = json.loads(file.read_text())["contexts"]
    assert {tuple(mix["counts"]) for mix in contexts} == {(1,) * 6}


def test_a_text_to_image_pipeline_is_drawn_from(cli: Callable[..., Done], tmp_path: Path) -> None:
    saving = pytest.importorskip("tests.builders.text_pipelines")
    saving.save("sd", tmp_path / "sd")
    levels = ("", "dark", "medium", "light")
    rows = [
        f"{job},a {level} {job},{level and f'skin_tone={level}'}\n"
        for job in ("nurse", "pilot")
        for level in levels
    ]
    prompts = tmp_path / "prompts.csv"
    prompts.write_text("id,text,cell\n" + "".join(rows))
    address = f"diffusers-text:{tmp_path / 'sd'}?prompts={prompts}&steps=2&size=16"
    flags = f"--generator {address} --attributes skin_tone --n 120 --images 10"
    done = cli("balance-contexts", *flags.split(), f"--out={tmp_path / 'out'}")
    assert "edits    give " in done.stdout
    assert len(list((tmp_path / "out" / "images").iterdir())) == 20


def test_a_generator_without_contexts_is_refused(cli: Callable[..., Done], tmp_path: Path) -> None:
    flags = "--generator toy --attributes smiling --n 100"
    for more in ((), ("--dry-run",)):
        done = cli("balance-contexts", *flags.split(), f"--out={tmp_path}", *more, code=2)
    few = "--generator toy-text --attributes smiling,skin_tone --n 5 --dry-run"
    assert (
        "n must be at least 240"
        in cli("balance-contexts", *few.split(), f"--out={tmp_path}", code=2).error
    )
    assert "generator must have contexts, as toy-text, diffusers-text: and StyleGAN" in done.error


def test_a_context_has_the_target_that_a_file_gives_it(
    cli: Callable[..., Done], tmp_path: Path
) -> None:
    targets, out = tmp_path / "targets.csv", tmp_path / "jobs"
    name = "a photo of a nurse"
    targets.write_text(f"context,cell,share\n{name},smiling=no,3\n{name},smiling=yes,1\n")
    flags = "--generator toy-text --attributes smiling,skin_tone --n 960 --images 12 --verified"
    json_file = tmp_path / "x.json"
    cli(
        "balance-contexts",
        *flags.split(),
        f"--target={targets}",
        f"--out={out}",
        f"--json={json_file}",
    )
    contexts = json.loads(json_file.read_text())["contexts"]
    own = [sorted(mix["counts"]) for mix in contexts if mix["name"] == name]
    assert own == [[1, 1, 1, 3, 3, 3]]
    assert {tuple(mix["counts"]) for mix in contexts if mix["name"] != name} == {(2,) * 6}
    # The same target measures what was drawn.
    flags = f"--attributes smiling,skin_tone --target {targets} --json {tmp_path / 'y.json'}"
    cli("measure", out / "metadata.csv", "--contexts", *flags.split())
    assert json.loads((tmp_path / "y.json").read_text())["mean"]["value"] == 0
