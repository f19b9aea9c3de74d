"""Makes fairface.pt, which fairface.toml describes, of the weights that FairFace publishes.

The weights are a state dict, which is no network without its code: ResNet-34 of torchvision with 18
outputs. Needs `pip install torchvision`.

    python examples/models/fairface_export.py res34_fair_align_multi_7_20190809.pt
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

OUTPUTS, SIDE = 18, 224


def export(weights: Path, out: Path) -> None:
    """Write the network with some weights as TorchScript; only tensors are read from the file."""
    from torchvision.models import resnet34

    network = resnet34()
    network.fc = torch.nn.Linear(network.fc.in_features, OUTPUTS)
    network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    network.eval()
    with torch.no_grad():
        traced = torch.jit.trace(network, torch.zeros(2, 3, SIDE, SIDE))  # type: ignore[no-untyped-call]
        traced.save(str(out))


if __name__ == "__main__":
    export(Path(sys.argv[1]), Path(__file__).with_name("fairface.pt"))
