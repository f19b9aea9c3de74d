"""Saved text-to-image pipelines of diffusers, read as data and put together by their own class.

Each part is of a class that is listed here, so that nothing is imported because a file names it;
weights are safetensors. The official pipeline then denoises, so that its images are the official
ones.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.files import read_json
from equipoise.core.plugins import install, load_library
from equipoise.core.reasons import reason_of
from equipoise.generators.diffusion.pipeline import (
    check_finite,
    check_size,
    check_trained_steps,
    find_variant,
    load_network,
    pipeline_folder,
)
from equipoise.runtimes.torch_weights import network_digest

_CLIP, _PROJECTED = "CLIPTextModel", "CLIPTextModelWithProjection"
_T5, _T5_TOKENIZERS = "T5EncoderModel", ("T5Tokenizer", "T5TokenizerFast")
_CLIP_TOKENIZERS = ("CLIPTokenizer", "CLIPTokenizerFast")
_GUIDED = ("prompt_embeds", "negative_prompt_embeds")
_POOLED = (*_GUIDED, "pooled_prompt_embeds", "negative_pooled_prompt_embeds")
_MASKED = (
    "prompt_embeds",
    "prompt_attention_mask",
    "negative_prompt_embeds",
    "negative_prompt_attention_mask",
)


@dataclass(frozen=True)
class Family:
    """A class of pipelines.

    Attributes
    ----------
    parts : dict of str to tuple of str
        For each part the classes that it may have.
    embeddings : tuple of str
        What `encode_prompt` returns, by the names of the call's arguments.
    flow : bool
        Whether it learned a rectified flow, and not to remove noise.
    packed : bool
        Whether latents are rows of 2x2 patches.
    ignored : tuple of str
        Parts that are left out.
    """

    parts: dict[str, tuple[str, ...]]
    embeddings: tuple[str, ...]
    flow: bool = False
    packed: bool = False
    ignored: tuple[str, ...] = ()


_CHECKER = "safety_checker"
_ABSENT = [None, None]
_PIXART = Family(
    {
        "tokenizer": _T5_TOKENIZERS,
        "text_encoder": (_T5,),
        "vae": ("AutoencoderKL",),
        "transformer": ("PixArtTransformer2DModel", "Transformer2DModel"),
    },
    _MASKED,
)
FAMILIES = {
    "StableDiffusionPipeline": Family(
        {
            "tokenizer": _CLIP_TOKENIZERS,
            "text_encoder": (_CLIP,),
            "vae": ("AutoencoderKL",),
            "unet": ("UNet2DConditionModel",),
        },
        _GUIDED,
        ignored=(_CHECKER, "feature_extractor", "image_encoder"),
    ),
    "StableDiffusionXLPipeline": Family(
        {
            "tokenizer": _CLIP_TOKENIZERS,
            "tokenizer_2": _CLIP_TOKENIZERS,
            "text_encoder": (_CLIP,),
            "text_encoder_2": (_PROJECTED,),
            "vae": ("AutoencoderKL",),
            "unet": ("UNet2DConditionModel",),
        },
        _POOLED,
        ignored=("feature_extractor", "image_encoder"),
    ),
    "StableDiffusion3Pipeline": Family(
        {
            "tokenizer": _CLIP_TOKENIZERS,
            "tokenizer_2": _CLIP_TOKENIZERS,
            "tokenizer_3": _T5_TOKENIZERS,
            "text_encoder": (_PROJECTED,),
            "text_encoder_2": (_PROJECTED,),
            "text_encoder_3": (_T5,),
            "vae": ("AutoencoderKL",),
            "transformer": ("SD3Transformer2DModel",),
        },
        _POOLED,
        flow=True,
        ignored=("feature_extractor", "image_encoder"),
    ),
    "FluxPipeline": Family(
        {
            "tokenizer": _CLIP_TOKENIZERS,
            "tokenizer_2": _T5_TOKENIZERS,
            "text_encoder": (_CLIP,),
            "text_encoder_2": (_T5,),
            "vae": ("AutoencoderKL",),
            "transformer": ("FluxTransformer2DModel",),
        },
        ("prompt_embeds", "pooled_prompt_embeds"),
        flow=True,
        packed=True,
        ignored=("feature_extractor", "image_encoder"),
    ),
    "PixArtAlphaPipeline": _PIXART,
    "PixArtSigmaPipeline": _PIXART,
    "SanaPipeline": Family(
        {
            "tokenizer": ("GemmaTokenizer", "GemmaTokenizerFast"),
            "text_encoder": ("Gemma2Model",),
            "vae": ("AutoencoderDC",),
            "transformer": ("SanaTransformer2DModel",),
        },
        _MASKED,
        flow=True,
    ),
}
"""Supported classes of pipelines."""

OPTIONAL = {"StableDiffusion3Pipeline": ("tokenizer_3", "text_encoder_3")}
"""Parts that a pipeline may be saved without."""

_EULER, _FLOW = "EulerDiscreteScheduler", "FlowMatchEulerDiscreteScheduler"
ONE_STEP = ("DDIMScheduler", _EULER, _FLOW)
"""Schedulers whose steps depend on the latents alone, so that their state is the latents."""

_DETERMINISTIC = (
    *ONE_STEP,
    "DEISMultistepScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "FlowMatchHeunDiscreteScheduler",
    "HeunDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "LMSDiscreteScheduler",
    "PNDMScheduler",
    "UniPCMultistepScheduler",
)
SOLVERS = {"ddim": "DDIMScheduler", "dpm": "DPMSolverMultistepScheduler", "euler": _EULER}
"""Names of schedulers that replace the one of the folder; a flow has `euler` alone."""

_FILES = ("*.json", "*/*.json", "*/*.safetensors", "*/*.txt", "*/*.model")
_LARGEST_FILE = 64 * 2**20
"""Bytes of a tokenizer's file, chosen by hand: twice that of Gemma."""

_REMEDY = "Save it again with save_pretrained(folder), in safetensors."
_UNFILTERED = (
    "the pipeline's safety checker is switched off: it would paint images black, and those would "
    "count as unknown. Look through the images before they are shown"
)


@dataclass(frozen=True, eq=False)
class TextPipeline:
    """A text-to-image pipeline in memory.

    Attributes
    ----------
    kind : str
        One of `FAMILIES`.
    made : object
        The official pipeline. Each call takes a copy of it with a scheduler of its own, because
        schedulers count steps.
    network : torch.nn.Module
        Its network of denoising.
    digest : str
        SHA-256 of weights and configuration.
    notes : tuple of str
        What was chosen where the folder leaves it open, and what was left out.
    """

    kind: str
    made: Any
    network: Any
    digest: str
    notes: tuple[str, ...]

    @property
    def family(self) -> Family:
        """What its class is made of."""
        return FAMILIES[self.kind]


def open_text_pipeline(
    name: str,
    revision: str = "main",
    variant: str | None = None,
    solver: str | None = None,
    dtype: torch.dtype = torch.float32,
) -> TextPipeline:
    """Read a text-to-image pipeline from a folder, or download it from the Hugging Face hub.

    Parameters
    ----------
    name : str
        A folder, or owner/model on the hub.
    revision, variant : str
        As for `equipoise.generators.diffusion.pipeline.open_pipeline`.
    solver : str, optional
        One of `SOLVERS`; by default the scheduler of the folder.
    dtype : torch.dtype
        Of the weights in memory.

    Raises
    ------
    InputError
        When diffusers or transformers is not installed, the scheduler draws noise at its steps, or
        the solver does not fit the family.
    FetchError
        When the download from the hub fails.
    FileFormatError
        When the pipeline is of another class, or a part is missing, damaged, too large, of another
        class, or not in safetensors.
    """
    what = f"generator 'diffusers-text:{name}'"
    libraries = {
        "diffusers": load_library(what, "diffusers", f"{install('diffusers')}."),
        "transformers": load_library(what, "transformers", f"{install('diffusers,transformers')}."),
    }
    folder = pipeline_folder(name, what, revision, list(_FILES))
    index = read_json(folder / "model_index.json", _REMEDY)
    kind = index.get("_class_name")
    if not isinstance(kind, str) or kind not in FAMILIES:
        rule = f"must be one of {', '.join(FAMILIES)}"
        raise FileFormatError(f"pipeline in {folder}", rule, str(kind)[:200], _REMEDY)
    official = getattr(libraries["diffusers"], kind, None)
    if official is None:
        rule, version = f"must be one that has {kind}", libraries["diffusers"].__version__
        raise InputError("diffusers", rule, version, "Run `pip install -U diffusers`.")
    family = FAMILIES[kind]
    parts: dict[str, Any] = dict.fromkeys(family.ignored)
    notes = [] if index.get(_CHECKER) in (None, _ABSENT) else [_UNFILTERED]
    digests = []
    for part, classes in family.parts.items():
        given = index.get(part)
        if given in (None, _ABSENT) and part in OPTIONAL.get(kind, ()):
            parts[part] = None
            continue
        library = "diffusers" if part in ("vae", "unet", "transformer") else "transformers"
        if given not in [[library, one] for one in classes]:
            rule = f"must be {' or '.join(classes)} of {library}"
            raise FileFormatError(f"{part} in {folder}", rule, str(given)[:200], _REMEDY)
        # The older name of a network has the parameters of the newer one.
        found = getattr(
            libraries[library], classes[0] if library == "diffusers" else index[part][1]
        )
        if library == "diffusers":
            parts[part], digest, more = load_network(found, folder / part, variant, dtype)
            notes += more
        elif part.startswith("tokenizer"):
            parts[part], digest = _tokenizer(found, folder / part)
        else:
            parts[part], digest = _encoder(found, folder / part, variant, dtype)
        digests.append(digest)
    parts["scheduler"] = _scheduler(libraries["diffusers"], index, folder, family, solver)
    known = inspect.signature(official.__init__).parameters
    chosen = {key: value for key, value in index.items() if key in known and type(value) is bool}
    chosen |= {key: False for key in ("requires_safety_checker", "add_watermarker") if key in known}
    try:
        made = official(**{key: part for key, part in parts.items() if key in known}, **chosen)
    # Parts that do not match raise errors without a common base class.
    except Exception as error:
        raise FileFormatError(
            f"pipeline in {folder}", "must have parts that match", reason_of(error), _REMEDY
        ) from error
    made.set_progress_bar_config(disable=True)
    schedule = dict(made.scheduler.config)
    about = json.dumps([kind, type(made.scheduler).__name__, schedule, chosen, digests, str(dtype)],
                       sort_keys=True, default=str)  # fmt: skip
    return TextPipeline(
        kind,
        made,
        parts["unet" if "unet" in parts else "transformer"],
        hashlib.sha256(about.encode()).hexdigest(),
        tuple(dict.fromkeys(notes)),
    )


def _scheduler(
    library: Any, index: dict[str, Any], folder: Path, family: Family, solver: str | None
) -> Any:
    """Return the folder's scheduler, or the solver made of its settings; both without noise."""
    path = folder / "scheduler" / "scheduler_config.json"
    found = read_json(path, _REMEDY)
    check_trained_steps(found, path)
    solvers = {"euler": _FLOW} if family.flow else SOLVERS
    if solver is not None and solver not in solvers:
        rule = f"must be {', '.join(solvers)} for this pipeline"
        raise InputError("solver", rule, solver[:80], "Leave it out for the folder's own.")
    given = index.get("scheduler")
    stored = next((one for one in _DETERMINISTIC if given == ["diffusers", one]), None)
    name = solvers[solver] if solver else stored
    noisy = str(found.get("algorithm_type", "")).startswith("sde")
    if name is None or (solver is None and (noisy or found.get("stochastic_sampling"))):
        raise InputError(
            f"scheduler of {folder}",
            "must draw no noise at its steps, so that a code determines its image",
            f"{given}{', ' + found['algorithm_type'] if noisy else ''}"[:120],
            f"Pass solver={next(iter(solvers))}, which is {next(iter(solvers.values()))}.",
        )
    kind = getattr(library, name)
    known = set(inspect.signature(kind.__init__).parameters)
    settings = {key: value for key, value in found.items() if key in known}
    if solver is not None:
        # These belong to other schedulers, or would draw noise or cut latents off.
        quiet: dict[str, object] = {
            "algorithm_type": "dpmsolver++",
            "stochastic_sampling": False,
            "clip_sample": False,
        }
        if "flow_shift" in found:  # As solvers of both kinds of models call the shift of a flow.
            quiet["shift"] = found["flow_shift"]
        settings |= {key: value for key, value in quiet.items() if key in known}
    try:
        return kind(**settings)
    except Exception as error:
        rule = f"must be settings of {name}"
        raise FileFormatError(str(path), rule, reason_of(error), _REMEDY) from error


def _tokenizer(kind: Any, folder: Path) -> tuple[Any, str]:
    """Return a tokenizer, with a digest of its files."""
    digest = hashlib.sha256(kind.__name__.encode())
    try:
        for path in sorted(folder.iterdir()):
            if path.stat().st_size > _LARGEST_FILE:
                raise ValueError(f"{path.name}, which is larger than {_LARGEST_FILE:,} bytes")
            digest.update(path.name.encode() + path.read_bytes())
        return kind.from_pretrained(folder, local_files_only=True), digest.hexdigest()
    except Exception as error:
        rule = f"must be a {kind.__name__}"
        raise FileFormatError(f"tokenizer in {folder}", rule, reason_of(error), _REMEDY) from error


def _encoder(kind: Any, folder: Path, variant: str | None, dtype: torch.dtype) -> tuple[Any, str]:
    """Return a text encoder in evaluation mode, with a digest."""
    config = read_json(folder / "config.json", _REMEDY)
    try:
        if (folder / "adapter_config.json").exists():
            raise ValueError("an adapter, whose base would be downloaded")
        check_size(config, lambda: kind(kind.config_class.from_dict(config)))
        network, loading = kind.from_pretrained(
            folder,
            variant=find_variant(folder, variant),
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
        # The library sets missing weights to random values. Older files hold more than are read.
        if odd := [name for key in ("missing_keys", "mismatched_keys") for name in loading[key]]:
            raise ValueError(f"{len(odd)} weights missing or of another shape")
    except Exception as error:
        rule = f"must be a whole {kind.__name__}, in safetensors"
        raise FileFormatError(
            f"text encoder in {folder}", rule, reason_of(error), _REMEDY
        ) from error
    network = network.to(dtype).eval().requires_grad_(False)
    check_finite(network, folder)
    return network, network_digest(json.dumps(config, sort_keys=True), network)
