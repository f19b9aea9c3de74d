"""Do audits find what was planted, and do their intervals cover? On the toy, over many seeds.

Faces are codes of the toy's prior that are accepted more often the clearer they are, with weights
that undo it, as `exact` draws have them. Errors and likeness follow that clearness, so that plain
means are wrong. The truth is measured on many codes of the prior. Figures go to
`results/audits.json` and `results/audits.md`.

    python -m benchmarks.audits --seeds 200
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
from equipoise.audit.checks import adjust
from equipoise.audit.named_gaps import gap_of_shares
from equipoise.audit.photographs.agreement import agreement_checks, agreements
from equipoise.audit.rate_tables import to_markdown
from equipoise.audit.rates import Breakdown, PredictionsVsReference, break_down
from equipoise.classifiers.base import FAILED
from equipoise.core.estimates import Estimate
from equipoise.core.files import write_text
from equipoise.stats.intervals import exact_interval
from equipoise.stats.pairs import clustered_rate

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
    found = other = false = 0
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
            right = named.gap.highest == BY.cells[PLANTED]
            found += named.p_value < 0.05 and right
            other += named.p_value < 0.05 and not right
            for group, true in zip(parts[0].groups, truth, strict=True):
                for (what, one), (_, known) in zip(
                    numbers(group).items(), numbers(true).items(), strict=True
                ):
                    inside.setdefault(what, []).append(one.low <= known.value <= one.high)
    rates = {
        f"ages: interval of the {what} covers": float(np.mean(hit)) for what, hit in inside.items()
    }
    rates["ages: bias of one cell found and named"] = found / seeds
    rates["ages: another cell named"] = other / seeds
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
    found = elsewhere = false = 0
    for seed in range(seeds):
        ours = errors(seed, RATES, PER_CELL)
        for rates in (OTHERS, RATES):
            (part,) = agreements(ours, errors(seed + 10**6, rates, ON_PHOTOGRAPHS), seed=seed)
            issue = agreement_checks([part], 0.05)[0].outcome == "issue"
            found, false = found + (issue and rates == OTHERS), false + (issue and rates == RATES)
            same = [one == two for one, two in zip(RATES, rates, strict=True)]
            differ = [pair.p_value < 0.05 for pair in part.pairs]
            elsewhere += rates == OTHERS and any(np.logical_and(same, differ))
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
    found_rates["photographs: a cell that does not differ is named with it"] = elsewhere / seeds
    found_rates["photographs: a set that does not is an issue"] = false / seeds
    return found_rates


def of_verification(seeds: int) -> dict[str, float]:
    """Return how often intervals of false matches cover, and how often pairs are found."""
    every: dict[str, list[bool]] = {}
    for seed in range(seeds):
        for what, shown in of_pairs(seed).items():
            every.setdefault(f"verification: {what}", []).extend(shown)
    return {what: float(np.mean(shown)) for what, shown in every.items()}


FAILS = 0.25
"""What the planted cell adds to the chance that no face is found."""


def failures(clear: Floats, cells: NDArray[np.int64], more: float) -> Floats:
    """Return the chance that a model finds no face: larger for unclear faces, and in one cell."""
    return np.asarray(np.clip(0.06 - 0.03 * clear, 0.01, 0.2) + more * (cells == PLANTED))


def of_failures(seeds: int) -> dict[str, float]:
    """Return how often intervals of failures cover, and how often cells are found."""
    codes = TOY.prior.codes(10**6, 0, TRUTH)
    cells, chance = cells_of(codes), failures(clearness(codes), cells_of(codes), FAILS)
    truth = [float(chance[cells == k].mean()) for k in range(BY.size)]
    inside: list[bool] = []
    found = other = false = 0
    for seed in range(seeds):
        codes, weights = accepted(seed, PER_CELL)
        levels, cells = TOY.levels(codes)[:, :2].astype(np.int8), cells_of(codes)
        for more in (FAILS, 0.0):
            lost = np.random.default_rng([seed, 3]).random(len(cells)) < failures(
                clearness(codes), cells, more
            )
            answers = np.where(lost, FAILED, levels[:, 1]).astype(np.int8)
            sure = np.full(len(cells), np.nan, np.float32)
            compared = PredictionsVsReference(
                ("no", "yes"), answers, levels[:, 1], sure, weights=weights
            )
            parts, _ = adjust(break_down(compared, BY, levels))
            every = [gap for part in parts for gap in part.gaps]
            gaps = [gap for gap in every if gap.check_id.startswith("failure_gap")]
            if not more:
                false += any(gap.p_value < 0.05 for gap in gaps)
                continue
            named = next(gap for gap in gaps if gap.check_id == "failure_gap:cells")
            right = named.gap.highest == BY.cells[PLANTED]
            found += named.p_value < 0.05 and right
            errs = any(gap.p_value < 0.05 for gap in every if gap.check_id.startswith("error_gap"))
            other += errs or (named.p_value < 0.05 and not right)
            for group, true in zip(parts[0].groups, truth, strict=True):
                inside.append(group.failure.low <= true <= group.failure.high)
    return {
        "failures: interval of the rate covers": float(np.mean(inside)),
        "failures: excess of one cell found and named": found / seeds,
        "failures: another cell, or a gap of errors, named": other / seeds,
        "failures: anything found where nothing is planted": false / seeds,
    }


PEOPLE, MISSES = 60, (0.05, 0.05, 0.30, 0.05, 0.05, 0.05)
"""People of each cell on photographs, and their rates of false non-matches."""


def of_people(seeds: int) -> dict[str, float]:
    """Return how often intervals of false non-matches cover where people differ."""
    inside: list[bool] = []
    naive: list[bool] = []
    found = other = false = 0
    for seed in range(seeds):
        for rates in (MISSES, (0.05,) * BY.size):
            rng = np.random.default_rng([seed, 4])
            shares = []
            for name, rate in zip(BY.cells, rates, strict=True):
                photographs = rng.integers(2, 6, PEOPLE)
                pairs = photographs * (photographs - 1) // 2
                own = rng.beta(rate * 4, (1 - rate) * 4, PEOPLE)
                shares.append(clustered_rate(name, rng.binomial(pairs, own), pairs))
            gap = gap_of_shares("misses", "rate of false non-matches", shares, seed=seed)
            hit = gap is not None and gap.gap.p_value < 0.05
            if rates != MISSES:
                false += hit
                continue
            right = gap is not None and gap.gap.highest == BY.cells[PLANTED]
            found, other = found + (hit and right), other + (hit and not right)
            for share, rate in zip(shares, rates, strict=True):
                low, high = exact_interval(share.count, share.n)
                inside.append(share.low <= rate <= share.high)
                naive.append(low <= rate <= high)
    return {
        "genuine pairs: interval of a rate covers": float(np.mean(inside)),
        "genuine pairs: binomial interval of a rate covers": float(np.mean(naive)),
        "genuine pairs: excess of one cell found and named": found / seeds,
        "genuine pairs: another cell named": other / seeds,
        "genuine pairs: anything found where nothing is planted": false / seeds,
    }


def main() -> None:
    """Run all seeds and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=200)
    seeds = parser.parse_args().seeds
    rates = of_ages(seeds) | of_failures(seeds) | of_verification(seeds) | of_people(seeds)
    rates |= of_photographs(seeds)
    kept = {"seeds": seeds, "per_cell": PER_CELL, "rates": rates}
    write_text(RESULTS / "audits.json", json.dumps(kept, indent=1) + "\n")
    rows = [[what, f"{rate:.1%}"] for what, rate in rates.items()]
    head = f"# Audits: planted truth\n\n{seeds} seeds, {PER_CELL} faces a cell"
    head += f" (verification, photographs: {ON_PHOTOGRAPHS}): "
    head += f"`python -m benchmarks.audits --seeds {seeds}`"
    write_text(RESULTS / "audits.md", f"{head}\n\n{to_markdown(['what', 'share'], rows)}")
    print("\n".join(f"{what}: {rate:.1%}" for what, rate in rates.items()))


if __name__ == "__main__":
    main()
