"""What a tracker is given of balanced contexts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from equipoise.contexts.page import PICTURE, REPORT
from equipoise.contexts.record import BalancedContexts
from equipoise.report.trackers import (
    RunFacts,
    estimate_numbers,
    finite,
    settings_as_text,
    tags_of,
)

_MOST = 500
"""Contexts whose numbers are logged, those farthest from their target; the record has all."""


def contexts_facts(folder: Path, found: BalancedContexts) -> RunFacts:
    """Return what a tracker is given.

    Parameters
    ----------
    folder : Path
        Of the images and the record.
    found : BalancedContexts
    """
    options = {name: str(value) for name, value in vars(found.options).items()}
    files = ("contexts.json", REPORT, "README.md", "croissant.json")
    return RunFacts(
        name=folder.resolve().name,
        folder=folder,
        settings=settings_as_text(found.settings) | options,
        numbers=finite(_numbers(found)),
        files=tuple(path for path in map(folder.joinpath, files) if path.is_file()),
        pictures=tuple(path for path in (folder / PICTURE,) if path.is_file()),
        plots={} if found.exact else {"contexts": found.figure()},
    )


def _numbers(found: BalancedContexts) -> Iterator[tuple[str, float | None]]:
    mix = found.mix
    yield from estimate_numbers("contexts/deviation_ratio", mix.mean)
    yield from estimate_numbers("contexts/deviation_ratio_of_a_tenth", mix.worst_decile)
    yield from estimate_numbers("pool/deviation_ratio", mix.pooled_deviation)
    yield from (("contexts/kl", mix.kl), ("contexts/kl_floor", mix.kl_floor))
    yield from estimate_numbers("faithfulness", found.faithfulness)
    yield from (("calls_per_image", found.calls), ("labels", found.labels))
    shown = mix.contexts[:_MOST]
    for tag, one in zip(tags_of(context.name for context in shown), shown, strict=True):
        yield from estimate_numbers(f"context/{tag}/deviation_ratio", one.deviation)
