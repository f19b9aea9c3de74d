"""Request rates within contexts, against the truth of the text-to-image toy."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import rel_entr

from equipoise.core.errors import InputError, InsufficientLabelsError
from equipoise.core.targets import Target
from equipoise.generators.toy_text import LATENT, ToyTextGenerator
from equipoise.measure.contexts import deviation_ratio
from equipoise.methods.calibration import Calibration, calibrate_counts
from equipoise.methods.context_rates import calibrate_contexts, count_by_context

TOY = ToyTextGenerator(leak=0.1)
TRUTH = TOY.cell_shares[:, 1:]
UNIFORM = Target.uniform(TOY.grid)


def labels(n: int, seed: int) -> NDArray[np.int64]:
    """Return what n requests of each context and cell bring, by the toy's true shares."""
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(n, TRUTH / TRUTH.sum(axis=2, keepdims=True))
    return np.concatenate([drawn, np.zeros((40, 6, 1), np.int64)], axis=2)


def mixes(calibrations: tuple[Calibration, ...] | list[Calibration]) -> NDArray[np.float64]:
    """Return the true mix that each context's rates bring, shape (C, K)."""
    return np.stack([one.weights @ TRUTH[c] for c, one in enumerate(calibrations)])


def divergences(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(rel_entr(shares, 1 / 6).sum(axis=1))


@pytest.mark.parametrize(("n", "at_most"), [(20, 0.75), (500, 1.0)])
def test_pooling_beats_each_context_alone_and_never_costs(n: int, at_most: float) -> None:
    counts = labels(n, seed=0)
    pooled = divergences(mixes(calibrate_contexts(counts, UNIFORM).contexts))
    alone = divergences(mixes([calibrate_counts(one, UNIFORM) for one in counts]))
    assert pooled.mean() <= at_most * alone.mean()


def test_20_000_labels_balance_40_contexts() -> None:
    found = calibrate_contexts(labels(83, 0), UNIFORM)
    left = divergences(mixes(found.contexts))
    assert left.mean() <= 0.004
    assert left.max() <= 0.02
    assert deviation_ratio(mixes(found.contexts), np.full(6, 1 / 6)).max() <= 0.05
    assert np.mean([one.calls_per_verified_image for one in found.contexts]) <= 2
    assert not found.unreachable


@pytest.mark.parametrize("n", [20, 83])
def test_intervals_of_the_expected_shares_cover(n: int) -> None:
    hits = []
    for seed in range(2):
        found = calibrate_contexts(labels(n, seed), UNIFORM).contexts
        hits += [
            (one.low <= mix) & (mix <= one.high)
            for one, mix in zip(found, mixes(found), strict=True)
        ]
    assert 0.93 <= np.mean(hits) <= 0.99


def test_a_context_without_labels_takes_the_rows_of_the_others() -> None:
    counts = labels(200, 0)
    counts[3] = 0
    found = calibrate_contexts(counts, UNIFORM)
    assert found.contexts[3].measured == 0
    assert divergences(mixes(found.contexts))[3] < divergences(TOY.cell_shares[3:4, 0])[0]
    widths = [np.mean(one.high - one.low) for one in found.contexts]
    assert int(np.argmax(widths)) == 3


def test_drawn_images_of_the_toy_are_counted() -> None:
    context, variant = np.repeat([2, 9], 600), np.tile(np.arange(1, 7), 200)
    codes = TOY.prior.codes(0, 0, 1200)
    codes[:, LATENT:] = np.stack([context, variant], axis=1)
    cells = TOY.grid.cell_of(TOY.levels(codes))
    counts = count_by_context(context, variant - 1, cells, (40, 6))
    assert counts.sum() == 1200
    assert counts[2].sum(axis=1).tolist() == [100] * 6
    for c in (2, 9):
        assert counts[c, :, :6] / 100 == pytest.approx(TRUTH[c], abs=0.2)


def test_a_target_out_of_reach_is_named() -> None:
    counts = np.zeros((2, 6, 7), np.int64)
    counts[:, range(6), range(6)] = 100
    counts[1] = 0
    counts[1, :, 0] = 100  # Here every edit brings cell 0.
    found = calibrate_contexts(counts, UNIFORM)
    assert 1 in found.unreachable


def test_cells_that_are_not_wanted_need_no_labels() -> None:
    counts = labels(50, 0)
    counts[:, 0] = 0
    target = Target(TOY.grid, np.array([0, 1, 1, 1, 1, 1]))
    found = calibrate_contexts(counts, target)
    assert np.isnan(found.strengths).tolist() == [True, *[False] * 5]
    assert all(one.weights[0] == 0 for one in found.contexts)
    assert np.mean([one.distance for one in found.contexts]) < 0.05


def test_wrong_counts_are_named() -> None:
    counts = labels(20, 0)
    with pytest.raises(InputError, match=r"counts must have shape \(contexts, 6, 7\)"):
        calibrate_contexts(counts[:, :5], UNIFORM)
    counts[:, 2] = 0
    with pytest.raises(InsufficientLabelsError, match="must be requested in some context"):
        calibrate_contexts(counts, UNIFORM)
    counts[0, 0, 0] = -1
    with pytest.raises(InputError, match="counts must be at least 0, got -1"):
        calibrate_contexts(counts, UNIFORM)
    for numbers in (([2], [0], [0]), ([0], [-1], [0]), ([0], [0], [6])):
        with pytest.raises(InputError, match=r"must be in \["):
            count_by_context(*numbers, (2, 6))
