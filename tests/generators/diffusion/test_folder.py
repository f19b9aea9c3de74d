"""Folders of pipelines are data: what is foreign, damaged or unsafe is refused by name."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from equipoise.errors import FetchError, FileFormatError
from equipoise.generators import open_generator
from tests.generators.diffusion.saving import save


def changed(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def only_pickled(folder: Path) -> None:
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    torch.save({"a": torch.zeros(1)}, folder / "unet" / "diffusion_pytorch_model.bin")


def cut(folder: Path) -> None:
    file = folder / "unet" / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda f: (f / "model_index.json").unlink(), "model_index.json must be readable JSON"),
        (lambda f: (f / "model_index.json").write_text("[" * 9999), "must be readable JSON"),
        (
            lambda f: changed(f / "model_index.json", _class_name="StableDiffusionPipeline"),
            "must be one of DDPMPipeline, .* got StableDiffusionPipeline",
        ),
        (
            lambda f: changed(f / "model_index.json", unet=["canary", "UNet2DModel"]),
            "unet in .* must be UNet2DModel of diffusers, got .*canary",
        ),
        (
            lambda f: changed(f / "model_index.json", scheduler=["diffusers", "PNDMScheduler"]),
            "must be DDPMScheduler or DDIMScheduler",
        ),
        (
            lambda f: changed(f / "scheduler" / "scheduler_config.json", num_train_timesteps=10**9),
            "num_train_timesteps of .* must be 1 to 100,000",
        ),
        (
            lambda f: changed(f / "unet" / "config.json", block_out_channels=[2**18, 2**18]),
            "must be a whole UNet2DModel of under",
        ),
        (
            lambda f: changed(f / "unet" / "config.json", block_out_channels=[16, 16]),
            "must be a whole UNet2DModel",
        ),
        (only_pickled, "must be a whole UNet2DModel .* in safetensors"),
        (cut, "must be a whole UNet2DModel"),
    ],
)
def test_a_spoilt_folder_is_refused(
    spoil: Callable[[Path], Any], named: str, tmp_path: Path
) -> None:
    folder = save("ddpm", tmp_path)
    spoil(folder)
    with pytest.raises(FileFormatError, match=named):
        open_generator(f"diffusers:{folder}")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"num_class_embeds": 3}, "must be unconditional, got classes"),
        ({"out_channels": 6}, "learned variances are not known here"),
        ({"sample_size": None}, "must tell a sample_size"),
    ],
)
def test_other_networks_are_refused(changes: dict[str, Any], named: str, tmp_path: Path) -> None:
    folder = save("ddpm", tmp_path, **changes)
    with pytest.raises(FileFormatError, match=named):
        open_generator(f"diffusers:{folder}")


def not_finite(state: dict[str, torch.Tensor]) -> None:
    state["conv_in.weight"][0, 0, 0, 0] = torch.nan


def too_few(state: dict[str, torch.Tensor]) -> None:
    del state["conv_out.weight"]


def too_many(state: dict[str, torch.Tensor]) -> None:
    state["other"] = torch.zeros(3)


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (not_finite, r"conv_in.weight in .* must be finite"),
        (too_few, r"1 weights missing or left over, first conv_out.weight"),
        (too_many, r"1 weights missing or left over, first other"),
    ],
)
def test_odd_weights_are_refused(
    spoil: Callable[[dict[str, torch.Tensor]], None], named: str, tmp_path: Path
) -> None:
    file = save("ddpm", tmp_path) / "unet" / "diffusion_pytorch_model.safetensors"
    state = load_file(file)
    spoil(state)
    save_file(state, file)
    with pytest.raises(FileFormatError, match=named):
        open_generator(f"diffusers:{tmp_path}")


def test_a_name_that_cannot_be_had_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def offline(*arguments: object, **options: object) -> str:
        raise OSError("no network")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(FetchError, match="must be in the cache of huggingface_hub"):
        open_generator("diffusers:someone/faces")
