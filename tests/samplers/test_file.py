import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from equipoise.core.errors import FileFormatError
from equipoise.samplers.file import load_sampler, save_sampler
from equipoise.samplers.sampler import Sampler, digest_arrays


def test_saved_and_loaded_it_draws_the_same(sampler: Sampler, tmp_path: Path) -> None:
    save_sampler(sampler, tmp_path / "s.safetensors")
    back = load_sampler(tmp_path / "s.safetensors")
    assert np.array_equal(back.draw(500, 9).codes, sampler.draw(500, 9).codes)
    assert back.digest == sampler.digest
    assert back.grid == sampler.grid
    assert back.settings == {"seed": 3}
    assert "smiling=no, tone=dark" in back.describe()


def test_one_sampler_gives_the_same_bytes(sampler: Sampler, tmp_path: Path) -> None:
    contents = set()
    for _ in range(20):
        save_sampler(sampler, tmp_path / "s.safetensors")
        contents.add((tmp_path / "s.safetensors").read_bytes())
    assert len(contents) == 1


def test_damaged_files_are_refused(sampler: Sampler, tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    save_sampler(sampler, path)
    content = path.read_bytes()
    for cut in (0, 5, 100, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:cut])
        with pytest.raises(FileFormatError, match="must be a whole safetensors file"):
            load_sampler(path)
    path.write_bytes(content[:-3] + bytes([content[-3] ^ 1]) + content[-2:])
    with pytest.raises(FileFormatError, match="must hold what was saved, to the byte"):
        load_sampler(path)
    with pytest.raises(FileFormatError, match="must exist, got no such file"):
        load_sampler(tmp_path / "missing")


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    safetensors.numpy.save_file({"x": np.zeros(3)}, path)
    with pytest.raises(FileFormatError, match="got a safetensors file of another program"):
        load_sampler(path)
    for metadata, said in (
        ({"equipoise": '{"normals": ["smiling"], "offsets": []}'}, "got directions of Equipoise"),
        ({"equipoise": '{"attribute": "smiling"}'}, "got counterfactual codes of Equipoise"),
        ({"equipoise.stylegan2": "{}"}, "got a generator that `equipoise convert` wrote"),
    ):
        safetensors.numpy.save_file({"x": np.zeros(3)}, path, metadata)
        with pytest.raises(FileFormatError, match=f"must be a sampler, {said}"):
            load_sampler(path)
    path.write_bytes(b"\x80\x04cos\nsystem\n(S'echo'\ntR.")
    with pytest.raises(FileFormatError, match="must be a whole safetensors file"):
        load_sampler(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 99}, "got format 99"),
        ({"method": "pickle"}, "method 'pickle'"),
        ({"attributes": []}, "must be at least one"),
        ({"weights": [1, 2]}, "must be at least 0 and sum to 1"),
        ({"generator": {"name": "toy"}}, "must have whole metadata"),
        (
            {"generator": {"name": "toy", "digest": "", "space": "z", "dim": 4}},
            "mixture of dimension 4",
        ),
        ({"target": None}, "must have whole metadata"),
        ({"weights": [float("nan")] * 4}, "must be at least 0 and sum to 1"),
        ({"settings": []}, "must have whole metadata"),
    ],
)
def test_wrong_metadata_is_refused(
    sampler: Sampler, tmp_path: Path, change: dict[str, object], said: str
) -> None:
    path = tmp_path / "s.safetensors"
    save_sampler(sampler, path)
    with safetensors.safe_open(path, "numpy") as stored:
        tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        metadata = json.loads(stored.metadata()["equipoise"].partition("\n")[2]) | change
    text = json.dumps(metadata)
    stored_as = {"equipoise": f"{digest_arrays(tensors, text)}\n{text}"}
    safetensors.numpy.save_file(tensors, path, stored_as)
    with pytest.raises(FileFormatError, match=said):
        load_sampler(path)


def test_any_flipped_bit_is_noticed(sampler: Sampler, tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    save_sampler(sampler, path)
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(content), 200):
        content[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(content)
        with pytest.raises(FileFormatError):
            load_sampler(path)
        save_sampler(sampler, path)
        content = bytearray(path.read_bytes())


def test_the_folder_of_a_run_is_answered_by_its_sampler(
    toy_sampler: Sampler, tmp_path: Path
) -> None:
    save_sampler(toy_sampler, tmp_path / "sampler.safetensors")
    with pytest.raises(FileFormatError, match=r"got the folder of a run\. Give .*safetensors\."):
        load_sampler(tmp_path)
