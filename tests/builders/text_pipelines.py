"""Tiny random text-to-image pipelines of each family, saved as the library saves them.

Their tokenizers know the letters alone, and their text encoders a handful of values.
"""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import pytest
import torch

diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

if int(transformers.__version__.partition(".")[0]) < 5:
    pytest.skip("older tokenizers are made of files alone", allow_module_level=True)

KINDS = ("sd", "sdxl", "sd3", "flux", "pixart-alpha", "pixart-sigma", "sana")
SIZE = 16
"""Side of their images."""

_WIDTH = 16


def clip_tokenizer() -> Any:
    letters = [*string.ascii_lowercase, *(f"{one}</w>" for one in string.ascii_lowercase)]
    vocab = ["<|startoftext|>", "<|endoftext|>", *letters]
    return transformers.CLIPTokenizer(
        vocab={one: i for i, one in enumerate(vocab)}, merges=[], model_max_length=24
    )


def t5_tokenizer() -> Any:
    vocab = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -2.0)]
    vocab += [(one, -3.0) for one in string.ascii_lowercase]
    return transformers.T5Tokenizer(vocab=vocab, extra_ids=0, model_max_length=24)


def clip(projection: bool = False) -> Any:
    kind = transformers.CLIPTextModelWithProjection if projection else transformers.CLIPTextModel
    config = transformers.CLIPTextConfig(
        vocab_size=60,
        hidden_size=_WIDTH,
        intermediate_size=_WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=24,
        projection_dim=_WIDTH,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    return kind(config).eval()


def t5() -> Any:
    config = transformers.T5Config(
        vocab_size=32, d_model=_WIDTH, d_kv=8, d_ff=_WIDTH, num_layers=1, num_heads=2
    )
    return transformers.T5EncoderModel(config).eval()


def autoencoder(channels: int, **changes: Any) -> Any:
    return diffusers.AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=channels,
        norm_num_groups=4,
        **changes,
    ).eval()


def unet(**changes: Any) -> Any:
    return diffusers.UNet2DConditionModel(
        sample_size=SIZE // 2,
        block_out_channels=(8, 8),
        layers_per_block=1,
        norm_num_groups=4,
        attention_head_dim=4,
        **{
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
            "cross_attention_dim": _WIDTH,
            **changes,
        },
    ).eval()


def stable_diffusion() -> Any:
    scheduler = diffusers.PNDMScheduler(
        beta_schedule="scaled_linear", skip_prk_steps=True, steps_offset=1
    )
    return diffusers.StableDiffusionPipeline(
        autoencoder(4), clip(), clip_tokenizer(), unet(), scheduler, None, None,
        requires_safety_checker=False,
    )  # fmt: skip


def stable_diffusion_xl() -> Any:
    network = unet(
        addition_embed_type="text_time",
        addition_time_embed_dim=4,
        projection_class_embeddings_input_dim=_WIDTH + 6 * 4,
        cross_attention_dim=2 * _WIDTH,
        use_linear_projection=True,
    )
    return diffusers.StableDiffusionXLPipeline(
        autoencoder(4),
        clip(),
        clip(projection=True),
        clip_tokenizer(),
        clip_tokenizer(),
        network,
        diffusers.EulerDiscreteScheduler(beta_schedule="scaled_linear"),
        add_watermarker=False,
    )


def stable_diffusion_3() -> Any:
    network = diffusers.SD3Transformer2DModel(
        sample_size=SIZE // 2,
        patch_size=1,
        in_channels=4,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=2,
        caption_projection_dim=16,
        joint_attention_dim=2 * _WIDTH,
        pooled_projection_dim=2 * _WIDTH,
        out_channels=4,
    )
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
    return diffusers.StableDiffusion3Pipeline(
        network,
        scheduler,
        autoencoder(4, shift_factor=0.1, use_quant_conv=False, use_post_quant_conv=False),
        clip(projection=True), clip_tokenizer(), clip(projection=True), clip_tokenizer(),
        None, None,
    )  # fmt: skip


def flux() -> Any:
    network = diffusers.FluxTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=_WIDTH,
        pooled_projection_dim=_WIDTH,
        axes_dims_rope=[4, 4, 8],
        guidance_embeds=True,
    )
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)
    decoder = autoencoder(4, shift_factor=0.1, use_quant_conv=False, use_post_quant_conv=False)
    return diffusers.FluxPipeline(
        scheduler, decoder, clip(), clip_tokenizer(), t5(), t5_tokenizer(), network
    )


def pixart(name: str) -> Any:
    network = diffusers.PixArtTransformer2DModel(
        sample_size=SIZE // 2,
        num_layers=2,
        patch_size=2,
        attention_head_dim=8,
        num_attention_heads=2,
        caption_channels=_WIDTH,
        cross_attention_dim=16,
        in_channels=4,
        out_channels=8,
    )
    scheduler = diffusers.DPMSolverMultistepScheduler()
    return getattr(diffusers, name)(t5_tokenizer(), t5(), autoencoder(4), network, scheduler)


def sana() -> Any:
    network = diffusers.SanaTransformer2DModel(
        patch_size=1,
        in_channels=4,
        out_channels=4,
        num_layers=1,
        num_attention_heads=2,
        attention_head_dim=4,
        num_cross_attention_heads=2,
        cross_attention_head_dim=4,
        cross_attention_dim=8,
        caption_channels=8,
        sample_size=SIZE // 2,
    )
    decoder = diffusers.AutoencoderDC(
        in_channels=3,
        latent_channels=4,
        attention_head_dim=2,
        encoder_block_types=("ResBlock", "EfficientViTBlock"),
        decoder_block_types=("ResBlock", "EfficientViTBlock"),
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        encoder_qkv_multiscales=((), (5,)),
        decoder_qkv_multiscales=((), (5,)),
        encoder_layers_per_block=(1, 1),
        decoder_layers_per_block=[1, 1],
        downsample_block_type="conv",
        upsample_block_type="interpolate",
        decoder_norm_types="rms_norm",
        decoder_act_fns="silu",
    )
    vocab = {one: i for i, one in enumerate(["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"])}
    vocab |= {one: 5 + i for i, one in enumerate([*string.ascii_letters, "\u2581"])}
    encoder = transformers.Gemma2Model(
        transformers.Gemma2Config(
            vocab_size=len(vocab),
            hidden_size=8,
            intermediate_size=8,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=4,
        )
    )
    tokenizer = transformers.GemmaTokenizer(vocab=vocab, merges=[])
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
    return diffusers.SanaPipeline(tokenizer, encoder.eval(), decoder.eval(), network, scheduler)


MAKERS = {
    "sd": stable_diffusion,
    "sdxl": stable_diffusion_xl,
    "sd3": stable_diffusion_3,
    "flux": flux,
    "pixart-alpha": lambda: pixart("PixArtAlphaPipeline"),
    "pixart-sigma": lambda: pixart("PixArtSigmaPipeline"),
    "sana": sana,
}


def save(kind: str, folder: Path) -> Any:
    """Save a random pipeline of a kind of `KINDS`, and return it."""
    torch.manual_seed(0)
    made = MAKERS[kind]()
    for part in ("unet", "transformer", "vae"):
        network = getattr(made, part, None)
        with torch.no_grad():
            for weight in network.parameters() if network else ():
                weight.add_(0.1 * torch.randn_like(weight))
    made.set_progress_bar_config(disable=True)
    made.save_pretrained(folder)
    return made
