from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ks_2samp

from equipoise.classifiers import ClassifierPanel
from equipoise.classifiers.models import Models
from equipoise.core.labels import Labels
from equipoise.core.targets import Target
from equipoise.generators.toy import ToyGenerator
from equipoise.methods.tilt.fit import TiltFit
from equipoise.samplers.draw import verified
from equipoise.samplers.file import load_sampler, save_sampler
from equipoise.samplers.sampler import GeneratorRef, Sampler
from equipoise.samplers.tilt import AVOIDANCE_POWER, log_acceptance


@pytest.fixture(scope="module")
def tilt(toy_tilt: TiltFit) -> TiltFit:
    return toy_tilt


@pytest.fixture(scope="module")
def sampler(toy: ToyGenerator, tilt: TiltFit, toy_labels: Labels) -> Sampler:
    target = Target.uniform(toy_labels.grid)
    return Sampler(GeneratorRef.of(toy), target, target.shares, tilt.source)


def true_cells(toy: ToyGenerator, labels: Labels, codes: np.ndarray) -> np.ndarray:
    columns = [toy.grid.attribute(name) for name in labels.grid.names]
    return labels.grid.cell_of(toy.levels(codes)[:, columns])


def test_the_chance_is_the_rule() -> None:
    h = np.array([[0.0], [0.1], [0.2], [0.4], [0.9]])
    with np.errstate(divide="ignore"):
        found = log_acceptance(
            np.log(h), np.array([0.4]), np.ones(1), 2.0, np.log([[1], [1], [0.5], [1], [0.5]])
        )
    assert np.allclose(np.exp(found[:, 0]), [0, 1 / 16, 1 / 8, 1, 1 / 2])


def test_a_cell_that_is_not_wanted_is_avoided() -> None:
    h = np.array([[0.5, 0.5], [0.5, 0.0], [0.5, 0.25]])
    with np.errstate(divide="ignore"):
        acceptance_thresholds, avoidance_thresholds = np.array([0.5, np.inf]), np.array([0.8, 1.0])
        found = np.exp(
            log_acceptance(
                np.log(h),
                acceptance_thresholds,
                avoidance_thresholds,
                2.0,
                np.zeros((1, h.shape[1])),
            )
        )
    expected = np.minimum((1 - h[:, 1]) / 0.8, 1) ** (AVOIDANCE_POWER * 2.0)
    assert np.allclose(found[:, 0], expected)
    assert (found[:, 1] == 0).all()


def test_requested_cells_are_truly_achieved(
    toy: ToyGenerator, sampler: Sampler, toy_labels: Labels
) -> None:
    draws = sampler.draw(4000, 3)
    achieved = true_cells(toy, toy_labels, draws.codes)
    for k in range(6):
        rows = draws.requested == k
        assert (achieved[rows] == k).mean() > 0.8, sampler.grid.cells[k]


def test_the_share_that_a_cell_accepts_is_as_told(toy: ToyGenerator, tilt: TiltFit) -> None:
    chances = tilt.source.chances(toy.prior.codes(123, 0, 50_000))
    assert chances.mean(axis=0) == pytest.approx(tilt.source.acceptance, rel=0.15)


def test_draws_follow_the_chances(toy: ToyGenerator, sampler: Sampler, tilt: TiltFit) -> None:
    """Draws of a cell against codes of the prior weighted by its chance: the same means."""
    prior = toy.prior.codes(124, 0, 200_000)
    chances = tilt.source.chances(prior)
    for k, cell in enumerate(sampler.grid.cells):
        drawn = sampler.draw(3000, 8, cell=cell).codes
        weights = chances[:, k] / chances[:, k].sum()
        expected = weights @ prior
        spread = np.sqrt(1 / 3000 + np.square(weights).sum())
        assert np.abs(drawn.mean(axis=0) - expected).max() < 4.5 * spread, cell


def test_shortcuts_lose_little(toy: ToyGenerator, tilt: TiltFit) -> None:
    """Half-spaces and screen cut little acceptance off, and save most readings of rare cells."""
    codes = toy.prior.codes(125, 0, 50_000)
    source = tilt.source
    plain = np.exp(source.tilt.evaluated(toy, source.classifier, codes))
    chances = source.chances(codes)
    assert (chances <= plain + 1e-12).all()
    kept = chances.sum(axis=0) / plain.sum(axis=0)
    assert (kept > 0.94).all(), kept
    log_uniforms = np.log(np.random.default_rng(0).random((len(codes), 1)))
    read = (
        log_uniforms < source.prefilter.log_upper_bounds(codes, slice(None))
    ) & source.half_spaces.contains(codes)
    rarest = source.acceptance.argmin()
    assert read[:, rarest].mean() < 6 * source.acceptance[rarest]


def test_codes_stay_codes_of_the_prior(toy: ToyGenerator, sampler: Sampler) -> None:
    """Directions that no attribute sees keep the prior's distribution, and norms their size."""
    draws = sampler.draw(4000, 5)
    seen = np.concatenate([toy.axes, toy._rotated, toy._rotation[None]])
    free = np.linalg.svd(seen)[2][len(seen) :]
    projected = draws.codes @ free.T
    assert abs(projected.mean()) < 4 / np.sqrt(projected.size)
    assert projected.std() == pytest.approx(1, abs=0.02)


def test_draws_to_be_verified_are_purer_and_kept_with_the_sampler(
    toy: ToyGenerator,
    toy_panel: ClassifierPanel,
    toy_labels: Labels,
    sampler: Sampler,
    tilt: TiltFit,
    tmp_path: Path,
) -> None:
    assert tilt.source.for_verified is not None
    assert tilt.source.for_verified.tilt.beta > tilt.source.tilt.beta
    purities = []
    for one in (sampler, sampler.for_verified):
        draws = one.draw(6000, 3)
        achieved = true_cells(toy, toy_labels, draws.codes)
        purities.append((achieved == draws.requested).mean())
    assert purities[1] > purities[0]
    save_sampler(sampler, tmp_path / "s.safetensors")
    back = load_sampler(tmp_path / "s.safetensors", toy)
    for one, other in ((sampler, back), (sampler.for_verified, back.for_verified)):
        assert np.array_equal(one.draw(300, 9).codes, other.draw(300, 9).codes)
    wanted = np.array([5, 0, 0, 0, 0, 5])
    kept = np.concatenate(
        [d.latents.codes for d in verified(back, Models(toy, toy_panel), wanted, 4)]
    )
    first = back.for_verified.draw(50, 4, cell=back.grid.cells[0]).codes
    assert (kept[:5, None] == first).all(axis=2).any(axis=1).all()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["one-shot", "verified"])
def test_an_untouched_attribute_is_distributed_as_by_rejection(
    toy: ToyGenerator, sampler: Sampler, toy_labels: Labels, seed: int, kind: str
) -> None:
    """Draws of a cell that came out as requested against the prior's own codes of that cell."""
    sampler = sampler if kind == "one-shot" else sampler.for_verified
    prior = toy.prior.codes(900 + seed, 0, 60_000)
    cells = true_cells(toy, toy_labels, prior)
    glasses = toy.grid.attribute("glasses")
    for k in range(6):
        drawn = sampler.draw(900, seed, cell=sampler.grid.cells[k]).codes
        drawn = drawn[true_cells(toy, toy_labels, drawn) == k]
        rejected = prior[cells == k][:900]
        values = [toy.values(codes)[:, glasses].astype(float) for codes in (drawn, rejected)]
        assert ks_2samp(*values).pvalue > 1e-3, sampler.grid.cells[k]
