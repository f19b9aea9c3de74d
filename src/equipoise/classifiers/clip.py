"""Zero-shot classification by prompts (Radford et al. 2021, arXiv 2103.00020), through open_clip.

Prompts describe the levels. Probabilities are the softmax of the similarities between the image and
each prompt, times the network's logit scale. Such predictions are weak on fine attributes: measure
them.
"""

from __future__ import annotations

import re
from typing import Any

import torch

from equipoise.classifiers.local.classifier import NetworkClassifier
from equipoise.classifiers.local.network import TorchNetwork
from equipoise.classifiers.network_io import NetworkInput, OutputReading
from equipoise.core.attributes import Attribute
from equipoise.core.errors import InputError
from equipoise.core.plugins import install
from equipoise.runtimes.devices import check_device
from equipoise.runtimes.torch_weights import CLIP_MODEL, OPENAI, network_digest, open_clip

_NAMED = re.compile(r"\s*(\w+)\s*:\s*(\S.*)")
_FETCHED = "Check the network; open_clip downloads them once."


def open_clip_prompts(text: str, *, device: str = "cpu") -> NetworkClassifier:
    """Open the classifier of some prompts.

    Parameters
    ----------
    text : str
        "smiling=a face that does not smile|a smiling face": the attribute, and a prompt for each
        level, in order. The name of a level is its prompt, or a word before it:
        "smiling=no:a face that does not smile|yes:a smiling face".
    device : str

    Raises
    ------
    InputError
        When the text has another form, or open_clip is not installed.
    FetchError
        When the weights cannot be loaded.
    """
    attribute, prompts = parse_prompts(text)
    library, network = open_clip(
        f"classifier 'clip:{text}'", CLIP_MODEL, "openai", (f"{install('clip')}.", _FETCHED)
    )
    tokenizer = library.get_tokenizer(CLIP_MODEL)
    return clip_classifier(attribute, prompts, network, tokenizer, device=device)


def parse_prompts(text: str) -> tuple[Attribute, tuple[str, ...]]:
    """Return the attribute and the prompts in a text; see `open_clip_prompts`.

    Raises
    ------
    InputError
        When there are fewer than two prompts, or a name breaks its rule.

    Examples
    --------
    >>> parse_prompts("smiling=no:a stern face|yes:a smiling face")[0].levels
    ('no', 'yes')
    """
    name, _, rest = text.partition("=")
    prompts = tuple(prompt.strip() for prompt in rest.split("|"))
    if not name or len(prompts) < 2 or not all(prompts):
        raise InputError(
            "clip prompts",
            "must be ATTRIBUTE=PROMPT|PROMPT, one prompt per level",
            text,
            "Write, for example, clip:smiling=no:a stern face|yes:a smiling face.",
        )
    named = [_NAMED.fullmatch(prompt) for prompt in prompts]
    levels = tuple(found[1] for found in named if found)
    if len(levels) == len(prompts):
        return Attribute(name, levels), tuple(found[2] for found in named if found)
    return Attribute(name, prompts), prompts


def clip_classifier(
    attribute: Attribute,
    prompts: tuple[str, ...],
    network: Any,
    tokenizer: Any,
    *,
    device: str = "cpu",
) -> NetworkClassifier:
    """Return the classifier of an attribute, with one prompt per level.

    Parameters
    ----------
    attribute : Attribute
    prompts : tuple of str
        One for each level, in order.
    network, tokenizer : object
        Of open_clip.
    device : str
    """
    place = check_device(device)
    network.requires_grad_(False).eval()
    size = network.visual.image_size
    side = int(size[0] if isinstance(size, tuple | list) else size)
    mean, std = (
        tuple(getattr(network.visual, f"image_{part}", None) or given)
        for part, given in zip(("mean", "std"), OPENAI, strict=True)
    )
    network_input = NetworkInput(side, "bicubic", mean=mean, std=std)
    with torch.inference_mode():
        words = _unit(network.encode_text(tokenizer(list(prompts))))
        # The digest is that of the weights, wherever they compute.
        about = network_digest(repr((attribute, prompts, network_input)), network)
        words, scale = words.to(place), network.logit_scale.exp().to(place)
    network.to(place)

    def logits(pixels: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = scale * _unit(network.encode_image(pixels)) @ words.T
        return found

    levels = tuple(range(len(prompts)))
    output = OutputReading(attribute, activation="softmax", levels=levels)
    described = "; ".join(f"{n}: {p!r}" for n, p in zip(attribute.levels, prompts, strict=True))
    return NetworkClassifier(
        f"clip {attribute.name}",
        TorchNetwork(f"clip {attribute.name}", logits, device),
        network_input,
        (output,),
        (about.encode(),),
        caveats=(
            f"{attribute.name} is the level whose prompt is nearest to the image by CLIP "
            f"({described}). Such predictions are weak on fine attributes, and depend on the "
            "wording.",
        ),
    )


def _unit(rows: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(rows, dim=-1)
