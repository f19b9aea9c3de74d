"""Generators that are networks in TorchScript or ONNX files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from equipoise.core.errors import InputError
from equipoise.generators.address import Address
from equipoise.generators.networks.description import Description, describe
from equipoise.generators.networks.generator import NetworkGenerator, torch_generator
from equipoise.generators.networks.modules import network_of
from equipoise.generators.networks.probing import Network, Run
from equipoise.runtimes.devices import check_device
from equipoise.runtimes.torchscript import load_torchscript, read_model

FAMILIES = ("torchscript", "onnx")


def open_network_file(address: Address, *, device: str, batch_size: int | None) -> NetworkGenerator:
    """Open the generator in a TorchScript or ONNX file.

    Parameters
    ----------
    address : Address
        Its options are those of `Description`. A .toml file with the same name beside the network
        may hold them too.
    device : str
    batch_size : int, optional
        Codes per call; 64 by default.

    Raises
    ------
    FileFormatError
        When the file is damaged, too large, or of another kind.
    InputError, ModelOutputError
        As `NetworkGenerator`.
    """
    name = f"{address.family}:{address.file}"
    description = describe(address.options, address.file.with_suffix(".toml"))
    content = read_model(address.file)
    if address.family == "onnx":
        from equipoise.runtimes.onnx import computes_on

        if not computes_on(device):
            rule = "must be one that ONNX Runtime computes on"
            remedy = "Leave --device out, or install onnxruntime-gpu in place of onnxruntime."
            raise InputError("device", rule, device, remedy)
        network, description = _onnx(name, address.file, content, description, device)
        return NetworkGenerator(network, description, device=device, batch_size=batch_size or 64)
    module = load_torchscript(address.file, content, check_device(device))
    network = network_of(name, module, description.stem, content)
    return torch_generator(network, description, device=device, batch_size=batch_size)


def _onnx(
    name: str, path: Path, content: bytes, description: Description, device: str
) -> tuple[Network, Description]:
    from equipoise.runtimes.onnx import open_session

    session = open_session(path, inner=description.stem or None, device=device)
    inputs = {i.name: i for i in session.get_inputs()}
    if description.input not in inputs and (description.input or len(inputs) != 1):
        raise InputError(
            f"input of {name!r}",
            f"must be one of {', '.join(inputs)[:200]}",
            description.input or "none",
            "Add it after #, as in 'faces.onnx#z'.",
        )
    chosen = inputs[description.input] if description.input else next(iter(inputs.values()))
    if len(inputs) > 1 or chosen.type != "tensor(float)":
        raise InputError(
            f"inputs of {name!r}",
            "must be one, of float32 codes",
            ", ".join(f"{i.name}: {i.type}" for i in inputs.values())[:200],
            "Export it with the codes as its only input.",
        )
    batch, *sizes = chosen.shape or [None]
    known = bool(sizes) and all(isinstance(size, int) and size > 0 for size in sizes)
    shapes = (tuple(sizes),) if known else ()
    if batch is not None and isinstance(batch, int) and batch < 1:
        raise InputError(f"batch of {name!r}", "must be at least 1", batch, "Export it again.")
    fixed = batch if isinstance(batch, int) else None
    output = session.get_outputs()[0].name
    stem = _runner(session, chosen.name, description.stem, fixed) if description.stem else None
    network = Network(name, _runner(session, chosen.name, output, fixed), shapes, content, stem)
    return network, replace(description, input=chosen.name)


def _runner(session: Any, source: str, output: str, fixed: int | None) -> Run:
    """Return a function from codes to one output of the session."""
    import onnxruntime

    options = onnxruntime.RunOptions()
    # Without this, computing the stem would run the whole graph.
    options.only_execute_path_to_fetches = True

    def run(codes: torch.Tensor) -> torch.Tensor:
        (out,) = session.run([output], {source: codes.cpu().numpy()}, options)
        return torch.from_numpy(out)

    return _in_batches(run, fixed)


def _in_batches(run: Callable[[torch.Tensor], torch.Tensor], fixed: int | None) -> Run:
    """Return a function for any number of codes, of one for a fixed batch size or for any."""
    if fixed is None:
        return run

    def in_batches(codes: torch.Tensor) -> torch.Tensor:
        parts = []
        for part in torch.split(codes, fixed):
            missing = fixed - len(part)
            rows = torch.cat([part, part[:1].expand(missing, *part.shape[1:])])
            parts.append(run(rows)[: len(part)])
        return torch.cat(parts)

    return in_batches
