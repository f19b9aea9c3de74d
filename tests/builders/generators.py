"""A generator of every kind, small, with random weights, by its address."""

from pathlib import Path

import pytest
import torch

from equipoise.generators import NAMES
from equipoise.generators.stylegan.file import save_network
from tests.builders.networks import ADDRESSES, write_network
from tests.builders.progressive_reference import pggan_state, stylegan1_state
from tests.builders.stylegan2_reference import small
from tests.builders.stylegan3_reference import small as small_alias_free
from tests.generators.test_dcgan import small_state

_SPACES = ("z", "w", "w+")
_FOREIGN = {"stylegan1": "?space=w", "pggan": "", "dcgan": ""}
_STATES = {
    "stylegan1": lambda: stylegan1_state("genforce"),
    "pggan": lambda: pggan_state("interfacegan"),
    "dcgan": lambda: {name: 3 * tensor for name, tensor in small_state().items()},
}
_DIFFUSION = {"ddpm": "?steps=5&stem=2", "latent": "?steps=4", "consistency": ""}

KINDS = (*NAMES, *_SPACES, "stylegan3", *_FOREIGN, *ADDRESSES, *_DIFFUSION, "text")
"""Names that `address` takes; those of `_SPACES` are spaces of StyleGAN2."""


def address(kind: str, folder: Path) -> str:
    """Save a generator in a folder, and return its address."""
    if kind in NAMES:
        return kind
    if kind == "stylegan3":
        save_network(small_alias_free("R"), folder / "small.safetensors")
        return f"stylegan3:{folder / 'small.safetensors'}?space=w"
    if kind in _FOREIGN:
        torch.save(_STATES[kind](), folder / "net.pth")
        return f"{kind}:{folder / 'net.pth'}{_FOREIGN[kind]}"
    if kind in _DIFFUSION:
        saving = pytest.importorskip("tests.builders.diffusion")
        return f"diffusers:{saving.save(kind, folder)}{_DIFFUSION[kind]}"
    if kind == "text":
        saving = pytest.importorskip("tests.builders.text_pipelines")
        saving.save("sd3", folder)
        (folder / "prompts.csv").write_text("id,text\nnurse,a nurse\ndoctor,a doctor\n")
        return f"diffusers-text:{folder}?prompts={folder}/prompts.csv&steps=2&stem=1&size=16"
    if kind in ADDRESSES:
        return write_network(kind, folder)
    save_network(small(), folder / "small.safetensors")
    return f"stylegan2:{folder / 'small.safetensors'}?space={kind}"
