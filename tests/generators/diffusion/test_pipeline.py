"""Folders of pipelines are data: what is foreign, damaged or unsafe is refused by name."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from equipoise.core.errors import FetchError, FileFormatError
from equipoise.generators import open_generator
from equipoise.generators.diffusion.pipeline import open_pipeline
from tests.builders.diffusion import diffusers, save

WEIGHTS = "diffusion_pytorch_model.safetensors"


def changed(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def only_pickled(folder: Path) -> None:
    (folder / "unet" / WEIGHTS).unlink()
    torch.save({"a": torch.zeros(1)}, folder / "unet" / "diffusion_pytorch_model.bin")


def pickled_by_an_index(folder: Path) -> None:
    file = folder / "unet" / WEIGHTS
    state = load_file(file)
    torch.save(state, folder / "unet" / "weights.bin")
    index = {"metadata": {}, "weight_map": dict.fromkeys(state, "weights.bin")}
    (folder / "unet" / f"{WEIGHTS}.index.json").write_text(json.dumps(index))


def cut(folder: Path) -> None:
    file = folder / "unet" / WEIGHTS
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
        (
            lambda f: changed(f / "model_index.json", _class_name=["DDPMPipeline"]),
            "must be one of DDPMPipeline",
        ),
        (
            lambda f: changed(f / "unet" / "config.json", layers_per_block=10**6),
            "got 1000000 layers in each of 2 blocks",
        ),
        (
            lambda f: changed(
                f / "unet" / "config.json", quantization_config={"quant_method": "x"}
            ),
            "got quantised weights",
        ),
        (only_pickled, "must be a whole UNet2DModel .* in safetensors"),
        (
            pickled_by_an_index,
            r"got an index of weights, .*, to .'weights\.bin'.",
        ),
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
        ({"class_embed_type": "identity"}, "must number its classes, or have none"),
        ({"out_channels": 4}, "twice as many with learned variances, got 4 of 3"),
        ({"sample_size": None}, "must have a sample_size"),
    ],
)
def test_other_networks_are_refused(changes: dict[str, Any], named: str, tmp_path: Path) -> None:
    folder = save("ddpm", tmp_path, **changes)
    with pytest.raises(FileFormatError, match=named):
        open_generator(f"diffusers:{folder}")


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("scheduler/scheduler_config.json", {"timestep_spacing": "x"}, "x is not"),
        ("scheduler/scheduler_config.json", {"steps_offset": 500}, "index"),
        ("unet/config.json", {"sample_size": 9}, "Sizes of tensors"),
    ],
)
def test_parts_that_do_not_fit_are_refused(
    file: str, change: dict[str, Any], said: str, tmp_path: Path
) -> None:
    changed(save("ddpm", tmp_path) / file, **change)
    with pytest.raises(FileFormatError, match=f"that match, got {said}"):
        open_generator(f"diffusers:{tmp_path}")


def test_a_decoder_of_other_latents_is_refused(tmp_path: Path) -> None:
    folder = save("latent", tmp_path / "latent")
    four = save("ddpm", tmp_path / "four", in_channels=4, out_channels=4)
    shutil.copytree(four / "unet", folder / "unet", dirs_exist_ok=True)
    with pytest.raises(FileFormatError, match="that match, got shape"):
        open_generator(f"diffusers:{folder}?steps=4")


def test_the_digest_is_of_what_is_in_the_folder_alone(tmp_path: Path) -> None:
    """Not of where it lies, nor of the process; a config of an older library lacks keys."""
    folder = save("ddpm", tmp_path / "one")
    config = json.loads((folder / "unet" / "config.json").read_text())
    for key in ("dropout", "upsample_type", "downsample_type", "class_embed_type"):
        del config[key]
    (folder / "unet" / "config.json").write_text(json.dumps(config))
    moved = shutil.copytree(folder, tmp_path / "two")
    code = (
        "import sys; from equipoise.generators import open_generator as opened;"
        "print(opened(sys.argv[1]).digest)"
    )
    elsewhere = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, f"diffusers:{moved}"],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert elsewhere.stdout.split() == [open_generator(f"diffusers:{folder}").digest]


def test_old_names_of_attention_weights_are_known(tmp_path: Path) -> None:
    blocks = {"down_block_types": ("DownBlock2D", "AttnDownBlock2D"), "add_attention": True}
    folder = save("ddpm", tmp_path / "new", **blocks, attention_head_dim=4)
    old = shutil.copytree(folder, tmp_path / "old")
    names = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    state = load_file(folder / "unet" / WEIGHTS)
    for new, former in names.items():
        state = {key.replace(f".{new}.", f".{former}."): value for key, value in state.items()}
    assert any(".proj_attn." in key for key in state)
    save_file(state, old / "unet" / WEIGHTS)
    one, other = (open_generator(f"diffusers:{f}?steps=4") for f in (folder, old))
    codes = one.prior.codes(0, 0, 3)
    assert np.array_equal(one.images(codes), other.images(codes))
    assert one.digest == other.digest


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
    file = save("ddpm", tmp_path) / "unet" / WEIGHTS
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


@pytest.mark.parametrize("name", ["/tmp/none/faces", "runs/models/faces", "../x"])
def test_a_path_without_a_folder_is_not_sought_on_the_hub(name: str) -> None:
    with pytest.raises(FileFormatError, match=r"must be a folder, or a name on the hub"):
        open_generator(f"diffusers:{name}")


def test_keys_that_the_scheduler_does_not_know_are_dropped(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Old folders have some, of which the library would warn for each batch of images."""
    folder = save("ddpm", tmp_path)
    plain = open_generator(f"diffusers:{folder}?steps=4")
    changed(folder / "scheduler" / "scheduler_config.json", timestep_values=None, more=1)
    capfd.readouterr()
    generator = open_generator(f"diffusers:{folder}?steps=4")
    codes = generator.prior.codes(0, 0, 3)
    assert np.array_equal(generator.images(codes), plain.images(codes))
    assert generator.digest == plain.digest
    assert capfd.readouterr().err == ""


def at_the_root(folder: Path) -> None:
    """As google/ddpm-cat-256 on the hub: everything side by side."""
    for part in ("unet", "scheduler"):
        for file in (folder / part).iterdir():
            file.rename(folder / file.name)
        (folder / part).rmdir()


def as_variant(folder: Path) -> None:
    file = folder / "unet" / WEIGHTS
    file.rename(file.with_name("diffusion_pytorch_model.fp16.safetensors"))


def in_shards(folder: Path) -> None:
    unet = diffusers.UNet2DModel.from_pretrained(folder / "unet")
    (folder / "unet" / WEIGHTS).unlink()
    unet.save_pretrained(folder / "unet", max_shard_size="10KB")
    assert not (folder / "unet" / WEIGHTS).exists()


def variant_in_shards(folder: Path) -> None:
    unet = diffusers.UNet2DModel.from_pretrained(folder / "unet")
    (folder / "unet" / WEIGHTS).unlink()
    unet.save_pretrained(folder / "unet", max_shard_size="10KB", variant="fp16")


@pytest.mark.parametrize("change", [at_the_root, as_variant, in_shards, variant_in_shards])
def test_folders_are_read_as_diffusers_reads_them(
    change: Callable[[Path], None], tmp_path: Path
) -> None:
    plain = open_generator(f"diffusers:{save('ddpm', tmp_path / 'plain')}?steps=4")
    folder = save("ddpm", tmp_path / "other")
    change(folder)
    generator = open_generator(f"diffusers:{folder}?steps=4")
    codes = generator.prior.codes(0, 0, 2)
    assert np.array_equal(generator.images(codes), plain.images(codes))
    assert generator.digest == plain.digest
    noted = "variant" in " ".join(generator.caveats)
    assert noted == (change in (as_variant, variant_in_shards))


def test_a_variant_beside_plain_weights_is_taken_when_named(tmp_path: Path) -> None:
    folder = save("ddpm", tmp_path)
    file = folder / "unet" / WEIGHTS
    half = {name: (weight * 0.5).half() for name, weight in load_file(file).items()}
    save_file(half, file.with_name("diffusion_pytorch_model.fp16.safetensors"))
    plain = open_generator(f"diffusers:{folder}?steps=4")
    named = open_generator(f"diffusers:{folder}?steps=4&variant=fp16")
    assert named.digest != plain.digest
    with pytest.raises(FileFormatError, match="weights fp16, plain ones; name one by variant="):
        open_generator(f"diffusers:{folder}?variant=bf16")


@pytest.mark.parametrize("kind", ["sigmoid", "laplace"])
def test_schedules_of_training_that_ddim_lacks_are_computed(kind: str, tmp_path: Path) -> None:
    folder = save("ddpm", tmp_path)
    changed(folder / "scheduler" / "scheduler_config.json", beta_schedule=kind)
    betas = open_pipeline(str(folder), "main").schedule["trained_betas"]
    if kind == "sigmoid":
        exact = 1e-4 + (0.02 - 1e-4) / (1 + np.exp(-np.linspace(-6, 6, 100)))
        assert np.allclose(betas, exact, atol=1e-6)
    assert len(betas) == 100
    generator = open_generator(f"diffusers:{folder}?steps=4")
    assert generator.images(generator.prior.codes(0, 0, 2)).std() > 0


def test_an_unknown_schedule_has_a_way_out(tmp_path: Path) -> None:
    folder = save("ddpm", tmp_path)
    changed(folder / "scheduler" / "scheduler_config.json", beta_schedule="wavy")
    with pytest.raises(FileFormatError, match=r"must be linear, .* got wavy\. .*trained_betas"):
        open_generator(f"diffusers:{folder}")
