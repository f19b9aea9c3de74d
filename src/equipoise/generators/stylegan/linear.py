"""What all layers build on: scaled linear maps, and the gain of the activation."""

from __future__ import annotations

import torch
from torch import nn

SLOPE = 0.2
GAIN = 2**0.5
"""Leaky ReLU halves the mean square, near enough; the gain restores it."""

EPSILON = 1e-8


def unit_square(rows: torch.Tensor) -> torch.Tensor:
    """Scale each row to mean square 1."""
    return rows * torch.rsqrt(rows.square().mean(dim=1, keepdim=True) + EPSILON)


class Linear(nn.Module):
    """A linear map with equalised learning rate (Karras et al. 2018, arXiv 1710.10196)."""

    def __init__(self, inputs: int, outputs: int, rate: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self._weight_gain, self._bias_gain = rate / inputs**0.5, rate

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Map rows, shape (n, inputs) to (n, outputs)."""
        beta, alpha = self._bias_gain, self._weight_gain
        return torch.addmm(self.bias, rows, self.weight.T, beta=beta, alpha=alpha)
