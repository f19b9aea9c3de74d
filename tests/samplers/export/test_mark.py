"""Every exported picture says that it is synthetic, and of which draw it is."""

import io
import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from equipoise.classifiers import ClassifierPanel
from equipoise.classifiers.models import Models
from equipoise.core.synthetic_mark import SOURCE_TYPE, count_marked, packet
from equipoise.generators.toy import ToyGenerator
from equipoise.samplers.export import write_draws
from equipoise.samplers.job import DrawRequest
from equipoise.samplers.sampler import Sampler


@pytest.fixture(scope="module")
def out(
    toy_sampler: Sampler,
    toy: ToyGenerator,
    toy_panel: ClassifierPanel,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Five draws as a folder, a tar and an npz file."""
    out = tmp_path_factory.mktemp("marked")
    for name, kind in (("folder", "folder"), ("a.tar", "tar"), ("a.npz", "npz")):
        request = DrawRequest(5, seed=4)
        write_draws(toy_sampler, Models(toy, toy_panel), request, out / name, kind)
    return out


def test_pictures_of_folders_and_tars_name_generator_seed_and_index(
    out: Path, toy: ToyGenerator
) -> None:
    with tarfile.open(out / "a.tar") as archive:
        member = archive.extractfile("000000003.png")
        assert member is not None
        packed = member.read()
    single = (out / "folder" / "images" / "000000003.png").read_bytes()
    assert packed == single
    text = Image.open(io.BytesIO(single)).info["XML:com.adobe.xmp"]
    for part in (SOURCE_TYPE, f"generator {toy.name}, SHA-256 {toy.digest}", "seed 4, index 3"):
        assert part in text
    with np.load(out / "a.npz") as arrays:
        assert str(arrays["digital_source_type"]) == SOURCE_TYPE
        assert str(arrays["generator"]) == toy.name
        assert str(arrays["generator_digest"]) == toy.digest
        assert arrays["seed"].tolist() == [4] * 5


def test_marked_pictures_are_counted_among_others(out: Path, tmp_path: Path) -> None:
    picture = Image.new("RGB", (400, 400))
    picture.save(tmp_path / "plain.png")
    picture.save(tmp_path / "marked.jpg", xmp=packet().encode())
    picture.save(tmp_path / "marked.webp", xmp=packet().encode())
    files = sorted((out / "folder" / "images").iterdir())
    assert count_marked(files) == 5
    assert count_marked(sorted(tmp_path.iterdir())) == 2


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="not applicable: exiftool is missing")
def test_a_program_of_others_reads_the_mark(out: Path, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", xmp=packet('a "b" <c>', "0c").encode())
    with tarfile.open(out / "a.tar") as archive:
        (tmp_path / "member.png").write_bytes(archive.extractfile("000000003.png").read())  # type: ignore[union-attr]
    files = [out / "folder" / "images" / "000000003.png", tmp_path / "a.jpg"]
    files.append(tmp_path / "member.png")
    command = ["exiftool", "-json", "-XMP:all", *map(str, files)]
    png, jpeg, member = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert member["DigitalSourceType"] == SOURCE_TYPE
    assert member["Identifier"] == "seed 4, index 3"
    assert png["DigitalSourceType"] == jpeg["DigitalSourceType"] == SOURCE_TYPE
    assert png["Identifier"] == "seed 4, index 3"
    assert jpeg["Source"] == 'generator a "b" <c>, SHA-256 0c'
