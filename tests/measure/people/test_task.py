import csv
import json
import os
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from equipoise.classifiers import ClassifierPanel
from equipoise.classifiers.models import Models
from equipoise.core.attributes import Attribute, AttributeGrid
from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.synthetic_mark import is_marked, packet
from equipoise.generators.toy import ToyGenerator
from equipoise.measure.people.task import (
    AnnotationTask,
    Chosen,
    check_drawn_by,
    choose,
    read_task,
    read_with_panel,
    write_task,
)
from equipoise.samplers.export import write_draws
from equipoise.samplers.export.metadata import read_metadata
from equipoise.samplers.export.png import png
from equipoise.samplers.job import DrawRequest
from equipoise.samplers.sampler import Sampler
from tests.builders.schemas import assert_valid


def export(drawn: Path, out: Path, **sizes: int) -> Path:
    answered = read_metadata(drawn)
    return write_task(answered, choose(answered, **sizes), out)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def row_of_image(path: Path) -> int:
    """Return which drawn image this is, by its grey."""
    with Image.open(path) as image:
        return int(np.asarray(image)[0, 0, 0]) // 4


def test_each_answer_gives_its_number_and_all_of_it_when_it_has_fewer(drawn: Path) -> None:
    answered = read_metadata(drawn)
    chosen = choose(answered, per_answer=5)
    assert chosen.counts.tolist() == [3, 30, 12, 12, 3]
    assert np.bincount(chosen.stratum).tolist() == [3, 5, 5, 5, 3]
    assert len(set(chosen.rows.tolist())) == 21
    assert (answered.levels[chosen.rows] == chosen.answers[chosen.stratum]).all()


def test_every_image_of_an_answer_is_as_likely(drawn: Path) -> None:
    answered = read_metadata(drawn)
    found = np.zeros(60)
    for seed in range(600):
        found[choose(answered, per_answer=6, seed=seed).rows] += 1
    assert np.abs(found[:30] / 600 - 0.2).max() < 0.07
    assert np.abs(found[30:54] / 600 - 0.5).max() < 0.09


def test_the_seed_names_the_choice_and_its_order(drawn: Path) -> None:
    answered = read_metadata(drawn)
    first, again, other = (choose(answered, per_answer=5, seed=s).rows for s in (1, 1, 2))
    assert first.tolist() == again.tolist()
    assert first.tolist() != other.tolist()


def test_a_plain_sample_is_over_all(drawn: Path) -> None:
    answered = read_metadata(drawn)
    assert len(choose(answered, at_random=20).rows) == 20
    assert len(choose(answered, at_random=500).rows) == 60


@pytest.mark.parametrize("sizes", [{}, {"per_answer": 1, "at_random": 1}, {"per_answer": 0}])
def test_sizes_are_checked(drawn: Path, sizes: dict[str, int]) -> None:
    with pytest.raises(InputError, match="per_answer"):
        choose(read_metadata(drawn), **sizes)


def test_raters_are_told_nothing_of_the_answers(drawn: Path, tmp_path: Path) -> None:
    out = export(drawn, tmp_path / "out", per_answer=5)
    table = rows_of(out / "to_label.csv")
    names = [f"images/{i:04d}.png" for i in range(1, 22)]
    assert [row["image"] for row in table] == names
    assert {row["smiling"] + row["tone"] for row in table} == {""}
    assert [p.name for p in sorted((out / "images").iterdir())] == [Path(n).name for n in names]
    # An order by answer would let a rater guess it: the answers must come mixed.
    answers = [row["stratum"] for row in rows_of(out / "answers.csv")]
    assert sum(a != b for a, b in pairwise(answers)) > 10
    with Image.open(out / "images" / "0001.png") as image:
        assert not image.info
    said = (out / "how_to_label.txt").read_text()
    assert "smiling: no, yes" in said
    assert "000" not in said
    with Image.open(out / "sheets" / "sheet-001.png") as sheet:
        assert sheet.size[0] > 900


def test_images_of_marked_sources_and_their_sheets_are_marked_and_name_no_draw(
    drawn: Path, tmp_path: Path
) -> None:
    for path in (drawn / "images").iterdir():
        if 4 <= int(path.stem) < 8:
            with Image.open(path) as image:
                grey = np.asarray(image).transpose(2, 0, 1)
            path.write_bytes(png(grey, packet("secret", "0c", 77, int(path.stem))))
    out = export(drawn, tmp_path / "out", at_random=60)
    files = sorted((out / "images").iterdir())
    marked = [path for path in files if is_marked(path.read_bytes())]
    assert {row_of_image(path) for path in marked} == {4, 5, 6, 7}
    for path in marked:
        with Image.open(path) as image:
            assert image.info["XML:com.adobe.xmp"] == packet()
            assert set(image.info) <= {"XML:com.adobe.xmp", "xmp"}
        assert b"secret" not in path.read_bytes()
    sheets = sorted((out / "sheets").iterdir())
    wanted = [any(path in marked for path in files[low : low + 30]) for low in (0, 30)]
    assert [is_marked(path.read_bytes()) for path in sheets] == wanted


def test_a_sheet_of_photographs_after_one_of_synthetic_images_is_not_marked(
    drawn: Path, tmp_path: Path
) -> None:
    rows = np.arange(60)
    answered = read_metadata(drawn)
    for row in rows[:30]:
        path = drawn / answered.files[row]
        with Image.open(path) as image:
            path.write_bytes(png(np.asarray(image).transpose(2, 0, 1), packet()))
    chosen = Chosen(rows, np.zeros(60, np.int64), answered.levels[:1], np.array([60]))
    out = write_task(answered, chosen, tmp_path / "out")
    sheets = sorted((out / "sheets").iterdir())
    assert [is_marked(path.read_bytes()) for path in sheets] == [True, False]


def test_answers_go_with_the_images(drawn: Path, tmp_path: Path) -> None:
    out = export(drawn, tmp_path / "out", per_answer=5)
    source = rows_of(drawn / "metadata.csv")
    for row in rows_of(out / "answers.csv"):
        original = source[row_of_image(out / row["image"])]
        assert row["source"] == f"./{original['file_name']}"
        assert (row["smiling"], row["tone"]) == (original["smiling"], original["tone"])
    assert_valid(out / "plan.json", "task")
    task = read_task(out)
    assert task.counts.sum() == 60
    assert task.grid == read_metadata(drawn).grid


def test_images_of_anybody_are_read_by_the_panel(
    toy: ToyGenerator, toy_panel: ClassifierPanel, tmp_path: Path
) -> None:
    codes = toy.prior.codes(5, 0, 40)
    (tmp_path / "in").mkdir()
    for i, image in enumerate(toy.images(codes)):
        Image.fromarray(image.transpose(1, 2, 0)).save(tmp_path / "in" / f"=a{i:02d}.png")
    # A name that is not UTF-8, as old Windows wrote it.
    (tmp_path / "in" / "=a00.png").rename(os.fsdecode(os.fsencode(tmp_path) + b"/in/=a\xe4.png"))
    answered = read_with_panel(tmp_path / "in", sorted((tmp_path / "in").iterdir()), toy_panel)
    columns = [toy.grid.attribute(name) for name in toy_panel.grid.names]
    assert np.array_equal(answered.levels, np.roll(toy.levels(codes), -1, 0)[:, columns])
    out = write_task(answered, choose(answered, at_random=40), tmp_path / "out")
    sources = [row["source"] for row in rows_of(out / "answers.csv")]
    assert "./=a\\xe4.png" in sources
    assert all(source.startswith("./=a") for source in sources)


def test_what_drew_images_is_told_of_answers_of_the_same_panel_alone(
    toy: ToyGenerator, toy_panel: ClassifierPanel, toy_sampler: Sampler, tmp_path: Path
) -> None:
    write_draws(toy_sampler, Models(toy, toy_panel), DrawRequest(8), tmp_path)
    told = read_metadata(tmp_path)
    assert toy_sampler.digest in told.draws
    assert told.panel == toy_panel.digest
    files = sorted((tmp_path / "images").iterdir())
    assert read_with_panel(tmp_path, files, toy_panel).draws == told.draws
    unsure = ClassifierPanel(toy_panel.classifiers, toy_panel.grid.names, abstain_below=0.7)
    assert read_with_panel(tmp_path, files, unsure).draws == ""


def test_attributes_may_be_picked(drawn: Path) -> None:
    assert read_metadata(drawn, ["tone"]).grid.names == ("tone",)
    with pytest.raises(InputError, match="must be one of smiling, tone, got beard"):
        read_metadata(drawn, ["beard"])


def test_a_full_folder_is_refused(drawn: Path, tmp_path: Path) -> None:
    export(drawn, tmp_path / "out", at_random=2)
    with pytest.raises(InputError, match="must be empty"):
        export(drawn, tmp_path / "out", at_random=2)


def change(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text().replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("images/000000002.png", "../../secret.png", "row 4 of .* must lie in the folder"),
        ("images/000000002.png", "/etc/passwd", "row 4 of .* must lie in the folder"),
        (",no,0.5", ",maybe,0.5", "smiling in row 2 .* one of no, yes, unknown, got maybe"),
        ("file_name", "name", "must have the column 'file_name' once"),
        (",no,0.5", ",no,0.5,9", "row 2 of .* must have 9 values, got 10"),
    ],
)
def test_hostile_metadata_is_refused(drawn: Path, old: str, new: str, said: str) -> None:
    change(drawn / "metadata.csv", old, new)
    with pytest.raises(FileFormatError, match=said):
        read_metadata(drawn)


def test_metadata_without_images_is_told(drawn: Path) -> None:
    path = drawn / "metadata.csv"
    path.write_text(path.read_text().splitlines()[0] + "\n")
    with pytest.raises(InputError, match="must list images"):
        read_metadata(drawn)


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("plan.json", '"format": 1', '"format": 2', "1, got 2"),
        ("plan.json", "{", "[", "readable JSON"),
        ("plan.json", "-1", "7", "a whole plan, got answers that are no level"),
        ("plan.json", '"counts"', '"other"', "there, got none"),
        (
            "answers.csv",
            "images/0002.png",
            "images/0001.png",
            "a whole plan, got rows of answers.csv",
        ),
    ],
)
def test_a_damaged_plan_is_refused(
    drawn: Path, tmp_path: Path, name: str, old: str, new: str, said: str
) -> None:
    out = export(drawn, tmp_path / "out", at_random=20)
    change(out / name, old, new)
    with pytest.raises(FileFormatError, match=f"plan .* must be {said}"):
        read_task(out)


def test_a_task_that_was_stopped_leaves_nothing(drawn: Path, tmp_path: Path) -> None:
    answered, out = read_metadata(drawn), tmp_path / "task"
    chosen = choose(answered, per_answer=5)

    def stop(stage: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_task(answered, chosen, out, progress=stop)
    assert not list(out.iterdir())
    write_task(answered, chosen, out)


@pytest.mark.parametrize(
    ("draws", "sampler", "names", "fits"),
    [
        ({"sampler": "a", "cell": None, "verified": False}, "a", ("smiling",), True),
        ({"sampler": "b", "cell": None, "verified": False}, "a", ("smiling",), False),
        ({"sampler": "a", "cell": None, "verified": True}, "a", ("smiling",), False),
        ({"sampler": "a", "cell": "smiling=no", "verified": False}, "a", ("smiling",), False),
        ({"sampler": "a", "cell": None, "verified": False}, "a", ("smiling", "age"), False),
        ([], "a", ("smiling",), False),
        (None, "a", ("smiling",), False),
    ],
)
def test_labels_go_into_the_run_that_drew_their_images(
    draws: object, sampler: str, names: tuple[str, ...], fits: bool
) -> None:
    grid = AttributeGrid((Attribute("smiling", ("no", "yes")),))
    told = "" if draws is None else json.dumps(draws)
    empty = np.zeros(0, np.int64)
    task = AnnotationTask(grid, np.zeros((0, 1), np.int8), empty, (), empty, told)
    with nullcontext() if fits else pytest.raises(InputError, match="run must be the run"):
        check_drawn_by(task, sampler, names)
