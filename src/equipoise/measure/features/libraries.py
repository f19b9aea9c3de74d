"""Features of widely used networks, through libraries that are kept by others.

The libraries are an extra, and load inside the functions. Each fetches its weights itself, from
the network or its own cache.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from equipoise.core.plugins import install, load_library
from equipoise.runtimes.devices import check_device
from equipoise.runtimes.torch_weights import (
    CLIP_MODEL,
    OPENAI,
    load_weights,
    network_digest,
    open_clip,
)

_SIDE = 224
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

_FETCHED = "Check the network, or use --features age, which works offline."
_FILTER = (
    "Images are brought to 224x224 by an antialiased bicubic filter in float32, cut to [0, 255], "
    "and not cropped."
)


def _installed() -> str:
    return f"{install('features')}, or use --features age."


class NetworkFeatures:
    """The vectors of a torch network.

    Parameters
    ----------
    name, about : str
        See `Features`.
    dim : int
        Values in a vector.
    network : torch.nn.Module
        Its weights go into the digest.
    embed : callable
        Bytes of shape (n, 3, height, width) on the network's device to vectors, shape (n, dim).
    device : torch.device
    """

    def __init__(
        self,
        name: str,
        about: str,
        dim: int,
        network: torch.nn.Module,
        embed: Callable[[torch.Tensor], torch.Tensor],
        device: torch.device,
    ) -> None:
        self.name, self.about, self.dim = name, about, dim
        network.requires_grad_(False).eval().to(device)
        self._embed, self._device = embed, device
        self.digest = network_digest(about, network)

    def extract(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the vectors of RGB images; the network keeps no gradients."""
        with torch.inference_mode():
            pixels = torch.from_numpy(np.ascontiguousarray(images)).to(self._device)
            rows = self._embed(pixels).float().cpu().numpy()
        return np.asarray(rows, np.float32)


def inception(device: str = "cpu") -> NetworkFeatures:
    """Return the 2,048 pooled features of Inception v3 that FID is made of, by torch-fidelity.

    Weights and resize filter are those of the original TensorFlow graph (Heusel et al. 2017,
    arXiv 1706.08500), so numbers compare with published ones at equal n.

    Raises
    ------
    InputError
        When torch-fidelity is not installed, or the device is unknown.
    FetchError
        When the weights cannot be had.
    """
    place = check_device(device)
    module = load_library(
        "features 'inception'", "torch_fidelity.feature_extractor_inceptionv3", _installed()
    )

    def load() -> torch.nn.Module:
        found: torch.nn.Module = module.FeatureExtractorInceptionV3("inception", ["2048"])
        return found

    network = load_weights("features 'inception'", "torch-fidelity", load, _FETCHED)
    about = (
        "2,048 pooled features of Inception v3 with the weights of 2015-12-05, by torch-fidelity. "
        "Images are brought to 299x299 by TensorFlow 1's bilinear filter, without antialiasing."
    )
    return NetworkFeatures("inception", about, 2048, network, lambda x: network(x)[0], place)


def dinov2(device: str = "cpu") -> NetworkFeatures:
    """Return the 1,024 features of DINOv2's ViT-L/14 (arXiv 2304.07193), by timm.

    The network that Stein et al. 2023 (arXiv 2306.04675) found closest to human judgement. It
    takes about a second an image on one core.

    Raises
    ------
    InputError
        When timm is not installed, or the device is unknown.
    FetchError
        When the weights cannot be had.
    """
    place = check_device(device)
    timm = load_library("features 'dinov2'", "timm", _installed())
    model = "vit_large_patch14_dinov2.lvd142m"

    def load() -> torch.nn.Module:
        found: torch.nn.Module = timm.create_model(
            model, pretrained=True, num_classes=0, img_size=_SIDE
        )
        return found

    network = load_weights("features 'dinov2'", "timm", load, _FETCHED)
    about = f"1,024 features of DINOv2 ViT-L/14 ({model} of timm). {_FILTER}"
    scale = _scaler(*_IMAGENET)
    return NetworkFeatures("dinov2", about, 1024, network, lambda x: network(scale(x)), place)


def clip(device: str = "cpu") -> NetworkFeatures:
    """Return the 512 image features of OpenAI's CLIP ViT-B/32 (arXiv 2103.00020), by open_clip.

    They are not scaled to length 1. Kynkaanniemi et al. 2023 (arXiv 2203.06026) use them for
    Frechet distances.

    Raises
    ------
    InputError
        When open_clip is not installed, or the device is unknown.
    FetchError
        When the weights cannot be had.
    """
    place = check_device(device)
    _, network = open_clip("features 'clip'", CLIP_MODEL, "openai", (_installed(), _FETCHED))
    about = f"512 image features of CLIP ViT-B/32 with OpenAI's weights, by open_clip. {_FILTER}"
    scale = _scaler(*OPENAI)
    return NetworkFeatures(
        "clip", about, 512, network, lambda x: network.encode_image(scale(x)), place
    )


def _scaler(
    mean: Sequence[float], deviation: Sequence[float]
) -> Callable[[torch.Tensor], torch.Tensor]:
    def scale(images: torch.Tensor) -> torch.Tensor:
        pixels = torch.nn.functional.interpolate(
            images.float(), (_SIDE, _SIDE), mode="bicubic", align_corners=False, antialias=True
        ).clamp(0, 255)
        centre, spread = (
            torch.tensor(v, device=images.device).view(1, 3, 1, 1) for v in (mean, deviation)
        )
        return (pixels / 255 - centre) / spread

    return scale
