"""DCGAN generators (Radford et al. 2015, arXiv 1511.06434) with the layers of the PyTorch tutorial.

Transposed convolutions, each but the last followed by batch norm and ReLU, and a final tanh.
Widths and depth are read from the weights. The pinned `digiface-dcgan` was trained on the synthetic
faces of DigiFace-1M (Bae et al. 2023, arXiv 2210.02579).
"""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from equipoise.core.errors import FileFormatError
from equipoise.generators.base import StandardNormal, check_codes
from equipoise.runtimes import zoo
from equipoise.runtimes.devices import check_device
from equipoise.runtimes.reasons import reason_of
from equipoise.runtimes.torchscript import read_model

_REMEDY = "Give the weights of a DCGAN generator as saved by torch.save, or download them again."


def _read_state(path: Path, content: bytes) -> dict[str, torch.Tensor]:
    """Read the generator's tensors from a file of torch.save; nothing else is unpickled."""
    try:
        stored = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        rule, reason = "must be a whole torch file of tensors", reason_of(error)
        raise FileFormatError(f"weights file {path}", rule, reason, _REMEDY) from error
    state = stored.get("netG_state_dict", stored) if isinstance(stored, dict) else stored
    if not isinstance(state, Mapping) or not all(
        isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in state.items()
    ):
        raise FileFormatError(
            f"weights file {path}",
            "must hold a state dict, bare or under 'netG_state_dict'",
            type(state).__name__,
            _REMEDY,
        )
    return {key.removeprefix("module.").removeprefix("main."): v for key, v in state.items()}


def _network(path: Path, state: dict[str, torch.Tensor]) -> nn.Sequential:
    """Build the network with the layer shapes of the state dict, and load it."""
    kernels = [state[k] for k in sorted((k for k in state if state[k].ndim == 4), key=_position)]
    layers: list[nn.Module] = []
    for i, kernel in enumerate(kernels):
        inputs, outputs, size, _ = kernel.shape
        stride, padding = (1, 0) if i == 0 else (2, 1)
        layers.append(nn.ConvTranspose2d(inputs, outputs, size, stride, padding, bias=False))
        if i < len(kernels) - 1:
            layers += [nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
    network = nn.Sequential(*layers, nn.Tanh())
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise FileFormatError(
            f"weights file {path}",
            "must have the layers of a DCGAN generator",
            " ".join(str(error).split())[:200],
            _REMEDY,
        ) from error
    if not kernels or not all(bool(torch.isfinite(v).all()) for v in state.values()):
        raise FileFormatError(
            f"weights file {path}", "must hold finite weights", "NaN, infinity or none", _REMEDY
        )
    return network.eval().requires_grad_(False)


def _fold_stem(
    network: nn.Sequential,
) -> tuple[torch.Tensor, torch.Tensor, tuple[int, int, int]]:
    """Return the first block as a linear map: its matrix, offset, and the shape of its output.

    On an input of one pixel a transposed convolution is a matrix product, and batch norm can be
    merged into it.
    """
    kernel, norm = network[0].weight, network[1]
    assert isinstance(kernel, torch.Tensor) and isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None and norm.running_var is not None
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    shift = norm.bias - norm.running_mean * scale
    dim, channels, height, width = kernel.shape
    weight = (kernel * scale[:, None, None]).permute(0, 2, 3, 1).reshape(dim, -1).contiguous()
    return weight, shift.repeat(height * width), (height, width, channels)


def _position(key: str) -> int:
    """Return the position of a key's layer in the network; -1 for keys without a number."""
    head = key.partition(".")[0]
    return int(head) if head.isdigit() else -1


class DCGAN:
    """A DCGAN generator.

    Parameters
    ----------
    path : Path
        A file of torch.save with the state dict, bare or under the key "netG_state_dict".
    name : str, optional
        Its name in reports; the file's name by default.
    device : str
        "cpu", "cuda", "mps".
    batch_size : int
        Codes per call.

    Raises
    ------
    FileFormatError
        When the file is damaged, truncated, or holds something else.
    """

    space = "z"

    def __init__(
        self, path: Path, *, name: str | None = None, device: str = "cpu", batch_size: int = 64
    ) -> None:
        self._device = check_device(device)
        content = read_model(path)
        network = _network(path, _read_state(path, content))
        self._network = network.to(self._device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.name = name or path.stem
        self.pinned = tuple(m.name for m in zoo.MODELS.values() if zoo.path(m.name) == path)
        self.digest = hashlib.sha256(content).hexdigest()
        self.device = device
        self.batch_size = batch_size
        self.dim = int(next(network.parameters()).shape[0])
        self.prior = StandardNormal(self.dim)
        self._stem_weight, self._stem_offset, self._stem_shape = _fold_stem(network)
        self.image_shape = self.images(np.zeros((1, self.dim), np.float32)).shape[1:]

    def stem(self, codes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the first block's features after its ReLU, shape (n, channels, 4, 4), float32.

        Channels are last in memory.
        """
        rows = torch.from_numpy(check_codes(codes, self.dim)).to(self._device)
        with torch.inference_mode():
            out = torch.addmm(self._stem_offset, rows, self._stem_weight).relu_()
        features: NDArray[np.float32] = out.cpu().numpy()
        height, width, channels = self._stem_shape
        return features.reshape(len(rows), height, width, channels).transpose(0, 3, 1, 2)

    def images(self, codes: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return images, shape (n, 3, size, size), uint8 RGB; [-1, 1] is scaled to [0, 255]."""
        rows = torch.from_numpy(check_codes(codes, self.dim)).to(self._device)
        with torch.inference_mode():
            out = self._network(rows[:, :, None, None])
            pixels = out.add_(1).mul_(127.5).round_().to(torch.uint8)
        images: NDArray[np.uint8] = pixels.contiguous().cpu().numpy()
        return images

    def pixels(self, codes: torch.Tensor) -> torch.Tensor:
        """Return differentiable images in [0, 1]; see `Differentiable`."""
        out: torch.Tensor = self._network(codes[:, :, None, None])
        return (out + 1) / 2


def digiface_dcgan(device: str = "cpu", batch_size: int = 64) -> DCGAN:
    """Return the pinned generator of 64x64 faces; its weights are downloaded when needed."""
    return DCGAN(
        zoo.fetch("digiface-dcgan"), name="digiface-dcgan", device=device, batch_size=batch_size
    )
