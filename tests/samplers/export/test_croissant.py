"""Exports are described in Croissant, as its own library reads it."""

import json
from importlib import import_module
from pathlib import Path

import pytest

from equipoise.classifiers import ClassifierPanel
from equipoise.classifiers.models import Models
from equipoise.core.errors import InputError
from equipoise.core.files import digest_of
from equipoise.core.progress import Execution
from equipoise.core.settings import Settings
from equipoise.generators.toy import ToyGenerator
from equipoise.pipeline import open_models
from equipoise.samplers.export import write_draws
from equipoise.samplers.export.croissant import FILE
from equipoise.samplers.export.metadata import METADATA, read_metadata
from equipoise.samplers.export.shards import write_shards
from equipoise.samplers.file import load_sampler, save_sampler
from equipoise.samplers.job import DrawRequest
from equipoise.samplers.sampler import Sampler

mlcroissant = pytest.importorskip("mlcroissant", reason="not applicable: mlcroissant is missing")
pytestmark = pytest.mark.filterwarnings("ignore:.*is deprecated:DeprecationWarning")


def read(path: Path) -> "mlcroissant.Dataset":
    """Read a description; an error of the format raises."""
    found = mlcroissant.Dataset(str(path))
    assert found.metadata.ctx.issues.errors == set()
    return found


@pytest.mark.parametrize("n", [1, 60])
def test_a_folder_is_described_and_read_by_its_description(
    n: int, toy_sampler: Sampler, toy: ToyGenerator, toy_panel: ClassifierPanel, tmp_path: Path
) -> None:
    write_draws(toy_sampler, Models(toy, toy_panel), DrawRequest(n, seed=4), tmp_path / "faces")
    data = read(tmp_path / "faces" / FILE)
    assert data.metadata.name == "faces"
    records = list(data.records("images"))
    labelled = read_metadata(tmp_path / "faces")
    assert [r["images/file_name"].decode() for r in records] == list(labelled.files)
    smiling = [toy_panel.grid.attributes[0].levels[level] for level in labelled.levels[:, 0]]
    assert [r["images/smiling"].decode() for r in records] == smiling
    assert [r["images/index"] for r in records] == list(range(n))
    assert (
        f"{n} synthetic images"
        in json.loads((tmp_path / "faces" / FILE).read_text())["description"]
    )


def test_a_folder_without_images_is_described(
    toy_sampler: Sampler, toy: ToyGenerator, toy_panel: ClassifierPanel, tmp_path: Path
) -> None:
    models, faces = Models(toy, toy_panel), tmp_path / "faces"
    for _ in range(2):
        write_draws(toy_sampler, models, DrawRequest(0, seed=4), faces)
        assert list(read(faces / FILE).records("images")) == []
        assert "0 synthetic images" in json.loads((faces / FILE).read_text())["description"]
    for n in (3, 3):
        write_draws(toy_sampler, models, DrawRequest(n, seed=4), faces)
    write_draws(toy_sampler, models, DrawRequest(3, seed=4), tmp_path / "at-once")
    assert (faces / METADATA).read_bytes() == (tmp_path / "at-once" / METADATA).read_bytes()
    with pytest.raises(InputError, match="n must be a whole number of at least 1, got 0"):
        write_draws(toy_sampler, models, DrawRequest(0), tmp_path / "faces.npz", "npz")


# Its readers leave pictures open.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("n", [1, 60])
def test_a_tar_is_described_and_read_by_its_description(
    n: int,
    toy_sampler: Sampler,
    toy: ToyGenerator,
    toy_panel: ClassifierPanel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # It keeps what it extracts by the name alone, in the home folder.
    extract = import_module("mlcroissant._src.operation_graph.operations.extract")
    monkeypatch.setattr(extract, "EXTRACT_PATH", type(extract.EXTRACT_PATH)(tmp_path / "extracted"))
    models, tar = Models(toy, toy_panel), tmp_path / "pictures"
    write_draws(toy_sampler, models, DrawRequest(n, seed=4), tmp_path / "faces")
    write_draws(toy_sampler, models, DrawRequest(n, seed=4), tar, "tar")
    description = tmp_path / f"pictures.{FILE}"
    records = list(read(description).records("images"))
    names = {r["images/file_name"].decode() for r in records}
    assert names == {Path(name).name for name in read_metadata(tmp_path / "faces").files}
    assert {r["images/image"].size for r in records} == {toy.image_shape[:0:-1]}
    both = [json.loads(p.read_text()) for p in (description, tmp_path / "faces" / FILE)]
    assert both[0]["description"] == both[1]["description"]
    assert json.loads(description.read_text())["distribution"][2]["sha256"] == digest_of(tar)


def test_an_npz_is_described_as_one_file(
    toy_sampler: Sampler, toy: ToyGenerator, toy_panel: ClassifierPanel, tmp_path: Path
) -> None:
    models, npz = Models(toy, toy_panel), tmp_path / "faces.npz"
    write_draws(toy_sampler, models, DrawRequest(5, seed=4), npz, "npz")
    (file,) = read(tmp_path / f"faces.npz.{FILE}").metadata.distribution
    assert (file.name, file.sha256) == ("faces.npz", digest_of(npz))


def test_shards_are_described_and_read_by_their_description(
    toy_sampler: Sampler, tmp_path: Path
) -> None:
    save_sampler(toy_sampler, tmp_path / "sampler.safetensors")
    models = open_models(Settings(generator="toy", attributes=("smiling", "skin_tone")))
    write_shards(
        tmp_path / "sampler.safetensors",
        (load_sampler(tmp_path / "sampler.safetensors", models.generator), models),
        DrawRequest(10, seed=3),
        tmp_path / "faces",
        shard_size=4,
        execution=Execution(),
    )
    records = list(read(tmp_path / "faces" / FILE).records("images"))
    assert sorted(r["images/index"] for r in records) == list(range(10))
