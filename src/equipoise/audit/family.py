"""All tests of one audit as one family: any is rejected by chance at most one time in twenty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from equipoise.audit.breakdown import Breakdown
from equipoise.audit.effects import Effect
from equipoise.audit.gaps import holm


def adjust(
    parts: Sequence[Breakdown], effects: Sequence[Effect] = ()
) -> tuple[tuple[Breakdown, ...], tuple[Effect, ...]]:
    """Return gaps and effects with p-values by Holm over all of them."""
    alone = [named.gap.p_value for part in parts for named in part.gaps]
    alone += [effect.p_value for effect in effects]
    found = iter(holm(alone).tolist())
    gaps = tuple(
        replace(part, gaps=tuple(replace(named, p_value=next(found)) for named in part.gaps))
        for part in parts
    )
    return gaps, tuple(replace(effect, p_value=next(found)) for effect in effects)
