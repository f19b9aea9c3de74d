"""A generator is known by weights and settings: a checkpoint and its converted file are one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from equipoise.core.attributes import Attribute, AttributeGrid
from equipoise.core.errors import FileFormatError
from equipoise.core.targets import Target
from equipoise.generators import open_generator
from equipoise.samplers.file import load_sampler, save_sampler
from equipoise.samplers.mixture import Mixture, MixtureSource
from equipoise.samplers.sampler import GeneratorRef, Sampler
from tests.builders.checkpoints import write_nvidia
from tests.builders.stylegan2_reference import small


@pytest.fixture
def made_for_pickle(tmp_path: Path) -> Path:
    """A sampler of skin tones of a network in x.pkl."""
    write_nvidia(small(2), tmp_path / "x.pkl")
    address = f"stylegan2:{tmp_path / 'x.pkl'}?space=w"
    generator = open_generator(address)
    grid = AttributeGrid((Attribute("skin_tone", ("dark", "medium", "light"), ordered=True),))
    codes = generator.prior.codes(0, 0, 200)
    one = Mixture(np.ones(1), codes.mean(0, keepdims=True), np.cov(codes.T)[None])
    shares = np.full(3, 1 / 3)
    sampler = Sampler(
        GeneratorRef.of(generator),
        Target(grid, shares, "uniform"),
        shares,
        MixtureSource((one,) * 3),
        {"generator": address, "attributes": ["skin_tone"]},
    )
    save_sampler(sampler, tmp_path / "sampler.safetensors")
    return tmp_path


def test_a_sampler_is_accepted_with_the_converted_file(
    made_for_pickle: Path, cli: Callable[..., Any]
) -> None:
    folder = made_for_pickle
    cli("convert", folder / "x.pkl", folder / "x.safetensors")
    moved = f"stylegan2:{folder / 'x.safetensors'}?space=w"
    load_sampler(folder / "sampler.safetensors", open_generator(moved))
    images = [folder / "first", folder / "second"]
    cli("sample", folder / "sampler.safetensors", "--n", 4, "--out", images[0])
    (folder / "x.pkl").unlink()
    cli(
        "sample", folder / "sampler.safetensors", "--n", 4, "--out", images[1],
        "--generator", moved,
    )  # fmt: skip
    first, second = (sorted(p.read_bytes() for p in f.glob("**/*.png")) for f in images)
    assert len(first) == 4
    assert first == second


def test_other_settings_are_another_generator(made_for_pickle: Path) -> None:
    other = open_generator(f"stylegan2:{made_for_pickle / 'x.pkl'}?space=w&truncation=0.5")
    with pytest.raises(FileFormatError, match="must be of the generator"):
        load_sampler(made_for_pickle / "sampler.safetensors", other)


def test_sample_says_what_it_was_given(made_for_pickle: Path, cli: Callable[..., Any]) -> None:
    cli("convert", made_for_pickle / "x.pkl", made_for_pickle / "x.safetensors")
    done = cli("sample", made_for_pickle / "x.safetensors", "--out", made_for_pickle / "o", code=2)
    assert "must be a sampler, got a generator that `equipoise convert` wrote" in done.error
