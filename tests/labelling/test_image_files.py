from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from equipoise.classifiers import ClassifierPanel
from equipoise.core.errors import FileFormatError, InputError
from equipoise.generators.toy import ToyGenerator
from equipoise.labelling.image_files import equal_sizes, label_files
from equipoise.labelling.picture_folder import find_pictures


def write_images(toy: ToyGenerator, folder: Path, n: int) -> np.ndarray:
    codes = toy.prior.codes(5, 0, n)
    for i, image in enumerate(toy.images(codes)):
        (folder / f"{i % 3}").mkdir(exist_ok=True, parents=True)
        picture = Image.fromarray(image.transpose(1, 2, 0))
        picture.save(folder / f"{i % 3}" / f"{i:04d}.png")
    return toy.levels(codes)


def test_labels_are_the_truth_of_each_file(
    toy: ToyGenerator, toy_panel: ClassifierPanel, tmp_path: Path
) -> None:
    truth = write_images(toy, tmp_path, 200)
    files = find_pictures(tmp_path).files
    labels = label_files(files, toy_panel)
    order = [int(path.stem) for path in files]
    columns = [toy.grid.attribute(name) for name in toy_panel.grid.names]
    assert np.array_equal(labels.levels, truth[order][:, columns])


def test_sizes_may_differ(toy: ToyGenerator, toy_panel: ClassifierPanel, tmp_path: Path) -> None:
    write_images(toy, tmp_path, 10)
    Image.new("RGB", (50, 40)).save(tmp_path / "0" / "0000a.png")
    assert len(label_files(find_pictures(tmp_path).files, toy_panel)) == 11


def test_no_images_and_bad_images_are_named(toy_panel: ClassifierPanel, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must hold images"):
        find_pictures(tmp_path)
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n half a picture")
    with pytest.raises(FileFormatError, match=r"a\.png must be a whole, opaque picture"):
        label_files(find_pictures(tmp_path).files, toy_panel)


def test_a_file_that_pillow_would_start_a_program_for_is_no_picture(
    toy_panel: ClassifierPanel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("subprocess.check_call", lambda *_, **__: pytest.fail("a program"))
    head = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n%%EOF\n"
    (tmp_path / "x.png").write_bytes(head)
    with pytest.raises(FileFormatError, match=r"x\.png must be a whole, opaque picture"):
        label_files(find_pictures(tmp_path).files, toy_panel)


def test_pictures_are_read_together_up_to_some_bytes_alone() -> None:
    small, large = np.zeros((3, 8, 8), np.uint8), np.zeros((3, 4000, 3000), np.uint8)
    runs = [len(run) for run in equal_sizes(iter([small] * 5 + [large] * 2 + [small]))]
    assert runs == [5, 1, 1, 1]
    assert list(equal_sizes([])) == []
