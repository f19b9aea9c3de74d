"""Small networks of known weights, as files and as modules of one's own."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

ADDRESSES = {
    "torchscript": "torchscript:{folder}/rows.pt?stem=first",
    "torchscript-map": "torchscript:{folder}/map.pt?prior=spherical",
    "onnx": "onnx:{folder}/rows.onnx?stem=hidden",
    "onnx-fixed": "onnx:{folder}/fixed.onnx?prior=uniform",
    "module": f"{__name__}:rows?prior=uniform&stem=first",
    "object": f"{__name__}:discs",
}
"""Addresses of each kind, to be filled with the folder of the files."""


class Rows(nn.Module):
    """Rows of 12 values to pictures of 8x8 in [-1, 1]."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Linear(12, 20)
        self.last = nn.Linear(20, 3 * 64)
        with torch.no_grad():
            self.last.weight.mul_(6)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.last(torch.relu(self.first(z)))).reshape(-1, 3, 8, 8)


class Map(nn.Module):
    """Maps of 10x1x1 to grey pictures of 4x4 in [0, 1]."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.up = nn.ConvTranspose2d(10, 1, 4)
        with torch.no_grad():
            self.up.weight.mul_(20)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.up(z))


def rows() -> Rows:
    return Rows()


class Discs:
    """One's own generator: the brightness of a picture follows the first value."""

    name, digest, space, dim = f"{__name__}:discs", "d" * 64, "z", 3
    device, batch_size, pinned, image_shape = "cpu", 64, (), (3, 4, 4)

    def __init__(self) -> None:
        from equipoise.generators import StandardNormal

        self.prior = StandardNormal(3)

    def stem(self, codes: np.ndarray) -> np.ndarray:
        from equipoise.generators.base import check_codes

        return check_codes(codes, 3)

    def images(self, codes: np.ndarray) -> np.ndarray:
        grey = np.clip(128 + 90 * self.stem(codes)[:, :1], 0, 255).astype(np.uint8)
        return np.broadcast_to(grey[:, :, None, None], (len(codes), *self.image_shape)).copy()


def discs() -> Discs:
    return Discs()


def write_torchscript(module: nn.Module, file: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.script(module.eval()), str(file))


def write_onnx(file: Path, batch: int | str = "n", extra_input: bool = False) -> None:
    """Write the network of `Rows`."""
    network = Rows()
    arrays = {name: t.numpy() for name, t in network.state_dict().items()}
    arrays["shape"] = np.array([-1, 3, 8, 8])
    nodes = [
        helper.make_node("Gemm", ["z", "first.weight", "first.bias"], ["linear"], transB=1),
        helper.make_node("Relu", ["linear"], ["hidden"]),
        helper.make_node("Gemm", ["hidden", "last.weight", "last.bias"], ["flat"], transB=1),
        helper.make_node("Tanh", ["flat"], ["squashed"]),
        helper.make_node("Reshape", ["squashed", "shape"], ["image"]),
    ]
    graph = helper.make_graph(
        nodes,
        "rows",
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, 12])
            for name in ("z", "label")[: 2 if extra_input else 1]
        ],
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 3, 8, 8])],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, file)


def write_network(kind: str, folder: Path) -> str:
    """Write what an address of `ADDRESSES` needs, and return the address."""
    write_torchscript(Rows(), folder / "rows.pt")
    write_torchscript(Map(), folder / "map.pt")
    write_onnx(folder / "rows.onnx")
    write_onnx(folder / "fixed.onnx", batch=5)
    return ADDRESSES[kind].format(folder=folder)
