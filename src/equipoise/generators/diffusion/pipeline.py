"""Saved pipelines of diffusers, read as data: no class is imported because a file names it.

Only safetensors weights are loaded. A network's size is checked before memory is allocated for it.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from equipoise.core.errors import FileFormatError
from equipoise.core.files import read_json
from equipoise.core.plugins import load_library
from equipoise.runtimes.torch_weights import load_weights, network_digest

PIPELINES = {
    "DDPMPipeline": ("unet", "scheduler"),
    "DDIMPipeline": ("unet", "scheduler"),
    "LDMPipeline": ("unet", "scheduler", "vqvae"),
    "ConsistencyModelPipeline": ("unet", "scheduler"),
}
"""Supported classes of pipelines, each with its parts."""

CONSISTENCY = "ConsistencyModelPipeline"
"""The class of pipelines that generate an image in one step."""

_CLASSES = {
    "unet": ("UNet2DModel",),
    "vqvae": ("VQModel", "AutoencoderKL"),
    "scheduler": ("DDPMScheduler", "DDIMScheduler"),
}
_ONE_STEP_SCHEDULER = "CMStochasticIterativeScheduler"
_WEIGHTS = "diffusion_pytorch_model.safetensors"
# Limits on what a configuration may ask for, chosen by hand: larger than published models.
_MOST_WEIGHTS = 2**32
_MOST_LAYERS = 16
_MOST_TRAINED_STEPS = 100_000
_MOST_PIXELS, _MOST_CHANNELS = 2048, 64

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_REMEDY = "Save an unconditional pipeline with save_pretrained(folder), in safetensors."


@dataclass(frozen=True, eq=False)
class Pipeline:
    """The parts of a diffusion model.

    Attributes
    ----------
    kind : str
        One of `PIPELINES`.
    unet : torch.nn.Module
        From noisy images or latents, and a time step, to the scheduler's input.
    decoder : torch.nn.Module or None
        From latents to images; None where the network works on pixels.
    scheduler : type
        A class of diffusers. Each batch has its own instance, because instances count steps.
    schedule : dict
        Arguments of the scheduler.
    digest : str
        SHA-256 of weights and configuration.
    """

    kind: str
    unet: Any
    decoder: Any
    scheduler: Any
    schedule: dict[str, Any]
    digest: str


def open_pipeline(name: str, revision: str) -> Pipeline:
    """Read a pipeline from a folder, or download it from the Hugging Face hub.

    Parameters
    ----------
    name : str
        A folder, or owner/model on the hub.
    revision : str
        Branch, tag or commit on the hub.

    Raises
    ------
    InputError
        When diffusers is not installed.
    FetchError
        When the download from the hub fails.
    FileFormatError
        When there is no such folder, the pipeline is of another class, or a part is missing,
        damaged, too large, or not in safetensors.
    """
    what = f"generator 'diffusers:{name}'"
    remedy = 'Run `pip install "equipoise[diffusers]"`.'
    library = load_library(what, "diffusers", remedy)
    folder = Path(name)
    if not folder.is_dir():
        if not _HUB_NAME.fullmatch(name):
            rule = "must be a folder, or a name on the hub such as owner/model"
            raise FileFormatError(what, rule, "no such folder", "Correct the path.")
        hub = load_library(what, "huggingface_hub", remedy)
        patterns = ["*.json", "*.safetensors"]
        hint = "Check the folder, or the name and the network."
        folder = Path(
            load_weights(
                what,
                "huggingface_hub",
                lambda: hub.snapshot_download(name, revision=revision, allow_patterns=patterns),
                hint,
            )
        )
    index = read_json(folder / "model_index.json", _REMEDY)
    kind = index.get("_class_name")
    if not isinstance(kind, str) or kind not in PIPELINES:
        listed, got = ", ".join(PIPELINES), str(kind)[:200]
        raise FileFormatError(f"pipeline in {folder}", f"must be one of {listed}", got, _REMEDY)
    for part in PIPELINES[kind]:
        allowed = _CLASSES[part]
        if part == "scheduler" and kind == CONSISTENCY:
            allowed = (_ONE_STEP_SCHEDULER,)
        if index.get(part) not in [["diffusers", name] for name in allowed]:
            raise FileFormatError(
                f"{part} in {folder}",
                f"must be {' or '.join(allowed)} of diffusers",
                str(index.get(part))[:200],
                _REMEDY,
            )
    scheduler = getattr(library, _ONE_STEP_SCHEDULER if kind == CONSISTENCY else "DDIMScheduler")
    schedule = _schedule(folder, scheduler)
    unet, digests = _network(library.UNet2DModel, folder / "unet")
    _check_unconditional(unet, folder)
    decoder = None
    if "vqvae" in PIPELINES[kind]:
        decoder, decoder_digest = _network(getattr(library, index["vqvae"][1]), folder / "vqvae")
        digests += decoder_digest
    settings = json.dumps([kind, schedule], sort_keys=True)
    digest = hashlib.sha256((settings + digests).encode()).hexdigest()
    return Pipeline(kind, unet, decoder, scheduler, schedule, digest)


def _schedule(folder: Path, scheduler: Any) -> dict[str, Any]:
    """Return the scheduler's arguments; unknown ones would raise a warning for every batch."""
    path = folder / "scheduler" / "scheduler_config.json"
    found = read_json(path, _REMEDY)
    steps = found.get("num_train_timesteps")
    if type(steps) is not int or not 1 <= steps <= _MOST_TRAINED_STEPS:
        rule = f"must be 1 to {_MOST_TRAINED_STEPS:,}"
        raise FileFormatError(f"num_train_timesteps of {path}", rule, steps, _REMEDY)
    known = inspect.signature(scheduler.__init__).parameters
    return {key: value for key, value in found.items() if key in known}


def _network(kind: Any, folder: Path) -> tuple[Any, str]:
    """Return a network in evaluation mode, float32, and the digest of weights and settings."""
    config = read_json(folder / "config.json", _REMEDY)
    known = {key: value for key, value in config.items() if not key.startswith("_")}
    try:
        # With this entry the library would import what the file names.
        if "quantization_config" in config:
            raise ValueError("quantised weights")
        _check_size(kind, known)
        # An index may refer to files of any format, including pickles.
        if not (folder / _WEIGHTS).is_file() or (folder / f"{_WEIGHTS}.index.json").exists():
            raise ValueError(f"no {_WEIGHTS} with all weights")
        network, loading = kind.from_pretrained(
            folder,
            use_safetensors=True,
            local_files_only=True,
            low_cpu_mem_usage=False,
            output_loading_info=True,
        )
        # The library sets missing weights to random values.
        if odd := [name for names in loading.values() for name in names]:
            raise ValueError(f"{len(odd)} weights missing or left over, first {odd[0]}")
    # The library's errors about a configuration or file have no common base class.
    except Exception as error:
        raise FileFormatError(
            f"network in {folder}",
            f"must be a whole {kind.__name__} of under {_MOST_WEIGHTS:,} weights, in safetensors",
            f"{type(error).__name__}: {' '.join(str(error).split())[:200]}",
            _REMEDY,
        ) from error
    network = network.float().eval().requires_grad_(False)
    for name, weight in network.state_dict().items():
        if not bool(torch.isfinite(weight).all()):
            raise FileFormatError(f"{name} in {folder}", "must be finite", "NaN", _REMEDY)
    # The file's settings, because the library adds the folder's path and defaults in varying order.
    return network, network_digest(json.dumps(known, sort_keys=True), network)


def _check_size(kind: Any, config: dict[str, Any]) -> None:
    """Check the number of layers before they are created, and of weights before they use memory."""
    layers, widths = config.get("layers_per_block", 1), config.get("block_out_channels", [1])
    if not 1 <= layers <= _MOST_LAYERS or not 1 <= len(widths) <= _MOST_LAYERS:
        raise ValueError(f"{layers} layers in each of {len(widths)} blocks")
    with torch.device("meta"):
        size = sum(weight.numel() for weight in kind.from_config(config).parameters())
    if size > _MOST_WEIGHTS:
        raise ValueError(f"{size:,} weights")


def _check_unconditional(unet: Any, folder: Path) -> None:
    config = unet.config
    side = config.sample_size
    if config.class_embed_type or config.num_class_embeds:
        raise FileFormatError(
            f"unet in {folder}", "must be unconditional", "classes", "Use a model without classes."
        )
    sized = isinstance(side, int) and 1 <= side <= _MOST_PIXELS
    if not sized or not 1 <= config.in_channels <= _MOST_CHANNELS:
        raise FileFormatError(
            f"unet in {folder}",
            f"must have a sample_size of 1 to {_MOST_PIXELS}, and 1 to {_MOST_CHANNELS} channels",
            f"{side}, {config.in_channels}",
            _REMEDY,
        )
    if config.out_channels != config.in_channels:
        raise FileFormatError(
            f"unet in {folder}",
            "must have as many output as input channels; learned variances are not supported",
            f"{config.out_channels} of {config.in_channels}",
            "Use a model that predicts the noise alone.",
        )
