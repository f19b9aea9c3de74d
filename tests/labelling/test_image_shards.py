"""Labels of images in files and in tars are the same on any engine, and are resumed."""

import io
import json
import tarfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from equipoise.classifiers import ClassifierPanel
from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.folders import LocalFolder, open_folder
from equipoise.core.progress import Execution
from equipoise.core.synthetic_mark import packet
from equipoise.engines import OnExecutor
from equipoise.generators.toy import ToyGenerator
from equipoise.labelling import image_shards
from equipoise.labelling.image_files import label_files
from equipoise.labelling.image_shards import (
    PanelAddress,
    files_digest,
    label_images,
    webdataset_tars,
)
from equipoise.samplers.export.png import png
from equipoise.samplers.file import save_sampler
from equipoise.samplers.sampler import Sampler
from tests.builders.command_line import Done
from tests.builders.stores import flaky_store


class ToyAddress(PanelAddress):
    """The toy's panel, which has no name without its generator."""

    panel: ClassifierPanel

    def open(self) -> ClassifierPanel:
        return ToyAddress.panel


@pytest.fixture
def address(toy_panel: ClassifierPanel) -> ToyAddress:
    ToyAddress.panel = toy_panel
    return ToyAddress(toy_panel.grid.names, ())


@pytest.fixture
def files(toy: ToyGenerator, tmp_path: Path) -> list[Path]:
    (tmp_path / "images").mkdir()
    images = toy.images(toy.prior.codes(0, 0, 11))
    for number, image in enumerate(images):
        (tmp_path / "images" / f"{number:03d}.png").write_bytes(png(image, packet()))
    return sorted((tmp_path / "images").iterdir())


def write_tars(files: list[Path], folder: Path, size: int = 4) -> None:
    folder.mkdir()
    for number, start in enumerate(range(0, len(files), size)):
        with tarfile.open(folder / f"{number:05d}.tar", "w") as tar:
            for file in files[start : start + size]:
                tar.add(file, file.name)
                tar.addfile(tarfile.TarInfo(f"{file.stem}.json"), io.BytesIO())


def test_labels_of_files_are_those_of_threads_on_an_engine_and_are_kept(
    files: list[Path],
    address: ToyAddress,
    toy_panel: ClassifierPanel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(image_shards, "FILES", 4)
    wanted = label_files(files, toy_panel)
    images, names = LocalFolder(tmp_path / "images"), [file.name for file in files]
    home, digest = LocalFolder(tmp_path / "kept"), files_digest(files)
    with ThreadPoolExecutor(2) as executor:
        on = Execution(engine=OnExecutor(executor, 2))
        found, _ = label_images(images, names, digest, address, home, tars=False, execution=on)
    assert np.array_equal(found.scores, wanted.scores)
    for file in files:
        file.unlink()
    again, _ = label_images(images, names, digest, address, home, tars=False)
    assert np.array_equal(again.scores, wanted.scores)
    assert not list((tmp_path / "kept").glob("images-*"))
    with pytest.raises(InputError, match="must be empty or hold labels of these images"):
        label_images(images, names, "other", address, home, tars=False)
    elsewhere = ToyAddress(address.attributes, (), "cuda:1")
    with pytest.raises(InputError, match="device: cuda"):
        label_images(images, names, digest, elsewhere, home, tars=False)
    mixed = ToyAddress(address.attributes, (), "cuda:1", mixed_devices=True)
    found, _ = label_images(images, names, digest, mixed, home, tars=False)
    assert np.array_equal(found.scores, wanted.scores)


def test_labels_of_tars_are_those_of_their_images_in_a_store_too(
    files: list[Path], address: ToyAddress, toy_panel: ClassifierPanel, tmp_path: Path
) -> None:
    wanted = label_files(files, toy_panel)
    write_tars(files, tmp_path / "tars")
    with flaky_store() as store:
        remote = open_folder("flaky://bucket/tars")
        for path in (tmp_path / "tars").iterdir():
            with remote.writing(path.name) as part:
                part.write_bytes(path.read_bytes())
        store.every = 5
        for images, home in (
            (LocalFolder(tmp_path / "tars"), LocalFolder(tmp_path / "labels")),
            (remote, open_folder("flaky://bucket/labels")),
        ):
            names, digest = webdataset_tars(images)
            assert names == ["00000.tar", "00001.tar", "00002.tar"]
            found, marked = label_images(images, names, digest, address, home, tars=True)
            assert np.array_equal(found.scores, wanted.scores)
            assert marked == len(files)


def test_marks_in_tars_are_counted_on_an_engine_and_without_the_tars_again(
    files: list[Path], address: ToyAddress, toy: ToyGenerator, tmp_path: Path
) -> None:
    for path, image in zip(files[:7], toy.images(toy.prior.codes(0, 0, 7)), strict=True):
        path.write_bytes(png(image, ""))
    write_tars(files, tmp_path / "tars")
    images, home = LocalFolder(tmp_path / "tars"), LocalFolder(tmp_path / "kept")
    names, digest = webdataset_tars(images)
    with ThreadPoolExecutor(2) as executor:
        on = Execution(engine=OnExecutor(executor, 2))
        _, marked = label_images(images, names, digest, address, home, tars=True, execution=on)
    assert marked == 4
    for path in images.path.iterdir():
        path.unlink()
    assert label_images(images, names, digest, address, home, tars=True)[1] == 4


def test_marks_are_not_known_where_an_older_version_kept_the_labels(
    files: list[Path], address: ToyAddress, tmp_path: Path
) -> None:
    write_tars(files, tmp_path / "tars")
    images, home = LocalFolder(tmp_path / "tars"), LocalFolder(tmp_path / "kept")
    names, digest = webdataset_tars(images)
    label_images(images, names, digest, address, home, tars=True)
    path = home.path / "labels-00001.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["=marked"]), path)
    (home.path / "labels-00001.done.json").unlink()
    assert label_images(images, names, digest, address, home, tars=True)[1] is None


def test_a_tar_that_was_replaced_is_another_whatever_its_size(
    files: list[Path], tmp_path: Path
) -> None:
    write_tars(files, tmp_path / "tars")
    images = LocalFolder(tmp_path / "tars")
    before = webdataset_tars(images)
    assert webdataset_tars(images) == before
    path = images.path / "00001.tar"
    content = path.read_bytes()
    path.write_bytes(bytes(len(content)))
    after = webdataset_tars(images)
    assert after[0] == before[0] and after[1] != before[1]


def test_a_broken_tar_and_a_broken_image_in_one_are_named(
    files: list[Path], address: ToyAddress, tmp_path: Path
) -> None:
    files[2].write_bytes(b"no picture")
    write_tars(files, tmp_path / "tars", size=11)
    tar = tmp_path / "tars" / "00000.tar"
    for content, error in (
        (tar.read_bytes(), r"image .*00000\.tar, 002\.png must be a whole, opaque picture"),
        (b"x" * 1024, r"tar .*00000\.tar must be a whole tar"),
        (bytes(10240), r"tar .*00000\.tar must hold images"),
    ):
        tar.write_bytes(content)
        images = LocalFolder(tmp_path / "tars")
        with pytest.raises(FileFormatError, match=error):
            label_images(
                images, *webdataset_tars(images), address, LocalFolder(tmp_path / "out"), tars=True
            )


def test_an_export_is_measured_when_it_is_finished(
    cli: Callable[..., Done], toy_sampler: Sampler, tmp_path: Path
) -> None:
    out, file = tmp_path / "out", tmp_path / "sampler.safetensors"
    save_sampler(toy_sampler, file)
    cli("sample", file, "--n", 9, "--format=webdataset", "--shard-size=4", "--out", out)
    given = ("measure", out, "--attributes=skin_tone", "--target=uniform")
    done = cli(*given, "--json", tmp_path / "m.json")
    assert "origin   9 of 9 pictures say that they are synthetic" in done.stdout
    assert json.loads((tmp_path / "m.json").read_text())["n"] == 9
    assert "--skip-broken must not be given for tars" in cli(*given, "--skip-broken", code=2).error
    (out / "00001.done.json").unlink()
    error = cli(*given, code=2).error
    assert "must be finished: 9 images in tars that have completion records, got 5 images" in error
