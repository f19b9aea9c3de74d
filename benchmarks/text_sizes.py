"""Memory and work of text-to-image models, computed from their published sizes alone.

Networks are made without data (PyTorch's meta device), by the settings that their authors publish
beside the weights; parameters and floating-point operations are counted. Nothing is run. Times
follow from a stated rate of a GPU, and stay to be checked by whoever runs the trained weights.

    python benchmarks/text_sizes.py
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers as library
import torch
import transformers
from torch.utils.flop_counter import FlopCounterMode

from equipoise.core.files import write_text
from equipoise.core.versions import versions_line

texts: Any = transformers
networks: Any = library  # Some of its classes are untyped, and some are not.
RESULTS = Path(__file__).parent / "results" / "text_sizes.md"
STEPS = 20
RATE = 100e12
"""Operations a second that a GPU is taken to reach: a third of the 312 that an A100 is sold with in
half precision."""

_HEAD = f"""# Sizes of text-to-image models

Written by `python benchmarks/text_sizes.py`. Computed, not measured: networks are made without
data by their published settings, and their parameters and operations are counted. Memory is that
of all weights in half precision; activations come on top. An image takes {STEPS} steps, with
guidance as usual (two passes a step, but one for Flux), and its decoding. Seconds are for
{RATE / 1e12:.0f} teraflops a second, about a third of what an A100 is sold with.

| model | side | parameters, billions: denoiser | text encoders | decoder | weights, GB |\
 teraflops a pass | an image | seconds an image | hours for 10,000 |
|---|---|---|---|---|---|---|---|---|---|"""


@dataclass(frozen=True)
class Model:
    """A model by its published settings."""

    name: str
    side: int
    passes: int
    denoiser: Callable[[], Any]
    inputs: Callable[[], dict[str, Any]]
    encoders: tuple[Callable[[], Any], ...]
    channels: int = 4


def empty(*shape: int) -> torch.Tensor:
    """Return a tensor without data."""
    return torch.zeros(shape, device="meta")


def clip_large(projection: bool = False) -> Any:
    """Return the text encoder of CLIP ViT-L/14."""
    kind = texts.CLIPTextModelWithProjection if projection else texts.CLIPTextModel
    config = texts.CLIPTextConfig(
        hidden_size=768,
        intermediate_size=3072,
        num_hidden_layers=12,
        num_attention_heads=12,
        projection_dim=768,
    )
    return kind(config)


def clip_giant() -> Any:
    """Return the text encoder of OpenCLIP ViT-bigG/14."""
    return texts.CLIPTextModelWithProjection(
        texts.CLIPTextConfig(
            hidden_size=1280,
            intermediate_size=5120,
            num_hidden_layers=32,
            num_attention_heads=20,
            projection_dim=1280,
        )
    )


def t5_xxl() -> Any:
    """Return the encoder of T5 v1.1 XXL."""
    return texts.T5EncoderModel(
        texts.T5Config(
            d_model=4096,
            d_kv=64,
            d_ff=10240,
            num_layers=24,
            num_heads=64,
            vocab_size=32128,
            feed_forward_proj="gated-gelu",
        )
    )


def decoder(channels: int) -> Any:
    """Return the autoencoder that these models share but for the channels of its latents."""
    return networks.AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        latent_channels=channels,
    )


MODELS = (
    Model(
        "Stable Diffusion 1.5",
        512,
        2,
        lambda: networks.UNet2DConditionModel(cross_attention_dim=768, sample_size=64),
        lambda: {
            "sample": empty(1, 4, 64, 64),
            "timestep": empty(1),
            "encoder_hidden_states": empty(1, 77, 768),
        },
        (clip_large,),
    ),
    Model(
        "SDXL",
        1024,
        2,
        lambda: networks.UNet2DConditionModel(
            sample_size=128,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            block_out_channels=(320, 640, 1280),
            transformer_layers_per_block=[1, 2, 10],
            attention_head_dim=[5, 10, 20],
            cross_attention_dim=2048,
            addition_embed_type="text_time",
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=2816,
            use_linear_projection=True,
        ),
        lambda: {
            "sample": empty(1, 4, 128, 128),
            "timestep": empty(1),
            "encoder_hidden_states": empty(1, 77, 2048),
            "added_cond_kwargs": {"text_embeds": empty(1, 1280), "time_ids": empty(1, 6)},
        },
        (clip_large, clip_giant),
    ),
    Model(
        "Stable Diffusion 3 medium",
        1024,
        2,
        lambda: networks.SD3Transformer2DModel(
            sample_size=128,
            patch_size=2,
            in_channels=16,
            out_channels=16,
            num_layers=24,
            attention_head_dim=64,
            num_attention_heads=24,
            joint_attention_dim=4096,
            caption_projection_dim=1536,
            pooled_projection_dim=2048,
            pos_embed_max_size=192,
        ),
        lambda: {
            "hidden_states": empty(1, 16, 128, 128),
            "timestep": empty(1),
            "encoder_hidden_states": empty(1, 333, 4096),
            "pooled_projections": empty(1, 2048),
        },
        (clip_large, clip_giant, t5_xxl),
        channels=16,
    ),
    Model(
        "Flux.1 dev",
        1024,
        1,
        lambda: networks.FluxTransformer2DModel(guidance_embeds=True),
        lambda: {
            "hidden_states": empty(1, 4096, 64),
            "timestep": empty(1),
            "guidance": empty(1),
            "encoder_hidden_states": empty(1, 512, 4096),
            "pooled_projections": empty(1, 768),
            "txt_ids": empty(512, 3),
            "img_ids": empty(4096, 3),
        },
        (clip_large, t5_xxl),
        channels=16,
    ),
)


def size(network: Any) -> int:
    """Return the number of parameters."""
    return sum(weight.numel() for weight in network.parameters())


def operations(work: Callable[[], Any]) -> int:
    """Return the floating-point operations of a pass."""
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops())


@dataclass(frozen=True)
class Sizes:
    """Parameters of the denoiser, the text encoders and the decoder, and operations."""

    parameters: tuple[int, int, int]
    passed: int
    image: int


def sizes(model: Model) -> Sizes:
    """Return the sizes of a model, and the operations of a pass and of an image."""
    with torch.device("meta"):
        network, autoencoder = model.denoiser().eval(), decoder(model.channels).eval()
        texts = sum(size(make()) for make in model.encoders)
        passed = operations(lambda: network(**model.inputs()))
        latent = empty(1, model.channels, model.side // 8, model.side // 8)
        decoded = operations(lambda: autoencoder.decode(latent))
    parameters = size(network), texts, size(autoencoder)
    return Sizes(parameters, passed, STEPS * model.passes * passed + decoded)


def row(model: Model) -> str:
    """Return the row of a model in the table."""
    found = sizes(model)
    parts, passed, image = found.parameters, found.passed, found.image
    billions = " | ".join(f"{part / 1e9:.2f}" for part in parts)
    return (
        f"| {model.name} | {model.side} | {billions} | {2 * sum(parts) / 1e9:.1f} "
        f"| {passed / 1e12:.2f} | {image / 1e12:.0f} | {image / RATE:.1f} "
        f"| {10_000 * image / RATE / 3600:.1f} |"
    )


def main() -> None:
    """Write the table."""
    rows = [row(model) for model in MODELS]
    write_text(RESULTS, "\n".join([_HEAD, *rows, "", versions_line(), ""]))


if __name__ == "__main__":
    main()
