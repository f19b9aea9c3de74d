import numpy as np
import pytest

from equipoise.core.labels import LabelledCodes, Labels
from equipoise.core.targets import Target
from equipoise.generators.toy import ToyGenerator
from equipoise.methods.tilt.evidence import (
    LabelledEvidence,
    PriorSample,
    evaluate_prior_sample,
    gather_evidence,
)
from equipoise.methods.tilt.fit import match_by_fresh
from equipoise.methods.tilt.fit_latent import fit_latent
from equipoise.samplers.mean_matching import BalancingSolution


def with_labels_of_the_last_cell(
    count: int, toy: ToyGenerator, toy_labels: Labels
) -> tuple[LabelledEvidence, PriorSample]:
    """Return what 4,000 labels tell, of the last cell's no more than a few."""
    codes, labels = toy.prior.codes(0, 0, 4000), toy_labels.take(slice(0, 4000))
    last = np.flatnonzero(labels.cells == labels.grid.size - 1)
    rows = np.setdiff1d(np.arange(4000), last[count:])
    labelled = LabelledCodes.of_prior(codes[rows], labels.take(rows))
    fit = fit_latent(toy.stem, labelled)
    known = gather_evidence(toy, fit, labelled, Target.uniform(labels.grid))
    return known, evaluate_prior_sample(
        toy, fit.classifier, known.axes, toy.prior.codes(5, 0, 8192)
    )


def coefficients(
    known: LabelledEvidence, fresh: PriorSample, of_the_last: float, verified: bool
) -> np.ndarray:
    """Match to means of 0, and of another number for the last cell."""
    means = np.zeros((known.target.grid.size, fresh.coordinates.shape[1]))
    means[-1] = of_the_last
    return match_by_fresh(known, fresh, means, 4.0, verified).coefficients


@pytest.mark.parametrize("verified", [False, True])
@pytest.mark.parametrize("count", [0, 10])
def test_a_cell_with_hardly_a_label_pulls_nothing_whatever_its_mean(
    count: int, verified: bool, toy: ToyGenerator, toy_labels: Labels
) -> None:
    known, fresh = with_labels_of_the_last_cell(count, toy, toy_labels)
    expected = coefficients(known, fresh, np.nan, verified)
    assert np.isfinite(expected).all()
    assert np.array_equal(coefficients(known, fresh, 3.0, verified), expected)


def test_a_cell_with_labels_pulls(toy: ToyGenerator, toy_labels: Labels) -> None:
    known, fresh = with_labels_of_the_last_cell(60, toy, toy_labels)
    assert not np.allclose(
        coefficients(known, fresh, 0.5, True), coefficients(known, fresh, 0.0, True)
    )


def test_a_factor_that_puts_the_target_out_of_reach_is_weakened(
    toy: ToyGenerator, toy_labels: Labels
) -> None:
    known, _ = with_labels_of_the_last_cell(60, toy, toy_labels)
    accepted = known.accepted(known.log_h, 4.0) * known.weights[:, None]
    direction = np.zeros(known.coordinates.shape[1])
    direction[0] = 0.1
    cells = np.zeros(accepted.shape[1])
    mild = known.within_reach(accepted, BalancingSolution(direction, cells))
    assert np.array_equal(mild.coefficients, direction)
    wild = 500 * np.linalg.lstsq(known.coordinates, known.one_hot[:, 0], rcond=None)[0]
    kept = known.within_reach(accepted, BalancingSolution(wild, np.full(len(cells), wild.max())))
    assert np.linalg.norm(kept.coefficients) < np.linalg.norm(wild)
