"""Image classification models of `transformers`, with safetensors weights and without their code.

Preprocessing is read from preprocessor_config.json and applied here, so that reports can show it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import torch

from equipoise.classifiers.local.classifier import NetworkClassifier, TorchNetwork
from equipoise.classifiers.network_io import NetworkInput, OutputReading
from equipoise.core.attributes import Attribute
from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.files import read_json
from equipoise.core.plugins import load_library
from equipoise.runtimes.torch_weights import load_weights, network_digest

_FILTERS = {0: "nearest", 2: "bilinear", 3: "bicubic", 4: "box"}
"""Filters by Pillow's numbers, which configurations contain."""

_SMALL_CROP = 384
"""Edge below which ConvNeXT's image processor resizes by `crop_pct` and crops (transformers)."""

_OPTIONS = ("attribute", "levels", "revision")


def open_hugging_face(text: str) -> NetworkClassifier:
    """Open the classifier in a model's folder, or of its name on the Hugging Face hub.

    Parameters
    ----------
    text : str
        "FOLDER-OR-NAME", or with options "FOLDER-OR-NAME?attribute=smiling&levels=no,yes". Levels
        are by default the labels of the model's configuration, in its order. `revision` is a commit
        on the hub.

    Raises
    ------
    InputError
        When transformers is not installed, or an option breaks its rule.
    FetchError
        When the model cannot be loaded, or has no safetensors weights.
    FileFormatError
        When the configuration of its preprocessing is missing or not supported.
    """
    name, options = parse_name(text)
    what = f"classifier 'hf:{name}'"
    remedy = 'Run `pip install "equipoise[transformers]"`.'
    library = load_library(what, "transformers", remedy)
    revision = options.get("revision", "main")

    def load() -> Any:
        return library.AutoModelForImageClassification.from_pretrained(
            name,
            revision=revision,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=Path(name).is_dir(),
        )

    def locate() -> Any:
        return load_library(what, "transformers.utils", remedy).cached_file(
            name, "preprocessor_config.json", revision=revision
        )

    hint = "Check the name and the network; weights must be model.safetensors."
    network = load_weights(what, "transformers", load, hint)
    config = load_weights(what, "transformers", locate, "Save the image processor beside it.")
    network_input = read_processor(
        read_json(Path(config), "Save the model's image processor again.")
    )
    labels = [str(label) for _, label in sorted(network.config.id2label.items())]
    attribute = _attribute(options, labels)
    # Weights may be stored as bfloat16, which NumPy lacks.
    network.float().requires_grad_(False).eval()

    def logits(pixels: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = network(pixel_values=pixels).logits
        return found

    levels = tuple(range(len(labels)))
    output = OutputReading(attribute, activation="softmax", levels=levels)
    return NetworkClassifier(
        Path(name).name,
        TorchNetwork(logits),
        network_input,
        (output,),
        (network_digest(repr((attribute, network_input)), network).encode(),),
    )


def parse_name(text: str) -> tuple[str, dict[str, str]]:
    """Return the folder or name in a text, and the options after it.

    Examples
    --------
    >>> parse_name("models/smile?attribute=smiling&levels=no,yes")
    ('models/smile', {'attribute': 'smiling', 'levels': 'no,yes'})
    """
    name, _, rest = text.partition("?")
    options = dict(parse_qsl(rest, keep_blank_values=True))
    for option in options:
        if option not in _OPTIONS:
            raise InputError(
                f"option of hf:{name}",
                f"must be one of {', '.join(_OPTIONS)}",
                option,
                "Correct it.",
            )
    return name, options


def read_processor(config: Mapping[str, Any]) -> NetworkInput:
    """Return the preprocessing that an image processor's configuration describes.

    Parameters
    ----------
    config : mapping
        The content of preprocessor_config.json.

    Raises
    ------
    FileFormatError
        When a field is missing or its value is not supported.
    """
    try:
        size = config["size"]
        edge = size if isinstance(size, int) else size.get("shortest_edge", size.get("height"))
        squeezed = isinstance(size, int) or "height" in size
        if not isinstance(edge, int) or (
            isinstance(size, dict) and size.get("width", edge) != edge
        ):
            raise ValueError(f"size {size}")
        side, crop = edge, 0.0 if squeezed else 1.0
        if not squeezed and edge < _SMALL_CROP and "crop_pct" in config:
            crop = float(config["crop_pct"] or 224 / 256)
        elif config.get("do_center_crop"):
            cut = config["crop_size"]
            side = int(cut if isinstance(cut, int) else cut["height"])
            crop = side / edge
            if squeezed or crop > 1:
                raise ValueError(f"crop_size {cut} of size {size}")
        if not config.get("do_resize", True):
            raise ValueError("do_resize false")
        scaled = config.get("do_rescale", True)
        scale = 1 / float(config.get("rescale_factor", 1 / 255)) if scaled else 1.0
        mean: tuple[float, ...] = (0.0,)
        std: tuple[float, ...] = (1.0,)
        if config.get("do_normalize", True):
            mean, std = (
                tuple(float(v) for v in config[f"image_{part}"]) for part in ("mean", "std")
            )
        return NetworkInput(side, _FILTERS[int(config.get("resample", 2))], crop, scale, mean, std)
    except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError) as error:
        raise FileFormatError(
            "preprocessor_config.json",
            "must have size, resample (0, 2, 3 or 4), image_mean and image_std of a square input",
            f"{type(error).__name__}: {error}",
            "Export the model to ONNX and describe it in TOML (docs/classifiers.md).",
        ) from error


def _attribute(options: Mapping[str, str], labels: list[str]) -> Attribute:
    """Return the attribute; characters that level names may not contain are replaced in labels."""
    levels = [re.sub(r"[=,;:|@\s]+", "_", label).strip("_") for label in labels]
    if "levels" in options:
        levels = [level.strip() for level in re.split(r"[,|]", options["levels"])]
        if len(levels) != len(labels):
            raise InputError(
                "option levels",
                f"must name {len(labels)} levels, for the labels {', '.join(labels)}",
                options["levels"],
                "Name one for each label, in this order.",
            )
    return Attribute(options.get("attribute", "label"), tuple(levels))
