"""Every source of codes keeps the protocol, stored and loaded too."""

from pathlib import Path

import numpy as np
import pytest
import safetensors
import safetensors.numpy

from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.settings import METHODS, Settings
from equipoise.generators.toy import ToyGenerator
from equipoise.pipeline import balance
from equipoise.samplers.file import load_sampler, save_sampler
from equipoise.samplers.sampler import Sampler

TARGET = "marginals: smiling=yes:1,no:1; skin_tone=dark:1,medium:1,light:0"


@pytest.fixture(scope="module", params=METHODS)
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    settings = Settings(
        generator="toy",
        method=request.param,
        n=3000,
        directed=0.0 if request.param == "tilt" else 0.6,
        mixture_n=600,
        measure_n=300,
        components=1,
        distance=1.5,
        target=TARGET,
    )
    balance(settings, folder)
    return folder / "sampler.safetensors"


@pytest.fixture(scope="module")
def sampler(saved: Path, toy: ToyGenerator) -> Sampler:
    return load_sampler(saved, toy)


@pytest.mark.parametrize("size", [1, 7, 64])
@pytest.mark.parametrize("cell", [None, "smiling=yes, skin_tone=medium"])
def test_draws_do_not_depend_on_batch_size(sampler: Sampler, size: int, cell: str | None) -> None:
    count = 40 if size == 1 else 1100
    whole = sampler.draw(count, 5, cell=cell)
    parts = list(sampler.stream(count, 5, cell=cell, batch=size))
    assert np.array_equal(np.concatenate([p.codes for p in parts]), whole.codes)
    assert np.array_equal(np.concatenate([p.requested for p in parts]), whole.requested)


def test_loaded_again_it_draws_the_same(saved: Path, sampler: Sampler, toy: ToyGenerator) -> None:
    again = load_sampler(saved, ToyGenerator())
    assert again.digest == sampler.digest
    assert np.array_equal(again.draw(300, 9).codes, sampler.draw(300, 9).codes)


def test_saved_again_it_holds_the_same(saved: Path, sampler: Sampler, tmp_path: Path) -> None:
    save_sampler(sampler, tmp_path / "again.safetensors")
    one, other = (
        safetensors.numpy.load_file(path) for path in (saved, tmp_path / "again.safetensors")
    )
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_codes_are_finite_and_of_the_generators_size(sampler: Sampler, toy: ToyGenerator) -> None:
    draws = sampler.draw(200, 1)
    assert draws.codes.shape == (200, toy.dim)
    assert draws.codes.dtype == np.float32
    assert np.isfinite(draws.codes).all()
    assert len(np.unique(draws.codes, axis=0)) == 200


def test_cells_of_zero_target_are_never_requested(sampler: Sampler) -> None:
    requested = sampler.draw(2000, 2).requested
    assert set(np.unique(requested)) == set(np.flatnonzero(sampler.target.shares))


def test_it_describes_itself(sampler: Sampler) -> None:
    text = sampler.describe()
    assert sampler.source.method in text
    assert "smiling=no, skin_tone=light" in text


def test_another_generator_is_refused(saved: Path) -> None:
    with pytest.raises(FileFormatError, match="must be of the generator 'toy'"):
        load_sampler(saved, ToyGenerator(entanglement=0.1))


def test_a_lost_array_is_noticed(saved: Path, tmp_path: Path, toy: ToyGenerator) -> None:
    from equipoise.samplers.sampler import digest_arrays

    with safetensors.safe_open(saved, "numpy") as stored:
        tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        text = stored.metadata()["equipoise"].partition("\n")[2]
    for lost in list(tensors)[:6]:
        rest = {name: array for name, array in tensors.items() if name != lost}
        path = tmp_path / "s.safetensors"
        metadata = {"equipoise": f"{digest_arrays(rest, text)}\n{text}"}
        safetensors.numpy.save_file(rest, path, metadata)
        with pytest.raises(FileFormatError, match="must hold"):
            load_sampler(path, toy)


def test_a_tilt_needs_its_generator(saved: Path, toy: ToyGenerator) -> None:
    unbound = load_sampler(saved)
    if unbound.source.method == "tilt":
        with pytest.raises(InputError, match="generator must be given to draw from a tilt"):
            unbound.draw(1)
    else:
        assert len(unbound.draw(1).codes) == 1
