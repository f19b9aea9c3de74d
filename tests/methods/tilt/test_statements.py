"""What is stated of draws before any draw is true: on the toy, whose attributes are known."""

from dataclasses import replace

import numpy as np
import pytest
from benchmarks.statements import compare, holds, rows_of_seed

from equipoise.generators.toy import ToyGenerator
from equipoise.methods.tilt.fit import TiltFit
from equipoise.methods.tilt.rules import EXACT


def test_stated_intervals_hold_the_truth() -> None:
    """`benchmarks/statements.py` runs 200 seeds, with the networks of a real run."""
    rows = [
        row
        for seed in range(4)
        for row in rows_of_seed(seed, 2000, folds=3, members=1, fresh=60_000)
    ]
    assert len(rows) == 4 * 3 * 6 * 2, "seeds, rules, cells, figures"
    telling = [row for row in rows if row["truth"] < 1]
    assert np.mean([holds(row) for row in telling]) >= 0.9
    widths = [row["high"] - row["low"] for row in telling]
    assert np.mean(widths) < 0.2, "they say something"


def test_statements_of_a_fitted_tilt_hold_the_truth(toy: ToyGenerator, toy_tilt: TiltFit) -> None:
    """With half-spaces and prefilter, read as draws are."""
    source, n = toy_tilt.source, 100_000
    grid = source.classifier.grid
    codes, folds = toy.prior.codes(77, 0, n), np.arange(n) % source.classifier.folds
    truth = toy.levels(codes)[:, [toy.grid.attribute(name) for name in grid.names]]
    cells = grid.cell_of(truth)
    rows = []
    for mode in toy_tilt.verified:
        accepted = replace(source, mode=mode.faithful).acceptances(codes, folds)
        rows += compare(mode.cells, accepted, cells, folds, weighted=mode.faithful == EXACT)
        own = np.array([accepted[cells == k, k].mean() for k in range(6)])
        stored = source.modes[mode.faithful].own_acceptance
        assert own == pytest.approx(stored, rel=0.1)
    # The cells of one fit share their luck, so each interval is given twice its length here.
    for row in rows:
        reach = row["high"] - row["low"]
        assert row["low"] - reach / 2 <= row["truth"] <= row["high"] + reach / 2, row
