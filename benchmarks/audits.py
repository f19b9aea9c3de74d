"""Do audits find what was planted, and do their intervals cover? On the toy, over many seeds.

Faces are codes of the toy's prior that are accepted more often the clearer they are, with weights
that undo it, as `exact` draws have them. Errors and likeness follow that clearness, so that plain
means are wrong. The truth is measured on many codes of the prior. Figures go to
`results/audits.json` and `results/audits.md`.

    python benchmarks/audits.py --seeds 200
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from benchmarks.accepted_faces import BY, TOY, Floats, accepted, cells_of, clearness
from benchmarks.false_matches import of_pairs
from equipoise.audit.age.rates import AgesVsReference, break_down_ages
from equipoise.audit.age.record import AgeRates, AgeSettings
from equipoise.audit.photographs.agreement import agreement_checks, agreements
from equipoise.audit.rate_tables import to_markdown
from equipoise.audit.rates import Breakdown, PredictionsVsReference, break_down
from equipoise.core.estimates import Estimate
from equipoise.core.files import write_text

SETTINGS = AgeSettings(by=BY.names, reference="truth")
RESULTS = Path(__file__).parent / "results"
PER_CELL, TRUTH = 100, 400_000
PLANTED, BIAS = 2, 5.0


def ages(seed: int, clear: Floats, cells: NDArray[np.int64], bias: float) -> tuple[Floats, Floats]:
    """Return estimates and true ages; the estimator errs with clearness, and in one cell."""
    rng = np.random.default_rng([seed, 1])
    truth = rng.uniform(10, 50, len(clear))
    errors = bias * (cells == PLANTED) - 1.5 * clear + rng.normal(0, 4, len(clear))
    return truth + errors, truth


def age_truth() -> list[AgeRates]:
    """Return the planted errors of each cell, from many codes of the prior."""
    codes = TOY.prior.codes(10**6, 0, TRUTH)
    estimates, truth = ages(10**6, clearness(codes), cells_of(codes), BIAS)
    pair = AgesVsReference(estimates, truth, np.ones(len(truth)))
    return list(break_down_ages(pair, BY, TOY.levels(codes)[:, :2], SETTINGS)[0].groups)


def numbers(group: AgeRates) -> dict[str, Estimate]:
    """Return the estimates of a group that are checked."""
    return {
        "mean absolute error": group.absolute,
        "mean error": group.signed,
        "false pass at 25": group.rules[1].false_pass.estimate,
        "false refusal at 25": group.rules[1].false_refusal.estimate,
    }


def of_ages(seeds: int) -> dict[str, float]:
    """Return how often intervals cover, and how often the planted cell and others are found."""
    truth = age_truth()
    inside: dict[str, list[bool]] = {}
    found = false = 0
    for seed in range(seeds):
        codes, weights = accepted(seed, PER_CELL)
        levels, clear, cells = TOY.levels(codes)[:, :2], clearness(codes), cells_of(codes)
        for bias in (BIAS, 0.0):
            pair = AgesVsReference(*ages(seed, clear, cells, bias), weights)
            parts = break_down_ages(pair, BY, levels, SETTINGS)
            if bias == 0:
                false += any(gap.p_value < 0.05 for part in parts for gap in part.gaps)
                continue
            gaps = {gap.check_id: gap for gap in parts[0].gaps}
            named = gaps["age_bias_gap:cells"]
            found += named.p_value < 0.05 and named.gap.highest == BY.cells[PLANTED]
            for group, true in zip(parts[0].groups, truth, strict=True):
                for (what, one), (_, known) in zip(
                    numbers(group).items(), numbers(true).items(), strict=True
                ):
                    inside.setdefault(what, []).append(one.low <= known.value <= one.high)
    rates = {
        f"ages: interval of the {what} covers": float(np.mean(hit)) for what, hit in inside.items()
    }
    rates["ages: bias of one cell found and named"] = found / seeds
    rates["ages: anything found where nothing is planted"] = false / seeds
    return rates


RATES = (0.03, 0.06, 0.10, 0.15, 0.22, 0.30)
"""Error rates of the cells on generated images."""

OTHERS = (0.03, 0.06, 0.10, 0.40, 0.22, 0.30)
"""Those on photographs that the generated images do not stand for."""

ON_PHOTOGRAPHS = 200
"""Photographs of each cell."""


def errors(seed: int, rates: Sequence[float], per_cell: int) -> tuple[Breakdown, ...]:
    """Return the error rates of a model that errs with a chance by cell."""
    levels = np.repeat(BY.levels, per_cell, axis=0).astype(np.int8)
    cells, truth = BY.cell_of(levels), levels[:, 1]
    wrong = np.random.default_rng([seed, 2]).random(len(cells)) < np.array(rates)[cells]
    answers = np.where(wrong, 1 - truth, truth).astype(np.int8)
    sure = np.full(len(truth), np.nan, np.float32)
    compared = PredictionsVsReference(("no", "yes"), answers, truth, sure)
    return break_down(compared, BY, levels)[:1]


def of_photographs(seeds: int) -> dict[str, float]:
    """Return coverage of the intervals, and how often sets that differ, and others, are found."""
    inside: dict[str, list[bool]] = {}
    found = false = 0
    for seed in range(seeds):
        ours = errors(seed, RATES, PER_CELL)
        for rates in (OTHERS, RATES):
            (part,) = agreements(ours, errors(seed + 10**6, rates, ON_PHOTOGRAPHS), seed=seed)
            issue = agreement_checks([part], 0.05)[0].outcome == "issue"
            found, false = found + (issue and rates == OTHERS), false + (issue and rates == RATES)
            true = spearmanr(RATES, rates).statistic
            ranks = inside.setdefault("rank correlation", [])
            ranks.append(part.correlation.low - 1e-9 <= true <= part.correlation.high + 1e-9)
            for pair, rate, other in zip(part.pairs, RATES, rates, strict=True):
                one = pair.difference
                inside.setdefault("difference", []).append(one.low <= other - rate <= one.high)
    found_rates = {
        f"photographs: interval of the {what} covers": float(np.mean(hit))
        for what, hit in inside.items()
    }
    found_rates["photographs: a set that differs is an issue"] = found / seeds
    found_rates["photographs: a set that does not is an issue"] = false / seeds
    return found_rates


def of_verification(seeds: int) -> dict[str, float]:
    """Return how often intervals of false matches cover, and how often pairs are found."""
    every: dict[str, list[bool]] = {}
    for seed in range(seeds):
        for what, shown in of_pairs(seed).items():
            every.setdefault(f"verification: {what}", []).extend(shown)
    return {what: float(np.mean(shown)) for what, shown in every.items()}


def main() -> None:
    """Run all seeds and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=200)
    seeds = parser.parse_args().seeds
    rates = of_ages(seeds) | of_verification(seeds) | of_photographs(seeds)
    kept = {"seeds": seeds, "per_cell": PER_CELL, "rates": rates}
    write_text(RESULTS / "audits.json", json.dumps(kept, indent=1) + "\n")
    rows = [[what, f"{rate:.1%}"] for what, rate in rates.items()]
    head = f"# Audits: planted truth\n\n{seeds} seeds, {PER_CELL} faces a cell"
    head += f" (verification, photographs: {ON_PHOTOGRAPHS}): "
    head += f"`python benchmarks/audits.py --seeds {seeds}`"
    write_text(RESULTS / "audits.md", f"{head}\n\n{to_markdown(['what', 'share'], rows)}")
    print("\n".join(f"{what}: {rate:.1%}" for what, rate in rates.items()))


if __name__ == "__main__":
    main()
