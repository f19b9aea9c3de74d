"""Classifiers in model files that a TOML file describes. `open_local` opens one."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from equipoise.classifiers.local.classifier import NetworkClassifier, open_network
from equipoise.classifiers.local.description import GUIDE, SUFFIXES, read_description, template
from equipoise.core.errors import InputError
from equipoise.runtimes.onnx import OnnxNetwork
from equipoise.runtimes.torchscript import read_model

__all__ = ["SUFFIXES", "NetworkClassifier", "open_local"]


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
    file = described.parent / description.file
    content = read_model(file)
    network = open_network(description.kind, file, content, description.input_name, device=device)
    wanted = dataclasses.astuple(description.input)
    meaning = [repr((description.kind, wanted, description.attributes))]
    if isinstance(network, OnnxNetwork) and network.has_named_columns:
        meaning.append(repr([reading.labels for reading in description.attributes]))
    return NetworkClassifier(
        description.name,
        network,
        description.input,
        description.attributes,
        (content, *(text.encode() for text in meaning)),
        caveats=description.caveats,
        licence=description.licence,
    )
