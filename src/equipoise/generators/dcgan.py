"""DCGAN generators (Radford et al. 2015, arXiv 1511.06434) with the layers of PyTorch's example.

Transposed convolutions, each but the last followed by batch norm and ReLU, and a final tanh.
Widths and depth are read from the weights, which are the example's `netG_epoch_N.pth`, the
tutorial's, or a bare state dict. The pinned `digiface-dcgan` was trained on the synthetic
faces of DigiFace-1M (Bae et al. 2023, arXiv 2210.02579).
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.reasons import reason_of
from equipoise.generators.address import Address
from equipoise.generators.base import StandardNormal, check_codes
from equipoise.runtimes import zoo
from equipoise.runtimes.devices import check_device
from equipoise.runtimes.pickles.content import read_content
from equipoise.runtimes.pickles.networks import FoundNetwork, networks_in
from equipoise.runtimes.torchscript import read_model

_REMEDY = "Give the weights of a DCGAN generator as saved by torch.save, or download them again."


def _read_state(path: Path) -> dict[str, torch.Tensor]:
    """Read the generator's tensors as data, without the first parts that all names share."""
    where = f"weights file {path}"
    network = next(networks_in(read_content(path, where), where), None)
    while network is not None and not any(name.isdigit() for name in _layers(network)):
        network = network.without_prefix()
    if network is None:
        rule = "must hold the layers of a DCGAN generator, bare or under 'netG_state_dict'"
        raise FileFormatError(where, rule, "another content", _REMEDY)
    return network.state(where)


def _layers(network: FoundNetwork) -> set[str]:
    return {name.partition(".")[0] for name in network.tensors}


def _network(path: Path, state: dict[str, torch.Tensor]) -> nn.Sequential:
    """Build the network with the layer shapes of the state dict, and load it."""
    kernels = [state[k] for k in sorted((k for k in state if state[k].ndim == 4), key=_position)]
    try:
        network = _layers_of(kernels)
        # Networks of before PyTorch 0.4.1 do not count their batches.
        uncounted = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
        counts = {k: v for k, v in network.state_dict().items() if k.endswith("tracked")}
        network.load_state_dict(uncounted | counts)
    except (RuntimeError, ValueError) as error:
        raise FileFormatError(
            f"weights file {path}",
            "must have the layers of a DCGAN generator",
            reason_of(error),
            _REMEDY,
        ) from error
    if not all(bool(torch.isfinite(v).all()) for v in state.values()):
        raise FileFormatError(
            f"weights file {path}", "must hold finite weights", "NaN or infinity", _REMEDY
        )
    return network.eval().requires_grad_(False)


def _layers_of(kernels: list[torch.Tensor]) -> nn.Sequential:
    if len(kernels) < 2 or kernels[-1].shape[1] not in (1, 3):
        raise ValueError("fewer than two convolutions, or images that are neither grey nor RGB")
    layers: list[nn.Module] = []
    for i, kernel in enumerate(kernels):
        inputs, outputs, size, _ = kernel.shape
        stride, padding = (1, 0) if i == 0 else (2, 1)
        layers.append(nn.ConvTranspose2d(inputs, outputs, size, stride, padding, bias=False))
        if i < len(kernels) - 1:
            layers += [nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Tanh())


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
        A file of torch.save with the state dict, bare or under a key such as "netG_state_dict".
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
        network = _network(path, _read_state(path))
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
        """Return images, shape (n, 3, size, size), uint8 RGB; [-1, 1] is scaled to [0, 255].

        Grey is repeated.
        """
        rows = torch.from_numpy(check_codes(codes, self.dim)).to(self._device)
        with torch.inference_mode():
            out = self._network(rows[:, :, None, None])
            pixels = out.add_(1).mul_(127.5).round_().to(torch.uint8).expand(-1, 3, -1, -1)
        images: NDArray[np.uint8] = pixels.contiguous().cpu().numpy()
        return images

    def pixels(self, codes: torch.Tensor) -> torch.Tensor:
        """Return differentiable images in [0, 1]; see `Differentiable`."""
        out: torch.Tensor = self._network(codes[:, :, None, None])
        return ((out + 1) / 2).expand(-1, 3, -1, -1)


def digiface_dcgan(device: str = "cpu", batch_size: int = 64) -> DCGAN:
    """Return the pinned generator of 64x64 faces; its weights are downloaded when needed."""
    return DCGAN(
        zoo.fetch("digiface-dcgan"), name="digiface-dcgan", device=device, batch_size=batch_size
    )


def open_dcgan(address: Address, *, device: str, batch_size: int | None) -> DCGAN:
    """Open the generator at an address such as "dcgan:netG_epoch_24.pth", which has no options.

    Raises
    ------
    InputError
        When the address has an option.
    FileFormatError
        As `DCGAN`.
    """
    if address.options:
        key = address.options[0][0][:80]
        raise InputError("option of a DCGAN", "must be left out", key, "Leave it out.")
    name = f"dcgan:{address.file}"
    return DCGAN(address.file, name=name, device=device, batch_size=batch_size or 64)
