"""The contexts of images, from tables and from folders."""

from pathlib import Path

import numpy as np
import pytest

from equipoise.core.errors import EquipoiseError, FileFormatError, InputError
from equipoise.labelling.contexts import contexts_of_folder, read_label_table

TABLE = """context,file_name,gender,age
a doctor,1.png,male,old
a doctor,2.png,female,young
"a nurse, smiling",3.png,female,unknown
a nurse,4.png,,old
"""


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_has_labels_and_contexts(tmp_path: Path) -> None:
    labels, contexts = read_label_table(write(tmp_path / "t.csv", TABLE))
    assert contexts == ["a doctor", "a doctor", "a nurse, smiling", "a nurse"]
    assert labels.grid.names == ("gender", "age")
    assert labels.grid.attributes[0].levels == ("female", "male")
    assert labels.levels.tolist() == [[1, 0], [0, 1], [0, -1], [-1, 0]]
    assert np.array_equal(labels.probabilities[0].sum(axis=1), [1, 1, 1, 0])


def test_named_columns_and_levels_are_used(tmp_path: Path) -> None:
    file = write(tmp_path / "t.csv", TABLE)
    labels, _ = read_label_table(file, "gender=male|female|other")
    assert labels.grid.attributes[0].levels == ("male", "female", "other")
    assert labels.levels[:, 0].tolist() == [0, 1, 1, -1]


@pytest.mark.parametrize(
    ("text", "attributes", "words"),
    [
        (TABLE, "gender=male|other", "gender in row 3 .* got female"),
        (TABLE, "skin", "must have the column 'skin' once"),
        ("gender\nmale\n", None, "must have the column 'context' once"),
        ("context,gender\n", None, "must have a row for each image"),
        ("context,gender\n ,male\n", None, "context in row 2 .* must not be empty"),
        ("context,gender\na,male\n", None, "at least two levels, got male. Name all its levels"),
        ("context,age\n" + "".join(f"a,{i}\n" for i in range(101)), None, "at most 100 levels"),
        ("context,seed\na,1\na,2\n", None, "must not be that of another column"),
    ],
)
def test_odd_tables_are_named(
    tmp_path: Path, text: str, attributes: str | None, words: str
) -> None:
    with pytest.raises(EquipoiseError, match=words):
        read_label_table(write(tmp_path / "t.csv", text), attributes)


def test_sub_folders_are_contexts(tmp_path: Path) -> None:
    for name in ("a doctor/1.png", "a nurse/deep/2.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    (tmp_path / "a judge").mkdir()
    files = sorted(tmp_path.rglob("*.png"))
    assert contexts_of_folder(tmp_path, files) == (["a doctor", "a nurse"], ["a judge"])
    with pytest.raises(InputError, match=r"image 3.png must lie in a sub-folder"):
        contexts_of_folder(tmp_path, [*files, tmp_path / "3.png"])


def test_metadata_gives_contexts(tmp_path: Path) -> None:
    file = write(tmp_path / "metadata.csv", "file_name,context\n1.png,x\n./2.png,y\n3.png,z\n")
    pictures = [tmp_path / "1.png", tmp_path / "2.png"]
    assert contexts_of_folder(tmp_path, pictures) == (["x", "y"], ["z"])
    with pytest.raises(FileFormatError, match=r"none for 4.png"):
        contexts_of_folder(tmp_path, [tmp_path / "4.png"])
    write(file, "file_name,context\n1.png,x\n1.png,y\n")
    with pytest.raises(FileFormatError, match=r"one context for 1.png"):
        contexts_of_folder(tmp_path, pictures[:1])
