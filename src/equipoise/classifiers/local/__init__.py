"""Models in files that a TOML file describes.

`open_local` opens a classifier, `open_local_describer` a model of descriptors.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from equipoise.classifiers.local.classifier import NetworkClassifier
from equipoise.classifiers.local.describer import NetworkDescriber
from equipoise.classifiers.local.description import (
    GUIDE,
    SUFFIXES,
    ModelFile,
    read_description,
    read_descriptor_description,
    template,
)
from equipoise.classifiers.local.network import Network, open_network
from equipoise.core.errors import InputError
from equipoise.runtimes.onnx import OnnxNetwork
from equipoise.runtimes.torchscript import read_model

__all__ = [
    "SUFFIXES",
    "NetworkClassifier",
    "NetworkDescriber",
    "open_local",
    "open_local_describer",
]


def open_local(path: Path, *, device: str = "cpu") -> NetworkClassifier:
    """Open the classifier of a TOML file, or of a model file with a TOML file beside it.

    Parameters
    ----------
    path : Path
    device : str
        Where networks of torch and ONNX compute.

    Raises
    ------
    InputError
        When there is no TOML file, or a field breaks its rule.
    FileFormatError
        When the model file is missing, damaged, too large, or of another kind.
    """
    described = path.with_suffix(".toml")
    if not os.path.isfile(described):  # Path.is_file raises for a name that is too long.
        raise InputError(
            f"model file {path}",
            f"must have a description beside it, {described.name}",
            "none",
            f"Start from this one, see {GUIDE}:\n\n{template(path)}",
        )
    description = read_description(described)
    model = description.model
    network, content = _opened(model, described, device)
    meaning = [repr((model.kind, dataclasses.astuple(model.input), description.attributes))]
    if isinstance(network, OnnxNetwork) and network.has_named_columns:
        meaning.append(repr([reading.labels for reading in description.attributes]))
    return NetworkClassifier(
        model.name,
        network,
        model.input,
        description.attributes,
        (content, *(text.encode() for text in meaning)),
        caveats=model.caveats,
        licence=model.licence,
    )


def open_local_describer(path: Path) -> NetworkDescriber:
    """Open the model of descriptors of a TOML file.

    Parameters
    ----------
    path : Path

    Raises
    ------
    InputError
        When a field breaks its rule.
    FileFormatError
        When the model file is missing, damaged, too large, or of another kind.
    """
    description = read_descriptor_description(path)
    network, content = _opened(description.model, path, "cpu")
    return NetworkDescriber(description, network, content)


def _opened(model: ModelFile, described: Path, device: str) -> tuple[Network, bytes]:
    """Return the network of a model file, and the file's content."""
    file = described.parent / model.file
    content = read_model(file)
    return open_network(model.kind, file, content, model.input_name, device=device), content
