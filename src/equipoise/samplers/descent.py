"""Descent of a loss: Adam with decoupled weight decay, and steps that fall to 0 by a cosine.

Loshchilov and Hutter 2019, "Decoupled weight decay regularization" (arXiv 1711.05101). The class
`torch.optim.AdamW` does the same, but the first one of a process loads PyTorch's compiler, for a
second or more and a hundred megabytes. The function behind it does not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch.optim.adamw import adamw


class Descent:
    """Moves parameters against the gradient of a loss.

    Parameters
    ----------
    parameters : iterable of torch.Tensor
        Float32 leaves that need a gradient.
    rate : float
        Of the first step.
    steps : int
        Number of steps, after which the rate is 0.
    decay : float
        Share of a parameter that a step takes off, in units of its rate.
    """

    def __init__(
        self, parameters: Iterable[torch.Tensor], *, rate: float, steps: int, decay: float = 0.0
    ) -> None:
        self._parameters = list(parameters)
        self._rate, self._steps, self._decay = rate, steps, decay
        self._means = [torch.zeros_like(one) for one in self._parameters]
        self._squares = [torch.zeros_like(one) for one in self._parameters]
        self._counts = [torch.zeros(()) for _ in self._parameters]
        self._done = 0

    def step(self, loss: torch.Tensor) -> None:
        """Make the next step, down the gradient of a loss."""
        # The fused update reads memory in the order of the parameters.
        gradients = [one.contiguous() for one in torch.autograd.grad(loss, self._parameters)]
        with torch.no_grad():
            adamw(
                self._parameters,
                gradients,
                self._means,
                self._squares,
                [],
                self._counts,
                fused=True,
                amsgrad=False,
                beta1=0.9,
                beta2=0.999,
                lr=self._rate * (1 + math.cos(math.pi * self._done / self._steps)) / 2,
                weight_decay=self._decay,
                eps=1e-8,
                maximize=False,
            )
        self._done += 1
