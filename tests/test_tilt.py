import numpy as np
import pytest
from scipy.stats import ks_2samp

from equipoise.errors import InputError
from equipoise.generators.toy import ToyGenerator
from equipoise.labels import Labels
from equipoise.latent_fit import LatentFit, fit_latent
from equipoise.sampler import Origin, Sampler
from equipoise.targets import Target
from equipoise.tilt import BETAS, TiltFit, acceptance, fit_tilt


@pytest.fixture(scope="module")
def latent(toy: ToyGenerator, toy_labels: Labels) -> LatentFit:
    return fit_latent(toy.stem, toy.prior.codes(0, 0, 10_000), toy_labels)


@pytest.fixture(scope="module")
def tilt(toy: ToyGenerator, toy_labels: Labels, latent: LatentFit) -> TiltFit:
    target = Target.uniform(toy_labels.groups)
    return fit_tilt(toy, latent, toy.prior.codes(0, 0, 10_000), toy_labels, target)


@pytest.fixture(scope="module")
def sampler(toy: ToyGenerator, tilt: TiltFit, toy_labels: Labels) -> Sampler:
    target = Target.uniform(toy_labels.groups)
    return Sampler(Origin.of(toy), target, target.shares, tilt.source)


def true_cells(toy: ToyGenerator, labels: Labels, codes: np.ndarray) -> np.ndarray:
    columns = [toy.groups.attribute(name) for name in labels.groups.names]
    return labels.groups.cell_of(toy.levels(codes)[:, columns])


def test_acceptance_is_the_rule() -> None:
    h = np.array([0.0, 0.1, 0.2, 0.4, 0.9])
    with np.errstate(divide="ignore"):
        found = acceptance(np.log(h), 0.4, 2.0)
    assert np.allclose(found, [0, 1 / 16, 1 / 4, 1, 1])


def test_requested_cells_are_truly_achieved(
    toy: ToyGenerator, sampler: Sampler, toy_labels: Labels
) -> None:
    draws = sampler.draw(4000, 3)
    achieved = true_cells(toy, toy_labels, draws.codes)
    for k in range(6):
        rows = draws.requested == k
        assert (achieved[rows] == k).mean() > 0.8, sampler.groups.cells[k]


def test_the_share_that_a_cell_accepts_is_as_told(
    toy: ToyGenerator, tilt: TiltFit, toy_labels: Labels
) -> None:
    codes = toy.prior.codes(123, 0, 50_000)
    log_h = tilt.source.classifier.log_probabilities(toy.stem(codes))
    for k in range(6):
        chance = acceptance(log_h[:, k], tilt.source.ceilings[k], tilt.source.beta)
        told = tilt.source.acceptance[k]
        assert chance.mean() == pytest.approx(told, rel=0.15)
        passed = tilt.source.screen.passes(codes, k)
        assert chance[passed].sum() / chance.sum() > 0.97, "the screen loses too much"
        assert passed.mean() < 1 or k == 0


def test_codes_stay_codes_of_the_prior(toy: ToyGenerator, sampler: Sampler) -> None:
    """Directions that no attribute sees keep the prior's distribution, and norms their size."""
    draws = sampler.draw(4000, 5)
    seen = np.concatenate([toy.axes, toy._turned, toy._turn[None]])
    free = np.linalg.svd(seen)[2][len(seen) :]
    projected = draws.codes @ free.T
    assert abs(projected.mean()) < 4 / np.sqrt(projected.size)
    assert projected.std() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("seed", range(3))
def test_an_untouched_attribute_is_distributed_as_by_rejection(
    toy: ToyGenerator, sampler: Sampler, toy_labels: Labels, seed: int
) -> None:
    """Verified draws of a cell against the prior's own codes of that cell."""
    prior = toy.prior.codes(900 + seed, 0, 60_000)
    cells = true_cells(toy, toy_labels, prior)
    glasses = toy.groups.attribute("glasses")
    for k in range(6):
        drawn = sampler.draw(900, seed, cell=sampler.groups.cells[k]).codes
        drawn = drawn[true_cells(toy, toy_labels, drawn) == k]
        rejected = prior[cells == k][:900]
        values = [toy.values(codes)[:, glasses].astype(float) for codes in (drawn, rejected)]
        assert ks_2samp(*values).pvalue > 1e-3, sampler.groups.cells[k]


def test_purity_and_calls_rise_and_fall_along_the_frontier(tilt: TiltFit) -> None:
    assert [point.beta for point in tilt.frontier] == list(BETAS)
    calls = [point.calls for point in tilt.frontier]
    assert calls == sorted(calls, reverse=True)
    chosen = next(p for p in tilt.frontier if p.beta == tilt.source.beta)
    assert chosen.distance <= 1.25 * min(p.distance for p in tilt.frontier)


def test_a_cell_of_zero_target_cannot_be_requested(
    toy: ToyGenerator, toy_labels: Labels, latent: LatentFit
) -> None:
    target = Target(toy_labels.groups, np.array([1.0, 1, 1, 1, 1, 0]))
    codes = toy.prior.codes(0, 0, 10_000)
    source = fit_tilt(toy, latent, codes, toy_labels, target, beta=2.0).source
    assert source.cells.tolist() == [True] * 5 + [False]
    assert source.beta == 2.0
    with pytest.raises(InputError, match="positive share"):
        Sampler(Origin.of(toy), target, target.shares, source).draw(
            5, cell="smiling=yes, skin_tone=light"
        )


@pytest.mark.parametrize("beta", [0.0, -1.0, float("nan")])
def test_bad_sharpness_is_named(
    toy: ToyGenerator, toy_labels: Labels, latent: LatentFit, beta: float
) -> None:
    target = Target.uniform(toy_labels.groups)
    with pytest.raises(InputError, match=f"beta must be above 0, got {beta}"):
        fit_tilt(toy, latent, toy.prior.codes(0, 0, 10_000), toy_labels, target, beta=beta)
