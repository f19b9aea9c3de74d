from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from equipoise.core.errors import FileFormatError
from equipoise.measure.people.judgement import read_ratings
from equipoise.measure.people.label_studio import label_config, studio_answers, studio_tasks
from equipoise.measure.people.task import AnnotationTask, choose, read_task, write_task
from equipoise.samplers.export.metadata import read_metadata


@pytest.fixture
def folder(drawn: Path, tmp_path: Path) -> Path:
    answered = read_metadata(drawn)
    return write_task(answered, choose(answered, per_answer=1), tmp_path / "task")


@pytest.fixture
def task(folder: Path) -> AnnotationTask:
    return read_task(folder)


def answered(task: AnnotationTask) -> list[dict[str, Any]]:
    """What Label Studio exports: two raters by address and by number, one of whom skips."""

    def choice(name: str, level: str) -> dict[str, Any]:
        return {"from_name": name, "type": "choices", "value": {"choices": [level]}}

    tasks: list[dict[str, Any]] = studio_tasks(task, {})
    tasks[0]["annotations"] = [
        {
            "completed_by": {"id": 4, "email": "anna@example.org"},
            "was_cancelled": False,
            "result": [choice("smiling", "yes"), choice("tone", "dark"), {"from_name": "box"}],
        },
        {"completed_by": 7, "was_cancelled": True, "result": []},
    ]
    return tasks


def test_a_task_goes_out_blind_and_answers_come_back_the_same(task: AnnotationTask) -> None:
    answers = {
        "anna": ["yes", "dark", "unknown", "light", *[""] * 6],
        "ben": ["no"] + [""] * 9,
    }
    tasks = json.loads(json.dumps(studio_tasks(task, answers)))
    assert [t["data"]["equipoise"] for t in tasks] == list(task.images)
    assert all(set(t) == {"data", "annotations"} and len(t["data"]) == 2 for t in tasks)
    assert studio_answers(tasks, task, "x") == answers


def test_raters_are_named_by_address_or_number_and_skipped_is_unknown(task: AnnotationTask) -> None:
    found = studio_answers(answered(task), task, "x")
    assert found["anna"] == ["yes", "dark", *[""] * 8]
    assert found["rater-7"] == ["unknown", "unknown", *[""] * 8]


def test_raters_of_one_name_stay_two(task: AnnotationTask) -> None:
    tasks = answered(task)
    tasks[0]["annotations"][1]["completed_by"] = {"email": "Anna@other.org"}
    assert set(studio_answers(tasks, task, "x")) == {"anna", "Anna-2"}


def test_the_interface_is_xml_with_every_level(task: AnnotationTask) -> None:
    root = ElementTree.fromstring(label_config(task.grid))
    values = [[c.attrib["value"] for c in one] for one in root.iter("Choices")]
    assert values == [["no", "yes", "unknown"], ["dark", "light", "unknown"]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t[0]["data"].update(equipoise="../plan.json"), "must be an image of this"),
        (lambda t: t[0].pop("data"), "must be an object"),
        (lambda t: t[0].update(annotations={}), "must hold annotations"),
        (lambda t: t[0]["annotations"].append(t[0]["annotations"][0]), "must be one a rater"),
        (
            lambda t: t[0]["annotations"][0]["result"][0].update(value={"choices": ["maybe"]}),
            "smiling in task 1 of x must be one of no, yes, unknown",
        ),
        (
            lambda t: t[0].update(
                annotations=[{"completed_by": k, "result": []} for k in range(60)]
            ),
            "raters must be at most 50",
        ),
        (lambda t: t.append(3), "must be an object"),
    ],
)
def test_other_files_are_refused(task: AnnotationTask, change: Any, said: str) -> None:
    tasks = answered(task)
    change(tasks)
    with pytest.raises(FileFormatError, match=said):
        studio_answers(tasks, task, "x")
    with pytest.raises(FileFormatError, match="must hold a list"):
        studio_answers({"tasks": tasks}, task, "x")


def test_the_commands_end_in_tables_that_label_import_reads(
    folder: Path, task: AnnotationTask, cli: Any, tmp_path: Path
) -> None:
    cli("label", "export-studio", str(folder), "--out", str(tmp_path / "studio"))
    tasks = json.loads((tmp_path / "studio/tasks.json").read_text())
    tasks[0]["annotations"] = answered(task)[0]["annotations"]
    export = tmp_path / "export.json"
    export.write_text(json.dumps(tasks))
    for _ in range(2):  # Again changes nothing.
        cli("label", "import-studio", str(folder), str(export))
    ratings = read_ratings([folder / "raters/anna.csv", folder / "raters/rater-7.csv"], task)
    assert ratings[:, 0].tolist() == [[1, 0], [-1, -1]]
    tasks[0]["annotations"][0]["result"][0]["value"]["choices"] = ["no"]
    export.write_text(json.dumps(tasks))
    refused = cli("label", "import-studio", str(folder), str(export), code=2)
    assert "must be 'yes', as the rater's table has it" in " ".join(refused.stderr.split())
