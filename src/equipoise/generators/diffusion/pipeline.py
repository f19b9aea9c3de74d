"""Saved pipelines of diffusers, read as data: no class is imported because a file names it.

Only safetensors weights are loaded. A network's size is checked before memory is allocated for it.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from equipoise.core.errors import FileFormatError
from equipoise.core.files import read_json
from equipoise.core.plugins import install, load_library
from equipoise.core.reasons import reason_of
from equipoise.runtimes.torch_weights import load_weights, network_digest

PIPELINES = {
    "DDPMPipeline": ("unet", "scheduler"),
    "DDIMPipeline": ("unet", "scheduler"),
    "LDMPipeline": ("unet", "scheduler", "vqvae"),
    "ConsistencyModelPipeline": ("unet", "scheduler"),
    "DiTPipeline": ("transformer", "scheduler", "vae"),
}
"""Supported classes of pipelines, each with its parts."""

CONSISTENCY = "ConsistencyModelPipeline"
"""The class of pipelines that generate an image in one step."""

TRANSFORMER = "DiTPipeline"
"""The class of pipelines whose network is a transformer of images with classes."""

_CLASSES = {
    "unet": ("UNet2DModel",),
    "transformer": ("DiTTransformer2DModel", "Transformer2DModel"),
    "vqvae": ("VQModel", "AutoencoderKL"),
    "vae": ("AutoencoderKL",),
    "scheduler": ("DDPMScheduler", "DDIMScheduler"),
}
_ONE_STEP_SCHEDULER = "CMStochasticIterativeScheduler"
# The library diffusers names weights by the first word, transformers by the second.
_WEIGHTS = re.compile(r"(diffusion_pytorch_)?model(\.(?P<variant>\w+))?\.safetensors")
_INDEX = re.compile(r"(diffusion_pytorch_)?model\.safetensors\.index(\.(?P<variant>\w+))?\.json")
_SHARD = re.compile(r"(diffusion_pytorch_)?model[\w.-]*\.safetensors")
# Limits on what a configuration may ask for, chosen by hand: larger than published models.
_MOST_WEIGHTS = 2**34
_MOST_LAYERS, _MOST_BLOCKS = 16, 256
_MOST_TRAINED_STEPS = 100_000
_MOST_PIXELS, _MOST_CHANNELS = 2048, 64

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_SCHEDULES = ("linear", "scaled_linear", "squaredcos_cap_v2")
"""Schedules of variances that the scheduler of DDIM knows."""

_BETAS = 'Write the variances of training into it, as "trained_betas": [0.0001, ...].'
_UPDATE = f"Update diffusers. {_BETAS}"
_REMEDY = "Save a pipeline without text with save_pretrained(folder), in safetensors."


@dataclass(frozen=True, eq=False)
class Pipeline:
    """The parts of a diffusion model.

    Attributes
    ----------
    kind : str
        One of `PIPELINES`.
    unet : torch.nn.Module
        From noisy images or latents, a time step and perhaps a class, to the scheduler's input.
    decoder : torch.nn.Module or None
        From latents to images; None where the network works on pixels.
    scheduler : type
        A class of diffusers. Each batch has its own instance, because instances count steps.
    schedule : dict
        Arguments of the scheduler.
    digest : str
        SHA-256 of weights and configuration.
    classes : int
        Classes that the network knows; 0 without any.
    notes : tuple of str
        What was chosen where the folder leaves it open.
    """

    kind: str
    unet: Any
    decoder: Any
    scheduler: Any
    schedule: dict[str, Any]
    digest: str
    classes: int
    notes: tuple[str, ...] = ()


def open_pipeline(name: str, revision: str, variant: str | None = None) -> Pipeline:
    """Read a pipeline from a folder, or download it from the Hugging Face hub.

    Parameters
    ----------
    name : str
        A folder, or owner/model on the hub.
    revision : str
        Branch, tag or commit on the hub.
    variant : str, optional
        Which files of weights: "fp16" for names such as "diffusion_pytorch_model.fp16.safetensors".
        By default the plain ones, or else the only variant that there is.

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
    library = load_library(what, "diffusers", f"{install('diffusers')}.")
    folder = pipeline_folder(name, what, revision, ["*.json", "*.safetensors"])
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
    schedule = _schedule(folder, scheduler, library.DDPMScheduler)
    part = PIPELINES[kind][0]
    known = library.DiTTransformer2DModel if kind == TRANSFORMER else library.UNet2DModel
    unet, digests, notes = load_network(known, _part(folder, part), variant)
    _check_shape(unet, folder)
    decoder = None
    for part in PIPELINES[kind][2:]:
        decoder, decoder_digest, more = load_network(
            getattr(library, index[part][1]), _part(folder, part), variant
        )
        digests += decoder_digest
        notes += more
    settings = json.dumps([kind, schedule], sort_keys=True)
    digest = hashlib.sha256((settings + digests).encode()).hexdigest()
    return Pipeline(
        kind,
        unet,
        decoder,
        scheduler,
        schedule,
        digest,
        _classes(unet, folder),
        tuple(dict.fromkeys(notes)),
    )


def pipeline_folder(name: str, what: str, revision: str, patterns: list[str]) -> Path:
    """Return the folder of a pipeline, downloaded from the hub where it is no folder.

    Parameters
    ----------
    name : str
        A folder, or owner/model on the hub.
    what : str
        The generator, as errors name it.
    revision : str
        Branch, tag or commit on the hub.
    patterns : list of str
        Names of the files to download.

    Raises
    ------
    InputError, FetchError, FileFormatError
        As `open_pipeline`.
    """
    folder = Path(name)
    if folder.is_dir():
        return folder
    if not _HUB_NAME.fullmatch(name):
        rule = "must be a folder, or a name on the hub such as owner/model"
        raise FileFormatError(what, rule, "no such folder", "Correct the path.")
    hub = load_library(what, "huggingface_hub", f"{install('diffusers')}.")
    hint = "Check the folder, or the name and the network."

    def download() -> Any:
        return hub.snapshot_download(name, revision=revision, allow_patterns=patterns)

    return Path(load_weights(what, "huggingface_hub", download, hint))


def _part(folder: Path, name: str) -> Path:
    """Return the folder of a part: its own, or the pipeline's, where older ones hold all files."""
    return folder / name if (folder / name).is_dir() else folder


def _schedule(folder: Path, scheduler: Any, training: Any) -> dict[str, Any]:
    """Return the scheduler's arguments; unknown ones would raise a warning for every batch.

    The variances of some schedules of training are not known to the scheduler of DDIM. They are
    computed by that of DDPM, and given as numbers.
    """
    path = _part(folder, "scheduler") / "scheduler_config.json"
    found = read_json(path, _REMEDY)
    check_trained_steps(found, path)
    known = inspect.signature(scheduler.__init__).parameters
    given = found.get("beta_schedule", "linear")
    if found.get("trained_betas") is None and given in ("sigmoid", "laplace"):
        taken = ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule")
        try:
            made = training(**{key: found[key] for key in taken if key in found})
        except (NotImplementedError, TypeError, ValueError) as error:
            raise FileFormatError(
                f"beta_schedule of {path}", "must be one that diffusers knows", given, _UPDATE
            ) from error
        found |= {"beta_schedule": "linear", "trained_betas": made.betas.tolist()}
    elif "beta_schedule" in known and given not in _SCHEDULES:
        rule = f"must be {', '.join(_SCHEDULES)}, sigmoid or laplace"
        raise FileFormatError(f"beta_schedule of {path}", rule, str(given)[:80], _BETAS)
    return {key: value for key, value in found.items() if key in known}


def check_trained_steps(schedule: dict[str, Any], path: Path) -> None:
    """Raise FileFormatError where a scheduler's settings name no sensible number of steps."""
    steps = schedule.get("num_train_timesteps")
    if type(steps) is not int or not 1 <= steps <= _MOST_TRAINED_STEPS:
        rule = f"must be 1 to {_MOST_TRAINED_STEPS:,}"
        raise FileFormatError(f"num_train_timesteps of {path}", rule, steps, _REMEDY)


def load_network(
    kind: Any, folder: Path, variant: str | None, dtype: torch.dtype = torch.float32
) -> tuple[Any, str, tuple[str, ...]]:
    """Return a network of diffusers in evaluation mode, with a digest of all of it, and notes.

    Parameters
    ----------
    kind : type
        Its class.
    folder : Path
        Of its configuration and weights.
    variant : str, optional
        As for `open_pipeline`.
    dtype : torch.dtype
        Of the weights in memory.

    Raises
    ------
    FileFormatError
        When it is damaged, too large, not whole, not finite, or not in safetensors.
    """
    config = read_json(folder / "config.json", _REMEDY)
    known = {key: value for key, value in config.items() if not key.startswith("_")}
    try:
        check_size(config, lambda: kind.from_config(known))
        chosen = find_variant(folder, variant)
        network, loading = kind.from_pretrained(
            folder,
            variant=chosen,
            use_safetensors=True,
            local_files_only=True,
            low_cpu_mem_usage=False,
            torch_dtype=dtype,
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
            reason_of(error),
            _REMEDY,
        ) from error
    network.eval().requires_grad_(False)
    check_finite(network, folder)
    # The file's settings, because the library adds the folder's path and defaults in varying order.
    note = f"weights are those of the variant {chosen}, the only ones in the folder"
    digest = network_digest(json.dumps(known, sort_keys=True), network)
    return network, digest, (note,) if chosen != variant else ()


def check_finite(network: torch.nn.Module, folder: Path) -> None:
    """Raise FileFormatError where a weight of a network from a folder is not finite."""
    for name, weight in network.state_dict().items():
        if not bool(torch.isfinite(weight).all()):
            raise FileFormatError(f"{name} in {folder}", "must be finite", "NaN", _REMEDY)


def find_variant(folder: Path, wanted: str | None) -> str | None:
    """Return the variant of the weights to load, as diffusers names it; None for the plain ones.

    Raises
    ------
    ValueError
        When there are no such weights in safetensors, or several variants and no plain ones.
    """
    found: set[str | None] = set()
    for path in folder.iterdir():
        index = _INDEX.fullmatch(path.name)
        if index is not None:
            # An index may refer to files of any format, including pickles.
            files = set(map(str, read_json(path, _REMEDY).get("weight_map", {}).values()))
            odd = [
                n for n in sorted(files) if not _SHARD.fullmatch(n) or not (folder / n).is_file()
            ]
            if odd or not files:
                raise ValueError(f"an index of weights, {path.name}, to {odd[:1] or 'nothing'}")
        match = index or _WEIGHTS.fullmatch(path.name)
        if match is not None:
            found.add(match["variant"])
    if wanted in found:
        return wanted
    if wanted is None and len(found) == 1:
        return found.pop()
    named = ", ".join(sorted(variant or "plain ones" for variant in found))
    raise ValueError(f"weights {named or 'of none'}; name one by variant=fp16, for example")


def check_size(config: dict[str, Any], make: Callable[[], torch.nn.Module]) -> None:
    """Check the number of layers before they are created, and of weights before they use memory.

    Parameters
    ----------
    config : dict
        The network's configuration, of diffusers or transformers.
    make : callable
        Creates the network; it is called where tensors hold no data.

    Raises
    ------
    ValueError
        When it is too large, or its weights are quantised.
    """
    # With this entry the library would import what the file names.
    if "quantization_config" in config:
        raise ValueError("quantised weights")
    layers, widths = config.get("layers_per_block", 1), config.get("block_out_channels", [1])
    if not 1 <= layers <= _MOST_LAYERS or not 1 <= len(widths) <= _MOST_LAYERS:
        raise ValueError(f"{layers} layers in each of {len(widths)} blocks")
    for name in ("num_layers", "num_single_layers", "num_hidden_layers"):
        if not 0 <= config.get(name, 1) <= _MOST_BLOCKS:
            raise ValueError(f"{config[name]} blocks")
    with torch.device("meta"):
        size = sum(weight.numel() for weight in make().parameters())
    if size > _MOST_WEIGHTS:
        raise ValueError(f"{size:,} weights")


def _classes(network: Any, folder: Path) -> int:
    """Return the number of classes that a network knows, 0 without any."""
    config = network.config
    if config.get("class_embed_type"):
        raise FileFormatError(
            f"unet in {folder}",
            "must number its classes, or have none",
            f"class_embed_type {config.class_embed_type}"[:80],
            "Use a model with num_class_embeds.",
        )
    return int(config.get("num_class_embeds") or config.get("num_embeds_ada_norm") or 0)


def _check_shape(unet: Any, folder: Path) -> None:
    config = unet.config
    side = config.sample_size
    sized = isinstance(side, int) and 1 <= side <= _MOST_PIXELS
    if not sized or not 1 <= config.in_channels <= _MOST_CHANNELS:
        raise FileFormatError(
            f"unet in {folder}",
            f"must have a sample_size of 1 to {_MOST_PIXELS}, and 1 to {_MOST_CHANNELS} channels",
            f"{side}, {config.in_channels}",
            _REMEDY,
        )
    given, made = config.in_channels, config.out_channels or config.in_channels
    if made not in (given, 2 * given):
        raise FileFormatError(
            f"unet in {folder}",
            "must have as many output as input channels, or twice as many with learned variances",
            f"{made} of {given}",
            "Use a model that predicts noise of the shape of its input.",
        )
