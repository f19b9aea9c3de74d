"""A study of two generators and two targets: broken twice, whole in the end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from equipoise.core.errors import InputError
from equipoise.study.file import read_study
from equipoise.study.run import run_study
from tests.builders.command_line import Done
from tests.builders.toy_module import toy_module

STUDY = """
[settings]
attributes = ["smiling"]
method = "shift"
components = 1
distance = 1.5
n = 600
measure_n = 200
batch_size = 64

[generators]
one = "toy"
two = "toy"

[targets]
even = "uniform"
mostly = "marginals: smiling=yes:3,no:1"
[audits.smile]
model = "model_of_study:model"
attribute = "smiling"
n = 40
"""


class StoppedError(Exception):
    """Ends a study at a step."""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "study.toml"
    path.write_text(STUDY)
    (tmp_path / "model_of_study.py").write_text(toy_module(0.5))
    monkeypatch.syspath_prepend(str(tmp_path))
    return path


def test_a_study_that_is_stopped_twice_ends_as_an_unbroken_one(file: Path, tmp_path: Path) -> None:
    steps: list[tuple[str, int]] = []
    whole = run_study(file, tmp_path / "whole", lambda stage, done, _: steps.append((stage, done)))
    assert [(run.generator, run.target) for run in whole.runs] == [
        ("one", "even"),
        ("one", "mostly"),
        ("two", "even"),
        ("two", "mostly"),
    ]

    def stopping_at(step: int) -> Callable[[str, int, int], None]:
        seen = iter(range(len(steps)))

        def progress(stage: str, done: int, total: int) -> None:
            if next(seen) == step:
                raise StoppedError

        return progress

    broken = tmp_path / "broken"
    for step in (len(steps) // 4, len(steps) // 3):
        with pytest.raises(StoppedError):
            run_study(file, broken, stopping_at(step))
    run_study(file, broken)
    for name in (
        "study.json",
        "study.html",
        *(f"{r.folder}/sampler.safetensors" for r in whole.runs),
    ):
        assert (broken / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    for run in whole.runs:
        (audit,) = run.audits
        assert (audit.name, audit.worst) == ("smile", "smiling=yes")
        assert audit.error is not None
        assert audit.error.low <= 0.5 <= audit.error.high
        assert (broken / audit.folder / "audit.html").is_file()
    assert "Audits of classifiers" in (broken / "study.html").read_text()
    record = (broken / "two/mostly/record.json").read_text()
    assert '"labels_computed": 0' in record, "labels of a prior are paid for once"
    again: list[str] = []
    assert run_study(file, broken, lambda stage, *_: again.append(stage)) == whole
    assert set(again) == {"study"}
    # Another model is audited on the images that are there, and the first audit stays.
    (tmp_path / "model_of_good.py").write_text(toy_module(0))
    file.write_text(STUDY.replace("model_of_study", "model_of_good"))
    other = run_study(file, broken)
    for run, before in zip(other.runs, whole.runs, strict=True):
        assert run.audits[0].error is not None
        assert run.audits[0].error.value == 0
        assert (broken / before.audits[0].folder / "audit.json").is_file()
        assert len(list((broken / run.folder / "audits").glob("images-*"))) == 1


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('one = "toy"\ntwo = "toy"', "", "generators in study .* must name at least one"),
        (
            "[targets]",
            "[goals]",
            "goals in study .* must be one of the tables settings",
        ),
        ('one = "toy"', '"../one" = "toy"', r"\.\./one of generators in study .* under a name of"),
        ("n = 600", "n = 0", "n must be a whole number of at least 1, got 0"),
        ('attribute = "smiling"', "", "audit smile in study .* must name model and attribute"),
        ("n = 40", 'n = "40"', "audit smile in study .* must have model.* got n = '40'"),
        ("n = 40", "n = 0", "n must be a whole number of at least 1"),
        ("n = 40", "images = 40", "must have model, attribute and map.* got images = 40"),
        ("n = 600", 'target = "uniform"', r"target of settings .* Move it to \[targets\]"),
    ],
)
def test_a_study_that_breaks_a_rule_is_refused(file: Path, old: str, new: str, words: str) -> None:
    file.write_text(STUDY.replace(old, new))
    with pytest.raises(InputError, match=words):
        read_study(file)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("smiling=yes:3,no:1", "smiling=grin:3", "grin"),
        ("n = 40", 'map = "yes"', "must be pairs MODEL=AUDITED"),
    ],
)
def test_targets_and_audits_are_checked_before_the_first_run(
    file: Path, tmp_path: Path, old: str, new: str, words: str
) -> None:
    file.write_text(STUDY.replace(old, new))
    with pytest.raises(InputError, match=words):
        run_study(file, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_dry_run_says_what_each_run_costs(
    cli: Callable[..., Done], file: Path, tmp_path: Path
) -> None:
    done = cli("study", file, "--out", tmp_path / "out", "--dry-run")
    assert done.stdout.count("800") == 4
    assert not (tmp_path / "out").exists()


def test_the_example_names_six_runs() -> None:
    example = Path(__file__).parents[1] / "examples/study.toml"
    assert len(read_study(example).runs) == 6
