"""Files of other kinds and projects are named, and the error says the way out."""

import gzip
import io
import pickle
import sys
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from equipoise.core.errors import FileFormatError
from equipoise.generators.stylegan.file import load_network
from tests.builders.checkpoints import Module, their_packages

ZERO = torch.zeros(2)


def saved(content: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


def state(*names: str) -> dict[str, torch.Tensor]:
    return dict.fromkeys(names, ZERO)


def tensorflow() -> bytes:
    """As the TensorFlow repositories pickle (G, D, Gs)."""
    name = "dnnlib.tflib.network"
    made = {part: types.ModuleType(part) for part in ("dnnlib", "dnnlib.tflib", name)}
    network = type("Network", (), {"__module__": name})
    made[name].Network = network
    sys.modules.update(made)
    try:
        one = network()
        one.__dict__.update(version=4, name="Gs", variables=[("w", 1)])
        return pickle.dumps((one, one, one))
    finally:
        for part in made:
            del sys.modules[part]


def of_class(kind: str) -> bytes:
    with their_packages():
        root = Module(kind)
        root.add_module("backbone", Module("Generator"))
        return pickle.dumps({"G_ema": root})


def scripted() -> bytes:
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)), stream)
    return stream.getvalue()


FILES: dict[str, tuple[Callable[[], bytes], str]] = {
    "TensorFlow": (tensorflow, r"got networks of TensorFlow\. Convert it .* legacy\.py"),
    "lucidrains": (
        lambda: saved({"GAN": state("G.initial_conv.weight", "SE.net.0.weight"), "version": "1"}),
        "lucidrains",
    ),
    "lucidrains, bare": (lambda: saved(state("GE.x.weight", "SE.net.0.weight")), "lucidrains"),
    "pytorch_GAN_zoo": (
        lambda: saved({"netG": state("scaleLayers.0.0.module.weight"), "config": {}}),
        "pytorch_GAN_zoo",
    ),
    "BigGAN": (lambda: saved(state("shared.weight", "blocks.0.0.conv1.weight")), "BigGAN"),
    "FastGAN": (
        lambda: saved({"g": state("init.init.0.weight_orig"), "d": {}}), "FastGAN"
    ),
    "EG3D": (lambda: of_class("TriPlaneGenerator"), "EG3D"),
    "StyleGAN-XL": (lambda: of_class("SuperresGenerator"), "StyleGAN-XL"),
    "StyleGAN-XL's stem": (
        lambda: saved({"G_ema": state("mapping.embed_proj.weight", "synthesis.input.x")}),
        "StyleGAN-XL",
    ),
    "DCGAN": (lambda: saved(state("main.0.weight", "main.1.bias")), r"DCGAN\. .* dcgan:FILE"),
    "diffusers": (lambda: saved(state("down_blocks.0.w", "mid_block.w")), "diffusers:FOLDER"),
    "another": (lambda: saved({"g_ema": state("a.b", "c")}), r"another network at g_ema \(.*a\.b"),
    "another mapping": (lambda: saved({"epoch": 3, "x": [1]}), "a mapping of epoch: 3, x: list"),
    "HTML": (lambda: b"\n<!DOCTYPE html><html>Virus scan warning", r"an HTML page\. Download"),
    "LFS": (lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
    "gzip": (lambda: gzip.compress(b"x"), r"a gzip archive\. Unpack"),
    "HDF5": (lambda: b"\x89HDF\r\n\x1a\n" + bytes(50), "HDF5"),
    "JSON": (lambda: b'{"message": "Not Found"}', "got JSON"),
    "TorchScript": (scripted, r"TorchScript\. Give it as torchscript:FILE"),
    "empty": (lambda: b"", "must be a whole pickle"),
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
def test_what_a_file_is_and_the_way_out(kind: str, tmp_path: Path) -> None:
    make, said = FILES[kind]
    (tmp_path / "net.pkl").write_bytes(make())
    with pytest.raises(FileFormatError, match=said) as caught:
        load_network(tmp_path / "net.pkl")
    text = str(caught.value)
    assert ".." not in text.replace("...", "")
    assert "KeyError" not in text
    assert len(text) < 900


def test_a_models_safetensors_of_the_hub(tmp_path: Path) -> None:
    for names, said in (
        (("vae.encoder.weight",), r"another network \(tensors vae\.encoder\.weight\)"),
        (("down_blocks.0.resnets.0.conv1.weight",), "diffusers:FOLDER"),
    ):
        save_file(state(*names), tmp_path / "model.safetensors")
        with pytest.raises(FileFormatError, match=said):
            load_network(tmp_path / "model.safetensors")
