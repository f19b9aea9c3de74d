"""Image classification models of `transformers`, with safetensors weights and without their code.

Images go through the model's own image processor, as the library applies it with Pillow.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from equipoise.classifiers.local.classifier import NetworkClassifier
from equipoise.classifiers.network_io import OutputReading
from equipoise.core.attributes import Attribute
from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.parallel import one_thread
from equipoise.core.plugins import install, load_library
from equipoise.core.tables import shown
from equipoise.runtimes.devices import check_device, within_memory
from equipoise.runtimes.torch_weights import load_weights, network_digest

_OPTIONS = ("attribute", "levels", "activation", "revision")

_ACTIVATIONS = {
    "single_label_classification": "softmax",
    "multi_label_classification": "sigmoid",
}
"""The activation that goes with each `problem_type` of a configuration."""

_NO_YES = ("no", "yes")
"""Levels of a label that an image may have beside others."""

_PLAIN = (bool, int, float, str, list, tuple, dict)
"""Types of the settings of an image processor that are shown."""


def open_hugging_face(text: str, *, device: str = "cpu") -> NetworkClassifier:
    """Open the classifier in a model's folder, or of its name on the Hugging Face hub.

    Parameters
    ----------
    text : str
        "FOLDER-OR-NAME", or with options "FOLDER-OR-NAME?attribute=smiling&levels=no,yes".

        - `activation` is softmax, for labels that exclude each other, or sigmoid, for labels that
          do not. By default the `problem_type` of the model's configuration decides, and softmax
          where it is not given.
        - `attribute` names the attribute. With sigmoid each label is an attribute of its own, and
          `attribute` names them all, in the order of the labels.
        - `levels` are by default the labels, in the order of the configuration; with sigmoid, no
          and yes.
        - `revision` is a commit on the hub.
    device : str

    Raises
    ------
    InputError
        When transformers is not installed, or an option breaks its rule.
    FetchError
        When the model cannot be loaded, has no safetensors weights, or no image processor.
    FileFormatError
        When the file has no weights of a classifier, or its labels cannot be levels.
    """
    name, options = parse_name(text)
    what = f"classifier 'hf:{name}'"
    library = load_library(what, "transformers", f"{install('transformers')}.")
    where = {
        "revision": options.get("revision", "main"),
        "trust_remote_code": False,
        "local_files_only": Path(name).is_dir(),
    }

    def load() -> Any:
        return library.AutoModelForImageClassification.from_pretrained(
            name, use_safetensors=True, output_loading_info=True, **where
        )

    hint = "Check the name and the network; weights must be model.safetensors. Code of the model's "
    hint += "own is not run: ask such a model yourself, and use `equipoise audit answers`."
    network, loaded = load_weights(what, "transformers", load, hint)
    if loaded["missing_keys"]:
        raise FileFormatError(
            f"weights of {what}",
            "must hold the whole classifier, its last layer as well",
            f"no {', '.join(shown(key) for key in sorted(loaded['missing_keys'])[:3])}",
            "Train the model for image classification, or name another.",
        )
    prepared = _ImageProcessor(
        load_weights(
            what,
            "transformers",
            lambda: library.AutoImageProcessor.from_pretrained(name, **_pillow(library), **where),
            "Save the image processor beside it.",
        )
    )
    labels = [str(label) for _, label in sorted(network.config.id2label.items())]
    outputs = read_labels(what, labels, network.config.problem_type, options)
    # Weights may be stored as bfloat16, which NumPy lacks.
    network.float().requires_grad_(False).eval()
    digest = network_digest(repr((outputs, str(prepared))), network)
    return NetworkClassifier(
        Path(name).name,
        _Logits(name, network.to(check_device(device)), device),
        prepared,
        outputs,
        (digest.encode(),),
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


def _pillow(library: Any) -> dict[str, object]:
    """Return what chooses Pillow, so that answers are those of machines without torchvision too."""
    old = int(library.__version__.partition(".")[0]) < 5
    return {"use_fast": False} if old else {"backend": "pil"}


class _ImageProcessor:
    """Images become a network's input by an image processor of the library."""

    def __init__(self, processor: Any) -> None:
        self._processor = processor
        kind = type(processor).__name__.removesuffix("Pil").removesuffix("Fast")
        settings = [
            f"{key} {value}"
            for key, value in sorted(processor.to_dict().items())
            if isinstance(value, _PLAIN)
            and not key.startswith(("_", "image_processor", "processor"))
            # ImageGPT's 512 colours would fill a page.
            and len(str(value)) < 200
        ]
        self._text = f"{kind} of transformers: {', '.join(settings)}."

    def __str__(self) -> str:
        return self._text

    def __call__(self, images: NDArray[np.uint8]) -> Any:
        pictures = [Image.fromarray(image) for image in images.transpose(0, 2, 3, 1)]
        return self._processor(images=pictures, return_tensors="pt")


class _Logits:
    """A network of the library, which takes what its image processor returns."""

    names = ()

    def __init__(self, name: str, network: Any, device: str) -> None:
        self._name, self._network, self._device = name, network, device

    def run(self, inputs: Mapping[str, torch.Tensor]) -> list[NDArray[Any]]:
        def logits(*rows: torch.Tensor) -> list[NDArray[Any]]:
            given = {k: v.to(self._device) for k, v in zip(inputs, rows, strict=True)}
            with one_thread(), torch.inference_mode():
                return [self._network(**given).logits.cpu().numpy()]

        return within_memory(self._name, self._device, logits, *inputs.values())


def read_labels(
    what: str, labels: list[str], problem: str | None, options: Mapping[str, str]
) -> tuple[OutputReading, ...]:
    """Return how a model's output, a column for each label, becomes predictions.

    Parameters
    ----------
    what : str
        The classifier, as errors name it.
    labels : list of str
    problem : str or None
        `problem_type` of the model's configuration.
    options : mapping
        As of `open_hugging_face`.

    Raises
    ------
    InputError
        When an option breaks its rule.
    FileFormatError
        When the labels cannot be levels or attributes.
    """
    activation = options.get("activation", _ACTIVATIONS.get(problem or "", "softmax"))
    if activation not in _ACTIVATIONS.values():
        raise InputError(
            f"option activation of {what}",
            "must be softmax (one label an image) or sigmoid (any number of labels)",
            activation,
            "Correct it.",
        )
    one = len(labels) == 1 and activation == "softmax"
    if "activation" not in options and (problem == "regression" or one):
        raise FileFormatError(
            f"output of {what}",
            "must be classes",
            f"one number, {shown(labels[0])!r}" if len(labels) == 1 else "a regression",
            "If it is the logit of a label, add `?activation=sigmoid`. If it is a score, export "
            "the model to ONNX, and describe it with thresholds (docs/classifiers.md).",
        )
    if activation == "softmax":
        name = options.get("attribute", "label")
        levels = _named(what, "levels", labels, options)
        places = tuple(range(len(labels)))
        return (OutputReading(Attribute(name, levels), activation=activation, levels=places),)
    names = _named(what, "attribute", labels, options)
    levels = tuple(_split(options["levels"])) if "levels" in options else _NO_YES
    if len(levels) != 2:
        raise InputError(
            f"option levels of {what}",
            "must name 2 levels, for an image without a label and with it",
            options["levels"],
            "Write levels=no,yes.",
        )
    return tuple(
        OutputReading(Attribute(name, levels), 0, (i,), activation, (1,))
        for i, name in enumerate(names)
    )


def _named(
    what: str, option: str, labels: list[str], options: Mapping[str, str]
) -> tuple[str, ...]:
    """Return a name for each label: of an option, or the label less characters not allowed."""
    names = [re.sub(r"[=,;:|@\s]+", "_", label).strip("_") for label in labels]
    if option in options:
        names = _split(options[option])
        if len(names) != len(labels):
            raise InputError(
                f"option {option}",
                f"must name {len(labels)} "
                f"{'levels' if option == 'levels' else 'attributes'}, for the labels "
                f"{', '.join(map(shown, labels[:50]))}",
                options[option],
                "Name one for each label, in this order.",
            )
    for name in names:
        same = [shown(label) for label, other in zip(labels, names, strict=True) if other == name]
        if len(same) > 1 or not name:
            raise FileFormatError(
                f"labels of {what}",
                "must have different names, without =,;:|@ and spaces",
                f"{' and '.join(map(repr, same[:5]))} for {shown(name)!r}",
                f"Name all {len(labels)} yourself: `?{option}=a,b`.",
            )
    return tuple(names)


def _split(text: str) -> list[str]:
    return [name.strip() for name in re.split(r"[,|]", text)]
