import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from scipy.stats import chisquare

from equipoise.errors import FileFormatError, InputError
from equipoise.generators.toy import ToyGenerator
from equipoise.groups import Attribute, Groups
from equipoise.mixture import Mixture, MixtureSource
from equipoise.sampler import Origin, Sampler, _digest, load_sampler
from equipoise.targets import Target

GROUPS = Groups((Attribute("smiling", ("no", "yes")), Attribute("tone", ("dark", "light"))))
ORIGIN = Origin("toy", "ab" * 32, "z", 3)


def gaussian(mean: float) -> Mixture:
    return Mixture(np.ones(1), np.full((1, 3), mean), np.eye(3)[None] * 0.01)


@pytest.fixture
def sampler() -> Sampler:
    """Cell k lies around (10 k, 10 k, 10 k); the last cell has target 0."""
    target = Target(GROUPS, np.array([0.5, 0.3, 0.2, 0.0]))
    source = MixtureSource((gaussian(0), gaussian(10), gaussian(20), None))
    return Sampler(ORIGIN, target, target.shares, source, {"seed": 3})


@pytest.mark.parametrize("size", [1, 7, 64])
@pytest.mark.parametrize("cell", [None, "smiling=no, tone=light"])
def test_draws_do_not_depend_on_batch_size(sampler: Sampler, size: int, cell: str | None) -> None:
    whole = sampler.draw(1100, 5, cell=cell)
    parts = list(sampler.stream(1100, 5, cell=cell, batch=size))
    assert np.array_equal(np.concatenate([p.codes for p in parts]), whole.codes)
    assert np.array_equal(np.concatenate([p.requested for p in parts]), whole.requested)
    assert np.array_equal(sampler.draw(3, 5, cell=cell, start=1050).codes, whole.codes[1050:1053])


@pytest.mark.parametrize("seed", range(5))
def test_cells_are_requested_as_the_weights_say_and_codes_follow(
    sampler: Sampler, seed: int
) -> None:
    draws = sampler.draw(5000, seed)
    counts = np.bincount(draws.requested, minlength=4)
    assert counts[3] == 0
    assert chisquare(counts[:3], sampler.weights[:3] * 5000).pvalue > 1e-4
    assert np.allclose(draws.codes, draws.requested[:, None] * 10, atol=1)


def test_any_slice_is_a_fair_sample(sampler: Sampler) -> None:
    counts = np.bincount(sampler.draw(200, 0).requested, minlength=4)[:3]
    assert chisquare(counts, sampler.weights[:3] * 200).pvalue > 1e-4


def test_seeds_and_cells_differ(sampler: Sampler) -> None:
    cell = "smiling=no, tone=dark"
    assert not np.array_equal(sampler.draw(9, 0).codes, sampler.draw(9, 1).codes)
    assert not np.array_equal(
        sampler.draw(9, 0, cell=cell).codes, sampler.draw(9, 1, cell=cell).codes
    )


def test_saved_and_loaded_it_draws_the_same(sampler: Sampler, tmp_path: Path) -> None:
    sampler.save(tmp_path / "s.safetensors")
    back = load_sampler(tmp_path / "s.safetensors")
    assert np.array_equal(back.draw(500, 9).codes, sampler.draw(500, 9).codes)
    assert back.digest == sampler.digest
    assert back.groups == sampler.groups
    assert back.settings == {"seed": 3}
    assert "smiling=no, tone=dark" in back.describe()


def test_a_cell_of_zero_target_cannot_be_requested(sampler: Sampler) -> None:
    with pytest.raises(InputError, match=r"positive share.*got smiling=yes, tone=light"):
        sampler.draw(5, cell="tone=light, smiling=yes")


@pytest.mark.parametrize("n", [0, -4])
def test_bad_n_is_named(sampler: Sampler, n: int) -> None:
    with pytest.raises(InputError, match=f"n must be .* got {n}"):
        sampler.draw(n)


def test_weights_must_be_a_distribution_over_cells_with_a_source(sampler: Sampler) -> None:
    with pytest.raises(InputError, match="weights must be at least 0 and sum to 1"):
        Sampler(ORIGIN, sampler.target, np.array([1.0, 1, 0, 0]), sampler.source)
    with pytest.raises(InputError, match="'smiling=yes, tone=light' must be 0 where"):
        Sampler(ORIGIN, sampler.target, np.array([0.5, 0, 0, 0.5]), sampler.source)


def test_another_generator_is_refused(sampler: Sampler, toy: ToyGenerator) -> None:
    with pytest.raises(FileFormatError, match=r"must be of the generator 'toy'.*got one of 'toy'"):
        sampler.check_generator(toy)


def test_damaged_files_are_refused(sampler: Sampler, tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    sampler.save(path)
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
    with pytest.raises(FileFormatError, match="must have been saved by Equipoise"):
        load_sampler(path)
    path.write_bytes(b"\x80\x04cos\nsystem\n(S'echo'\ntR.")
    with pytest.raises(FileFormatError, match="must be a whole safetensors file"):
        load_sampler(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 99}, "got format 99"),
        ({"kind": "pickle"}, "kind 'pickle'"),
        ({"groups": []}, "must be at least one"),
        ({"weights": [1, 2]}, "must be at least 0 and sum to 1"),
        ({"origin": {"name": "toy"}}, "must have whole metadata"),
        (
            {"origin": {"name": "toy", "digest": "", "space": "z", "dim": 4}},
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
    sampler.save(path)
    with safetensors.safe_open(path, "numpy") as stored:
        tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        metadata = json.loads(stored.metadata()["equipoise"]) | change
    text = json.dumps(metadata)
    stored_as = {"equipoise": text, "digest": _digest(tensors, text)}
    safetensors.numpy.save_file(tensors, path, stored_as)
    with pytest.raises(FileFormatError, match=said):
        load_sampler(path)


def test_any_flipped_bit_is_noticed(sampler: Sampler, tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    sampler.save(path)
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(content), 200):
        content[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(content)
        with pytest.raises(FileFormatError):
            load_sampler(path)
        sampler.save(path)
        content = bytearray(path.read_bytes())
