"""Generators' files that are damaged at random: a network, or the documented error, nothing else.

Files of each reader, as the projects write them, with bytes changed, cut, doubled or swapped.
"""

import io
import pickle
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.mixture import GaussianMixture

from equipoise.core.errors import FileFormatError, ModelOutputError
from equipoise.generators.dcgan import DCGAN
from equipoise.generators.stylegan.file import load_network, save_network
from equipoise.samplers.released import read_mixtures
from tests.builders.checkpoints import genforce_state, rosinality_state, write_nvidia
from tests.builders.progressive_reference import pggan_state, stylegan1_state
from tests.builders.stylegan2_reference import small
from tests.builders.stylegan3_reference import small as small_alias_free
from tests.generators.test_dcgan import small_state

TINY = {"resolution": 8, "channels": (3, 2), "z_dim": 3, "w_dim": 3, "mapping_layers": 1}


def tiny() -> object:
    return small(mapping_width=3, **TINY)


def saved(content: object, archive: bool = True) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream, _use_new_zipfile_serialization=archive)
    return stream.getvalue()


def written(write: Callable[[Path], None]) -> Callable[[Path], bytes]:
    def content(folder: Path) -> bytes:
        write(folder / "whole")
        return (folder / "whole").read_bytes()

    return content


def mixtures(_: Path) -> bytes:
    rows = np.random.default_rng(0).standard_normal((30, 2))
    fitted = GaussianMixture(1).fit(rows)
    other = {"params": {}, "mean": rows[:1], "cov": np.eye(2)[None], "weights": np.ones(1)}
    return pickle.dumps({"1_1": fitted, "-1_1": other})


FILES: dict[str, tuple[Callable[[Path], bytes], Callable[[Path], object]]] = {
    "NVIDIA's StyleGAN2": (written(lambda path: write_nvidia(tiny(), path)), load_network),
    "NVIDIA's StyleGAN3": (
        written(lambda path: write_nvidia(small_alias_free("T"), path)), load_network
    ),
    "rosinality": (lambda _: saved(rosinality_state(tiny())), load_network),
    "rosinality, older": (lambda _: saved(rosinality_state(tiny()), False), load_network),
    "genforce": (lambda _: saved({"generator": genforce_state(tiny())}), load_network),
    "StyleGAN 1": (lambda _: saved(stylegan1_state("genforce", (3, 2))), load_network),
    "PGGAN": (lambda _: saved(pggan_state("interfacegan", (3, 2))), load_network),
    "ours": (written(lambda path: save_network(tiny(), path)), load_network),
    "DCGAN": (lambda _: saved(small_state()), DCGAN),
    "mixtures": (mixtures, read_mixtures),
}  # fmt: skip


@cache
def whole(kind: str, folder: Path) -> bytes:
    return FILES[kind][0](folder)


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """The content with a few bytes changed, a part cut, doubled or swapped with another."""
    data = bytearray(content)
    # Most of a file is numbers; its ends hold names and structure.
    reach = len(data) if rng.random() < 0.5 else min(len(data), 1500)
    low, high = sorted(rng.integers(reach, size=2))
    if rng.random() < 0.5:
        low, high = len(data) - 1 - high, len(data) - 1 - low
    kind = rng.integers(5)
    if kind <= 1:
        for place in rng.integers(low, high + 1, size=rng.integers(1, 8)):
            data[place] = rng.integers(256)
    elif kind == 2:
        del data[low : low + rng.integers(1, 40)]
    elif kind == 3:
        data[high:high] = data[low : low + rng.integers(1, 200)]
    else:
        length = min(high - low, 40)
        data[low : low + length], data[high - length : high] = (
            data[high - length : high], data[low : low + length]
        )  # fmt: skip
    return bytes(data)


@pytest.mark.parametrize("kind", FILES)
def test_damaged_files_give_a_network_or_the_documented_error(
    kind: str, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    content, read = whole(kind, tmp_path_factory.mktemp("whole")), FILES[kind][1]
    path = tmp_path / ("net.safetensors" if kind == "ours" else "net.pkl")
    path.write_bytes(content)
    read(path)
    rng, refused = np.random.default_rng(7), 0
    for _ in range(500 // len(FILES)):
        path.write_bytes(mutated(content, rng))
        try:
            read(path)
        except (FileFormatError, ModelOutputError) as error:
            refused += 1
            assert len(str(error)) < 1500
    assert refused > 0


def renamed(content: bytes, name: bytes) -> bytes:
    """An archive whose first member has another name, of the same length and not marked UTF-8."""
    first = zipfile.ZipFile(io.BytesIO(content)).namelist()[0].encode()
    return content.replace(first, name.ljust(len(first), b"x")[: len(first)])


@pytest.mark.parametrize("name", [b"\xff\xfe\x80", b"\xc3\x28", b"\xed\xa0\x80"])
@pytest.mark.parametrize("utf8", [False, True])
def test_names_in_an_archive_that_no_text_has(name: bytes, utf8: bool, tmp_path: Path) -> None:
    content = bytearray(renamed(saved(rosinality_state(tiny())), name))
    if utf8:  # Bit 11 of the flags says that names are UTF-8.
        at = content.index(b"PK\x01\x02")
        content[at + 9] |= 0x08
    (tmp_path / "net.pt").write_bytes(bytes(content))
    with pytest.raises(FileFormatError, match="must"):
        load_network(tmp_path / "net.pt")


def test_odd_escapes_in_a_text_are_no_warning(tmp_path: Path) -> None:
    (tmp_path / "net.pkl").write_bytes(b"S'\\q'\n.")
    with pytest.raises(FileFormatError, match="must hold a StyleGAN"):
        load_network(tmp_path / "net.pkl")
