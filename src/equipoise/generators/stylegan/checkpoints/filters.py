"""Blur filters that files carry: they change the images, so they must be those computed here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch


def take_filters(
    state: Mapping[str, torch.Tensor], ending: str, taps: Sequence[float], total: float
) -> dict[str, torch.Tensor]:
    """Return a state without its filters, after checking them.

    Parameters
    ----------
    state : mapping of str to torch.Tensor
    ending : str
        Last part of the filters' names.
    taps : sequence of float
        The filter on one axis, up to a factor.
    total : float
        Sum of the filter on both axes.

    Raises
    ------
    ValueError
        When a filter is another one; the error names it.
    """
    row = torch.tensor(taps, dtype=torch.float64)
    wanted = torch.outer(row, row) * (total / row.sum() ** 2)
    kept = {}
    for name, tensor in state.items():
        if name.rpartition(".")[2] != ending:
            kept[name] = tensor
        elif (
            tensor.shape[-2:] != wanted.shape
            or not torch.isfinite(tensor).all()
            or not torch.allclose(tensor.double(), wanted.expand_as(tensor), atol=1e-4)
        ):
            shape = tuple(tensor.shape)
            raise ValueError(f"{name} of shape {shape} that is not {list(taps)} on both axes")
    return kept
