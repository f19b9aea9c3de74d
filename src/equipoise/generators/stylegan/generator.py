"""PGGAN and StyleGANs as generators, with codes of z, w or w+."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import torch
from numpy.typing import NDArray

from equipoise.core.errors import InputError
from equipoise.generators.base import Prior, StandardNormal, check_codes
from equipoise.generators.priors import ClassNormal, Mapped
from equipoise.generators.stylegan.common import Noise, OwnNoise, stored
from equipoise.generators.stylegan.network import Network
from equipoise.generators.stylegan.options import Options
from equipoise.runtimes.devices import check_device
from equipoise.runtimes.torch_weights import network_digest

_BATCH_PIXELS = 2**18
"""Pixels in one default batch: four images of 256x256. Chosen by hand, to bound memory."""


class StyleGAN:
    """A PGGAN or a StyleGAN, with codes of the space that its options name.

    Codes of z are standard normal values. Where classes are drawn, a one-hot block follows them; a
    code whose block is not one-hot is refused. Codes of w are mapped codes of z. A code of w+
    consists of one code of w for each style, from coarse to fine, in one row. Grey images become
    RGB; those with opacity are laid on white.

    Parameters
    ----------
    network : Network
    options : Options
    name : str
        Its name in reports.
    device : str
        "cpu", "cuda", "mps".
    batch_size : int, optional
        Codes per call; by default as many as have the pixels of four images of 256x256, at most 64.

    Raises
    ------
    InputError
        When the options do not apply to the network.

    Examples
    --------
    >>> from equipoise.generators.stylegan.sizes import StyleGAN2Config
    >>> network = Network(StyleGAN2Config(32, (8, 8, 8, 8), z_dim=16, w_dim=16, mapping_layers=2,
    ...     mapping_width=16))
    >>> StyleGAN(network, Options(space="w+"), name="small").dim
    128
    """

    pinned = ()

    def __init__(
        self,
        network: Network,
        options: Options,
        *,
        name: str,
        device: str = "cpu",
        batch_size: int | None = None,
    ) -> None:
        config = self._config = network.config
        self._options, self._device = options, check_device(device)
        if options.cutoff is not None and options.cutoff > config.styles:
            rule = f"must be at most {config.styles}"
            raise InputError("cutoff", rule, options.cutoff, f"Pass cutoff={config.styles}.")
        if not config.mapping_layers and (options.space != "z" or options.truncation != 1):
            got = f"space={options.space}&truncation={options.truncation}"
            rule = "must be space=z and truncation=1 for a PGGAN, which has no codes of w"
            raise InputError("options", rule, got, "Leave both out.")
        shares = options.shares(config)
        self._fixed = shares.index(1.0) if 1.0 in shares else None
        if self._fixed is not None and not config.z_dim and options.space == "z":
            rule = "must be several for a network whose codes of z are classes alone"
            raise InputError("class", rule, self._fixed, "Leave it out, or pass space=w.")
        self.caveats = network.notes
        self._mapping = network.mapping.eval().requires_grad_(False)
        self._synthesis = network.synthesis.eval().requires_grad_(False).to(self._device)
        # Filters with channels last avoid a conversion at each call.
        self._synthesis.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._w_avg = self._mapping.w_avg.to(self._device)
        self.name, self.space, self.device = name, options.space, device
        self.batch_size = batch_size or min(max(_BATCH_PIXELS // config.resolution**2, 1), 64)
        self.image_shape = (3, config.resolution, config.resolution)
        about = {key: value for key, value in asdict(options).items() if key != "contexts"}
        settings = json.dumps([asdict(network.config), about], sort_keys=True)
        self.digest = network_digest(settings, network)
        drawn = bool(shares) and self._fixed is None
        normal = StandardNormal(config.z_dim)
        z_prior = ClassNormal(config.z_dim, shares) if drawn else normal
        self._z_dim = config.z_dim + (config.c_dim if drawn else 0)
        self.dim = {
            "z": self._z_dim,
            "w": config.w_dim,
            "w+": config.styles * config.w_dim,
        }[self.space]
        self.prior: Prior = z_prior if self.space == "z" else Mapped(z_prior, self._codes_of)

    def stem(self, codes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return codes of w for codes of z, shape (n, w_dim), float32; other codes unchanged."""
        codes = check_codes(codes, self.dim)
        return self._mapped(codes) if self.space == "z" else codes

    def images(self, codes: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return images, shape (n, 3, size, size), uint8 RGB.

        An output x in [-1, 1] becomes floor(127.5 x + 128), as in the authors' code.
        """
        rows = torch.from_numpy(self.stem(codes)).to(self._device)
        with torch.inference_mode():
            ws = self._truncated(rows)
            out = _as_rgb(self._synthesis(ws, self._noise(codes)))
            pixels = out.mul_(127.5).add_(128).clamp_(0, 255).to(torch.uint8)
        images: NDArray[np.uint8] = pixels.contiguous().cpu().numpy()
        return images

    def _noise(self, codes: NDArray[np.float32]) -> Noise | None:
        kind = self._options.noise
        return OwnNoise(codes) if kind == "random" else stored if kind == "const" else None

    def _truncated(self, rows: torch.Tensor) -> torch.Tensor:
        """Return one truncated code of w for each style, shape (n, styles, w_dim)."""
        styles, cutoff = self._config.styles, self._options.cutoff
        ws = rows.reshape(len(rows), -1, self._config.w_dim).expand(-1, styles, -1)
        if self._options.truncation == 1:
            return ws
        ws = ws.clone()
        ws[:, :cutoff] = torch.lerp(self._w_avg, ws[:, :cutoff], self._options.truncation)
        return ws

    def _codes_of(self, z: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return codes of the generator's space, w or w+, for codes of z."""
        return np.tile(self._mapped(z), (1, self.dim // self._config.w_dim))

    def _mapped(self, z: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return codes of w, shape (n, w_dim), for codes of z and their classes."""
        rows = torch.from_numpy(z[:, : self._config.z_dim])
        classes = torch.from_numpy(self._classes(z)) if self._config.c_dim else None
        with torch.inference_mode():
            return np.asarray(self._mapping(rows, classes).numpy(), np.float32)

    def _classes(self, z: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the one-hot class of each code of z."""
        one_hot = np.eye(self._config.c_dim, dtype=np.float32)
        if self._fixed is not None:
            return np.repeat(one_hot[self._fixed, None], len(z), axis=0)
        given = z[:, self._config.z_dim :]
        found: NDArray[np.float32] = one_hot[given.argmax(axis=1)]
        if not np.array_equal(given, found):
            row = int(np.flatnonzero((given != found).any(axis=1))[0])
            raise InputError(
                "codes",
                "must end in a class as a one-hot block",
                f"a blend of classes in row {row}",
                "Shift and mixture move codes: fix the class by class=3, or use space=w.",
            )
        return found


class DifferentiableStyleGAN(StyleGAN):
    """A StyleGAN over codes of z, without classes and random noise. A `Differentiable`."""

    def pixels(self, codes: torch.Tensor) -> torch.Tensor:
        """Return differentiable images in [0, 1]; see `Differentiable`."""
        ws = self._truncated(self._mapping(codes.cpu(), None).to(self._device))
        noise = stored if self._options.noise == "const" else None
        out = _as_rgb(self._synthesis(ws, noise))
        return (out / 2 + 0.5).clamp(0, 1)


def _as_rgb(images: torch.Tensor) -> torch.Tensor:
    """Return images of one, three or four channels in [-1, 1] as RGB; opacity is laid on white."""
    channels = images.shape[1]
    if channels == 4:
        opacity = (images[:, 3:] / 2 + 0.5).clamp(0, 1)
        return images[:, :3] * opacity + (1 - opacity)
    # Later steps overwrite the images, so that repeated grey must not be a view.
    return images.repeat(1, 3, 1, 1) if channels == 1 else images
