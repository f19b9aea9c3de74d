import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from equipoise.audit.images import AuditImages, draw_audit_images, read_audit_images
from equipoise.classifiers import ClassifierPanel
from equipoise.classifiers.models import Models
from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.progress import Execution
from equipoise.generators.toy import ToyGenerator
from equipoise.samplers.sampler import Sampler


def copied(material: AuditImages, tmp_path: Path) -> Path:
    return Path(shutil.copytree(material.folder, tmp_path / "copy"))


def test_cells_are_even_and_levels_are_those_that_the_images_show(
    material: AuditImages, toy_panel: ClassifierPanel
) -> None:
    assert np.bincount(material.cells).tolist() == [40] * 6
    rows = list(range(0, 240, 7))
    assert np.array_equal(toy_panel.predict(material.images(rows)).levels, material.levels[rows])
    grid, levels = material.restricted(["skin_tone"])
    assert grid.names == ("skin_tone",)
    assert np.array_equal(levels[:, 0], material.levels[:, 1])


def test_nothing_is_drawn_twice(
    material: AuditImages,
    toy_sampler: Sampler,
    toy: ToyGenerator,
    toy_panel: ClassifierPanel,
    tmp_path: Path,
) -> None:
    folder, seen = copied(material, tmp_path), []
    again = draw_audit_images(
        toy_sampler,
        Models(toy, toy_panel),
        240,
        0,
        folder,
        execution=Execution(progress=lambda *told: seen.append(told)),
    )
    assert seen == [("draw", 0, 0)]
    assert again.digests == material.digests
    with pytest.raises(InputError, match="must be empty or hold draws of the same sampler"):
        draw_audit_images(toy_sampler, Models(toy, toy_panel), 240, 1, folder)


def test_bad_folders_are_refused_with_a_reason(material: AuditImages, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must be a file"):
        read_audit_images(tmp_path)
    folder = copied(material, tmp_path)
    table = (folder / "metadata.csv").read_text()
    (folder / "metadata.csv").write_text(table.replace(",no,", ",unknown,", 1))
    with pytest.raises(FileFormatError, match="none of unknown level, got 1 unknown"):
        read_audit_images(folder)
    (folder / "metadata.csv").write_text(table.replace("images/000000003", "../../etc/passwd", 1))
    with pytest.raises(FileFormatError, match="must lie in the folder"):
        read_audit_images(folder)
    (folder / "metadata.csv").write_text(table)
    (folder / material.files[3]).unlink()
    with pytest.raises(FileFormatError, match=r"000000003\.png: No such file"):
        read_audit_images(folder)
    (folder / material.files[3]).write_bytes(b"no picture")
    with pytest.raises(FileFormatError, match=r"000000003\.png: no picture"):
        read_audit_images(folder).images([2, 3])
    Image.new("RGB", (8, 8)).save(folder / material.files[3])
    with pytest.raises(FileFormatError, match=r"must have the size of the others, \(32, 32\)"):
        read_audit_images(folder).images([2, 3])
