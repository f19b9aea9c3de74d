"""A part of the steps of a scheduler of diffusers, so that a pipeline can stop and carry on."""

from __future__ import annotations

import copy
import functools
from typing import Any

import torch


def part_of_steps(
    scheduler: Any, first: int, last: int | None, guesses: list[torch.Tensor] | None = None
) -> Any:
    """Return a fresh scheduler that takes the steps [first, last) alone.

    Parameters
    ----------
    scheduler : object
        One whose steps depend on the latents alone. It is not changed.
    first : int
        With any before it, the latents that come in are a state, which is not scaled.
    last : int, optional
        By default after all steps.
    guesses : list of torch.Tensor, optional
        Holds afterwards the guess at the clean latent of the last step.
    """
    made = copy.deepcopy(scheduler)
    if not first and last is None:
        return made
    kind: Any = type(scheduler)

    class Part(kind):  # type: ignore[misc]
        timesteps: torch.Tensor

        @functools.wraps(kind.set_timesteps)
        def set_timesteps(self, *args: Any, **kwargs: Any) -> None:
            super().set_timesteps(*args, **kwargs)
            self.timesteps = self.timesteps[first:last]
            self.set_begin_index(0)

        def set_begin_index(self, begin_index: int = 0) -> None:
            if hasattr(kind, "set_begin_index"):  # DDIM goes by the time alone.
                super().set_begin_index(first + begin_index)

        @functools.wraps(kind.step)
        def step(self, output: Any, time: Any, sample: Any, **kwargs: Any) -> Any:
            found = super().step(output, time, sample, **kwargs)
            if guesses is not None:
                # A flow's scheduler keeps its guess for itself: x_t - t v.
                flow = len(found) == 1
                guess = sample - self.sigmas[self.step_index - 1] * output if flow else found[1]
                guesses[:] = [guess]
            return found

    if first:
        Part.init_noise_sigma = 1.0
    made.__class__ = Part
    return made
