"""The libraries are not installed here: stand-ins take their places, and their own code is ours."""

import builtins
import re
import sys
import types
from typing import Any

import numpy as np
import pytest
import torch

from equipoise.core.errors import FetchError, InputError
from equipoise.measure.features import open_features, read_features

MODULES = {
    "inception": "torch_fidelity.feature_extractor_inceptionv3",
    "dinov2": "timm",
    "clip": "open_clip",
}
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 3, 50, 40), np.uint8)


class Network(torch.nn.Module):
    """Keeps its input, and answers with means of it."""

    def __init__(self, dim: int, weight: float = 1.0) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(weight))
        self.dim = dim
        self.seen = torch.empty(0)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        self.seen = pixels
        return self.scale * pixels.float().mean(dim=(1, 2, 3)).repeat(self.dim, 1).T

    encode_image = forward


def install(monkeypatch: pytest.MonkeyPatch, name: str, make: Any) -> list[tuple[Any, Any]]:
    """Put a stand-in where the library would be; returns the arguments it is called with."""
    calls: list[tuple[Any, Any]] = []

    def called(*args: Any, **kwargs: Any) -> Any:
        calls.append((args, kwargs))
        return make()

    module = types.ModuleType(MODULES[name])
    for function in ("FeatureExtractorInceptionV3", "create_model"):
        setattr(module, function, called)
    if name == "inception":
        monkeypatch.setitem(sys.modules, "torch_fidelity", types.ModuleType("torch_fidelity"))
    monkeypatch.setitem(sys.modules, MODULES[name], module)
    return calls


@pytest.mark.parametrize("name", MODULES)
def test_a_library_that_is_missing_is_named_with_the_extra(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = MODULES[name].partition(".")[0]
    for loaded in (library, MODULES[name]):
        monkeypatch.setitem(sys.modules, loaded, None)
    with pytest.raises(InputError, match=f"must have {library} installed") as caught:
        open_features(name)
    assert re.search(r"Run `pip install .*\[features\]\"`", str(caught.value))


@pytest.mark.parametrize("name", MODULES)
def test_weights_that_cannot_be_had_are_told_with_the_librarys_reason(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise builtins.OSError("cannot reach the hub\nand a long trace")

    install(monkeypatch, name, fail)
    with pytest.raises(FetchError, match=f"weights of features '{name}'") as caught:
        open_features(name)
    assert "got OSError: cannot reach the hub. Check the network" in str(caught.value)
    assert "--features age, which works offline" in str(caught.value)


@pytest.mark.parametrize(("name", "dim"), [("dinov2", 1024), ("clip", 512)])
def test_images_are_brought_to_size_and_scaled(
    name: str, dim: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Network(dim)
    calls = install(monkeypatch, name, lambda: network)
    features = open_features(name)
    assert features.dim == dim
    assert read_features(features, IMAGES).shape == (3, dim)
    assert network.seen.shape == (3, 3, 224, 224)
    (_, options), *_ = calls
    assert options["pretrained"]
    white = np.full((1, 3, 10, 10), 255, np.uint8)
    features.extract(white)
    assert network.seen.amax(dim=(0, 2, 3)) == pytest.approx(network.seen.amin(dim=(0, 2, 3)))
    assert 1.8 < network.seen.mean() < 2.8  # (1 - mean) / deviation of both schemes


def test_inception_is_given_the_bytes_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    class Tuple(Network):
        def forward(self, pixels: torch.Tensor) -> Any:
            return (super().forward(pixels),)

    network = Tuple(2048)
    install(monkeypatch, "inception", lambda: network)
    features = open_features("inception")
    assert read_features(features, IMAGES).shape == (3, 2048)
    assert network.seen.dtype == torch.uint8
    assert network.seen.shape == IMAGES.shape
    assert not network.training


def test_the_digest_is_of_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    digests = []
    for weight in (1.0, 1.0, 2.0):
        install(monkeypatch, "clip", lambda weight=weight: Network(512, weight))
        digests.append(open_features("clip").digest)
    assert digests[0] == digests[1] != digests[2]
