"""Files of other projects give the network they came from; hostile ones are refused, unrun."""

import argparse
import io
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from equipoise.core.errors import FileFormatError, InputError
from equipoise.generators import open_generator
from equipoise.generators.stylegan.checkpoints import read_foreign
from equipoise.generators.stylegan.file import load_network, save_network
from equipoise.generators.stylegan.network import Network
from equipoise.runtimes.pickles import reader as pickle_reader
from tests.builders.checkpoints import (
    genforce_state,
    rosinality_state,
    save_checkpoint,
    their_alias_free_modules,
    their_modules,
    their_packages,
    write_nvidia,
)
from tests.builders.stylegan2_reference import reference_images, small
from tests.builders.stylegan3_reference import small as small_alias_free


def check_images(network: Network, path: Path) -> None:
    """The reference forward of the network that was written judges the one that was read."""
    generator = open_generator(f"stylegan2:{path}?truncation=1")
    codes = generator.prior.codes(3, 0, 4)
    z, c = codes[:, :12], codes[:, 12:] if network.config.c_dim else None
    exact = (reference_images(network, z, c) * 127.5 + 128).clamp(0, 255).numpy()
    assert np.abs(generator.images(codes) - exact).max() < 1.01
    assert exact.std() > 10


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize(
    "changes", [{}, {"architecture": "resnet", "conv_clamp": 256.0}, {"c_dim": 3}]
)
def test_nvidias_pickles_give_the_network_they_came_from(
    protocol: int, changes: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    network = small(1, **changes)
    write_nvidia(network, tmp_path / "net.pkl", protocol)
    found = read_foreign(tmp_path / "net.pkl")
    assert found.config.architecture == network.config.architecture
    assert found.config.c_dim == network.config.c_dim
    assert found.state.keys() == network.state_dict().keys()
    assert all(torch.equal(found.state[k], v) for k, v in network.state_dict().items())
    check_images(network, tmp_path / "net.pkl")
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("archive", [False, True])
def test_rosinalitys_checkpoints_give_the_network_they_came_from(
    archive: bool, tmp_path: Path
) -> None:
    network = small(2, mapping_width=10, z_dim=12)
    content = {**rosinality_state(network), "args": argparse.Namespace(size=32, lr=0.002)}
    save_checkpoint(content, tmp_path / "net.pt", archive)
    check_images(network, tmp_path / "net.pt")


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("name", ["generator", "generator_smooth"])
def test_genforces_checkpoints_give_the_network_they_came_from(
    name: str, nested: bool, tmp_path: Path
) -> None:
    network = small(2)
    content = {name: genforce_state(network)}
    save_checkpoint({"models": content} if nested else content, tmp_path / "net.pth", True)
    check_images(network, tmp_path / "net.pth")


@pytest.mark.parametrize("name", ["g_ema", "generator", "other"])
def test_checkpoints_of_other_layouts_are_refused(name: str, tmp_path: Path) -> None:
    save_checkpoint({name: {"weight": torch.zeros(3)}}, tmp_path / "net.pt", True)
    with pytest.raises(FileFormatError, match=r"must hold a StyleGAN .* got .*weight"):
        read_foreign(tmp_path / "net.pt")


def test_our_own_file_gives_the_network_it_came_from(tmp_path: Path) -> None:
    network = small(3, c_dim=3, architecture="orig", conv_clamp=5.0)
    save_network(network, tmp_path / "net.safetensors")
    again = load_network(tmp_path / "net.safetensors")
    assert again.config == network.config
    check_images(network, tmp_path / "net.safetensors")


class Runs:
    """Unpickled by anything else, this makes the canary file."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple:
        return self.function, self.arguments


def hostile() -> dict[str, tuple[bytes, str]]:
    dump = pickle.dumps
    nested = b"cbuiltins\ngetattr\n(cbuiltins\n__import__\n(S'os'\ntRS'system'\ntR(S'ls'\ntR."
    ordered = b"ccollections\nOrderedDict\n"
    storage = b"ctorch.storage\n_load_from_bytes\n"
    return {
        "os.system": (dump({"G_ema": Runs(os.system, "touch canary")}), "'posix.system'"),
        "eval": (dump({"G_ema": Runs(eval, "open('canary', 'w')")}), "'builtins.eval'"),
        "nested": (nested, "got 'a call of a Call'"),
        "dotted": (b"\x80\x04\x8c\x0bcollections\x8c\x0dOrderedDict.x\x93.", "OrderedDict.x'"),
        "state on a global": (ordered + b"(dS'__reduce__'\nI1\nsb.", "a state of something else"),
        "state twice": (ordered + b")R}b}b(dS'a'\nI1\nsb.", "a state of something else"),
        "call of a call": (ordered + b")R)R.", "a call of a Call"),
        "instance": (b"(cos\nsystem\nS'touch canary'\no.", "'os.system'"),
        "old instance": (b"(S'touch canary'\nios\nsystem\n.", "'os.system'"),
        "extension": (b"\x80\x02\x82\x01.", "instruction EXT1"),
        "persistent": (b"\x80\x02X\x01\x00\x00\x00aQ.", "instruction BINPERSID"),
        "buffer": (b"\x80\x05\x97.", "instruction NEXT_BUFFER"),
        "new with keywords": (b"cos\nsystem\n)}\x92.", "'os.system'"),
        "cut": (dump({"G_ema": list(range(1000))})[:-20], "a whole pickle"),
        "long promise": (b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"abc.", "a whole pickle"),
        "empty": (b"", "a whole pickle"),
        "garbage": (bytes(range(256)) * 4, "a whole pickle"),
        "deep": (b"\x80\x02" + b"(" * 50_000 + b"t" * 50_000 + b".", "got tuple"),
        "deep key": (b"\x80\x02}" + b")" + b"\x85" * 100_000 + b"K\x01s.", "got dict"),
        "no mapping": (dump([1, 2]), "got list"),
        "another thing": (dump({"G_ema": 3}), "a mapping of G_ema: 3"),
        "storage of text": (b"}S'G_ema'\n" + storage + b"(S'x'\ntRs.", "G_ema: 'torch.storage"),
    }


@pytest.mark.parametrize("name", hostile())
def test_hostile_pickles_are_refused_and_not_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content, reason = hostile()[name]
    Path("net.pkl").write_bytes(content)
    with pytest.raises(FileFormatError, match=reason):
        read_foreign(Path("net.pkl"))
    assert not Path("canary").exists()


def test_limits_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickle_reader, "MOST_INSTRUCTIONS", 100)
    (tmp_path / "net.pkl").write_bytes(pickle.dumps(list(range(200))))
    with pytest.raises(FileFormatError, match="must have at most 100 instructions"):
        read_foreign(tmp_path / "net.pkl")


def test_a_module_that_names_itself_endlessly_is_refused(tmp_path: Path) -> None:
    with their_packages():
        root = their_modules(small())
        child = root
        for _ in range(40):  # Each level names the next one twice: 2**40 modules in all.
            parent = type(root)("Block")
            parent._modules.update(a=child, b=child)
            child = parent
        (tmp_path / "net.pkl").write_bytes(pickle.dumps({"G_ema": child}))
    with pytest.raises(FileFormatError, match="must hold at most 2000 modules"):
        read_foreign(tmp_path / "net.pkl")


def test_a_network_of_neither_kind_is_refused_by_its_modules(tmp_path: Path) -> None:
    with their_packages():
        root = their_modules(small())
        root._modules["synthesis"] = type(root)("SynthesisNetwork")
        root._modules["synthesis"].add_module("first", type(root)("SynthesisInput"))
        (tmp_path / "net.pkl").write_bytes(pickle.dumps({"G_ema": root}))
    with pytest.raises(FileFormatError, match=r"synthesis\.first: SynthesisInput"):
        read_foreign(tmp_path / "net.pkl")


@pytest.mark.parametrize("kind", ["T", "R"])
def test_stylegan3s_pickles_give_the_network_they_came_from(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    network = small_alias_free(kind)
    write_nvidia(network, tmp_path / "net.pkl")
    found = read_foreign(tmp_path / "net.pkl")
    assert found.config == replace(network.config, embed_width=1), "there are no classes"
    assert all(torch.equal(found.state[k], v) for k, v in network.state_dict().items())
    generator = open_generator("stylegan3:net.pkl?space=w")
    save_network(network, tmp_path / "ours.safetensors")
    ours = open_generator("stylegan3:ours.safetensors?space=w")
    codes = generator.prior.codes(0, 0, 3)
    assert np.array_equal(generator.images(codes), ours.images(codes))
    assert not (tmp_path / "canary").exists()
    with pytest.raises(InputError, match=r"generator must be stylegan3: for net\.pkl"):
        open_generator("stylegan2:net.pkl")


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (
            lambda s: s._modules["L2_52_5"]._buffers.pop("up_filter"),
            r"missing .*L2_52_5\.up_filter",
        ),
        (
            lambda s: s.__dict__.pop("margin_size"),
            "NVIDIA's StyleGAN3, got one without margin_size",
        ),
        (lambda s: setattr(s, "margin_size", 3), "where the paper's bands give"),
        (lambda s: s._init_kwargs.update(first_stopband=9.0), "where the paper's bands give"),
        (lambda s: s._init_kwargs.update(first_stopband=1e-9), "must be above first_cutoff"),
        (lambda s: s._init_kwargs.update(twist=1), "an unknown argument, twist"),
        (lambda s: s._modules["L2_52_5"].magnitude_ema.zero_(), "magnitude_ema that is not above"),
    ],
)
def test_a_stylegan3_that_lacks_something_is_refused_by_its_name(
    spoil: Callable[[Any], object], named: str, tmp_path: Path
) -> None:
    with their_packages():
        root = their_alias_free_modules(small_alias_free("T"))
        spoil(root._modules["synthesis"])
        (tmp_path / "net.pkl").write_bytes(pickle.dumps({"G_ema": root}))
    with pytest.raises(FileFormatError, match=named):
        load_network(tmp_path / "net.pkl")


def tampered(path: Path, change: object) -> None:
    """Save rosinality's layout with one tensor's call changed."""
    content = rosinality_state(small(2, mapping_width=10))
    content["g_ema"]["to_rgb1.bias"] = change
    save_checkpoint(content, path, True)


class View:
    """Reduces to a tensor's call with the size, stride and offset given."""

    def __init__(self, size: object, stride: object, offset: int = 0) -> None:
        self.arguments = (offset, size, stride)

    def __reduce__(self) -> tuple:
        storage = torch.zeros(12).storage()
        return torch._utils._rebuild_tensor_v2, (storage, *self.arguments, False, {})


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
@pytest.mark.parametrize(
    "view",
    [
        View((2**40,), (0,)),
        View((2**31, 2**31), (0, 0)),
        View((12,), (2,)),
        View((12,), (1,), 1),
        View((-1,), (1,)),
        View((2,), (-1,), 1),
        View((2.5,), (1,)),
        View((1,) * 9, (1,) * 9),
        View((2, 2), (1,)),
    ],
    ids=lambda view: str(view.arguments),
)
def test_views_beyond_their_storage_are_refused(view: View, tmp_path: Path) -> None:
    tampered(tmp_path / "net.pt", view)
    with pytest.raises(FileFormatError, match=r"must hold (views within|tensors with sizes)"):
        read_foreign(tmp_path / "net.pt")


@pytest.mark.parametrize("archive", [False, True])
def test_hostile_torch_files_are_refused_and_not_run(
    archive: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save_checkpoint({"g_ema": Runs(os.system, "touch canary")}, Path("net.pt"), archive)
    with pytest.raises(FileFormatError, match=r"g_ema: 'posix\.system'"):
        read_foreign(Path("net.pt"))
    assert not Path("canary").exists()
    save_checkpoint(rosinality_state(small(2)), Path("net.pt"), archive)
    whole = Path("net.pt").read_bytes()
    for cut in (0, 10, len(whole) // 2, len(whole) - 30):
        Path("net.pt").write_bytes(whole[:cut])
        with pytest.raises(FileFormatError):
            read_foreign(Path("net.pt"))


def test_packed_archives_are_refused(tmp_path: Path) -> None:
    save_checkpoint(rosinality_state(small(2)), tmp_path / "net.pt", True)
    with (
        zipfile.ZipFile(tmp_path / "net.pt") as whole,
        zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for name in whole.namelist():
            bomb.writestr(name, whole.read(name) if name.endswith("pkl") else bytes(2**16))
    with pytest.raises(FileFormatError, match="a compressed member"):
        read_foreign(tmp_path / "bomb.pt")


def test_a_storage_that_promises_too_much_is_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    torch.save(rosinality_state(small(2)), stream, _use_new_zipfile_serialization=False)
    content = stream.getvalue()
    # The last storage's own count, before its bytes, grows beyond the file.
    size = 4 * len(rosinality_state(small(2))["latent_avg"])
    place = content.rindex(struct.pack("<q", size // 4))
    broken = content[:place] + struct.pack("<q", 2**50) + content[place + 8 :]
    (tmp_path / "net.pt").write_bytes(broken)
    with pytest.raises(FileFormatError, match="numbers in a storage, got 1125899906842624"):
        read_foreign(tmp_path / "net.pt")
