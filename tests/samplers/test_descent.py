import subprocess
import sys

import pytest
import torch

from equipoise.samplers.descent import Descent


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_it_moves_as_the_optimiser_and_schedule_of_the_library(decay: float) -> None:
    """The gradient of the last parameter is a transposed view."""
    torch.manual_seed(0)
    rows, wanted = torch.randn(64, 5), torch.randn(64, 3)
    start = [torch.randn(4, 5), torch.randn(4, 3), torch.randn(3, 4)]
    scale = torch.arange(12.0)
    mine, theirs = ([one.clone().requires_grad_() for one in start] for _ in range(2))

    def loss(parameters: list[torch.Tensor]) -> torch.Tensor:
        first, second, third = parameters
        found = (rows @ first.T).relu() @ second
        return (found - wanted).square().mean() + (third.T.flatten() * scale).tanh().sum()

    descent = Descent(mine, rate=0.05, steps=20, decay=decay)
    optimiser = torch.optim.AdamW(theirs, lr=0.05, weight_decay=decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 20)
    for _ in range(20):
        descent.step(loss(mine))
        optimiser.zero_grad()
        loss(theirs).backward()
        optimiser.step()
        schedule.step()
    for one, other in zip(mine, theirs, strict=True):
        assert one.detach().numpy() == pytest.approx(other.detach().numpy(), abs=1e-5)


def test_it_does_not_load_the_compiler() -> None:
    program = (
        "import sys, torch; from equipoise.samplers.descent import Descent;"
        "x = torch.ones(3, requires_grad=True); Descent([x], rate=1, steps=2).step(x.sum());"
        "print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
