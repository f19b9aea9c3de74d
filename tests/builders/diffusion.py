"""Tiny diffusion models, saved as the library saves them."""

from pathlib import Path
from typing import Any

import pytest
import torch

diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed")

SIDE = 8
KINDS = ("ddpm", "ddim", "latent", "consistency")
CLASSES = 1000  # The library takes number 1000 for no class.


def unet(channels: int = 3, **changes: Any) -> Any:
    torch.manual_seed(0)
    settings = {
        "sample_size": SIDE,
        "in_channels": channels,
        "out_channels": channels,
        "layers_per_block": 1,
        "block_out_channels": (8, 8),
        "norm_num_groups": 4,
        "down_block_types": ("DownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "UpBlock2D"),
        "add_attention": False,
    }
    network = diffusers.UNet2DModel(**{**settings, **changes})
    with torch.no_grad():
        network.conv_out.weight.mul_(2)  # Else a consistency model paints little but grey.
    return network


def save_transformer(folder: Path) -> Any:
    """Save a random `DiTPipeline` of classes, which predicts variances too, and return it."""
    torch.manual_seed(0)
    network = diffusers.DiTTransformer2DModel(
        num_attention_heads=2,
        attention_head_dim=8,
        in_channels=4,
        out_channels=8,
        num_layers=2,
        norm_num_groups=4,
        sample_size=SIDE,
        num_embeds_ada_norm=CLASSES,
    )
    with torch.no_grad():
        for weight in network.parameters():
            weight.normal_(std=0.2)
    decoder = diffusers.AutoencoderKL(block_out_channels=(8,), latent_channels=4, norm_num_groups=4)
    scheduler = diffusers.DDIMScheduler(100, clip_sample=False)
    made = diffusers.DiTPipeline(network.eval(), decoder.eval(), scheduler)
    made.save_pretrained(folder)
    return made


def save(kind: str, folder: Path, **changes: Any) -> Path:
    """Save a random model of a kind of `KINDS`, and return its folder."""
    if kind == "ddpm":
        scheduler = diffusers.DDPMScheduler(100, clip_sample=False)
        made = diffusers.DDPMPipeline(unet(**changes), scheduler)
    elif kind == "ddim":
        scheduler = diffusers.DDIMScheduler(100, prediction_type="v_prediction")
        made = diffusers.DDIMPipeline(unet(**changes), scheduler)
    elif kind == "latent":
        torch.manual_seed(1)
        decoder = diffusers.VQModel(
            block_out_channels=(8, 8),
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            latent_channels=3,
            num_vq_embeddings=16,
            norm_num_groups=4,
        )
        scheduler = diffusers.DDIMScheduler(100, clip_sample=False)
        made = diffusers.LDMPipeline(decoder, unet(**changes), scheduler)
    else:
        scheduler = diffusers.CMStochasticIterativeScheduler()
        made = diffusers.ConsistencyModelPipeline(unet(**changes), scheduler)
    made.save_pretrained(folder)
    return folder
