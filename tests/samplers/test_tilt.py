from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ks_2samp

from equipoise.classifiers import ClassifierPanel
from equipoise.classifiers.models import Models
from equipoise.core.errors import InputError
from equipoise.core.labels import Labels
from equipoise.core.records import to_json
from equipoise.core.targets import Target
from equipoise.generators.toy import ToyGenerator
from equipoise.methods.tilt.fit import TiltFit
from equipoise.methods.tilt.rules import EXACT, TYPICAL
from equipoise.samplers.file import load_sampler, save_sampler
from equipoise.samplers.sampler import GeneratorRef, Sampler
from equipoise.samplers.tilt import ONE_SHOT, TiltSource
from equipoise.samplers.verified import verified

MODES = (ONE_SHOT, "0.9", EXACT, TYPICAL)
RAREST = 5
"""Smiling and light: 3.7 % of the prior."""


@pytest.fixture(scope="module")
def source(toy_tilt: TiltFit) -> TiltSource:
    return toy_tilt.source


@pytest.fixture(scope="module")
def sampler(toy: ToyGenerator, toy_tilt: TiltFit, toy_labels: Labels) -> Sampler:
    target = Target.uniform(toy_labels.grid)
    return Sampler(
        GeneratorRef.of(toy),
        target,
        target.shares,
        toy_tilt.source,
        statements=toy_tilt.verified,
    )


@pytest.fixture(scope="module")
def fresh(toy: ToyGenerator) -> np.ndarray:
    """Codes of the prior that nothing was fitted to."""
    return toy.prior.codes(123, 0, 50_000)


@pytest.fixture(scope="module")
def chances(source: TiltSource, fresh: np.ndarray) -> dict[str, np.ndarray]:
    """Probability that each cell accepts the fresh codes, read as draws would, by mode."""
    folds = np.arange(len(fresh)) % source.classifier.folds
    return {name: replace(source, mode=name).acceptances(fresh, folds) for name in MODES}


def in_mode(sampler: Sampler, mode: str) -> Sampler:
    """Return the sampler whose draws are of a mode, one-shot among them."""
    return sampler if mode == ONE_SHOT else sampler.for_verified(mode)


def true_cells(toy: ToyGenerator, labels: Labels, codes: np.ndarray) -> np.ndarray:
    columns = [toy.grid.attribute(name) for name in labels.grid.names]
    return labels.grid.cell_of(toy.levels(codes)[:, columns])


def test_requested_cells_are_truly_achieved(
    toy: ToyGenerator, sampler: Sampler, toy_labels: Labels
) -> None:
    draws = sampler.draw(4000, 3)
    achieved = true_cells(toy, toy_labels, draws.codes)
    for k in range(6):
        rows = draws.requested == k
        assert (achieved[rows] == k).mean() > 0.8, sampler.grid.cells[k]


@pytest.mark.parametrize("mode", MODES)
def test_the_share_that_a_cell_accepts_is_as_stored(
    source: TiltSource, chances: dict[str, np.ndarray], mode: str
) -> None:
    """On fresh codes, within 4 standard errors of both samples and 1 %."""
    said, found = source.modes[mode].acceptance, chances[mode].mean(axis=0)
    spread = np.sqrt(chances[mode].var(axis=0) * (1 / len(chances[mode]) + 1 / 49_152))
    assert (np.abs(said - found) < 4 * spread + 0.01 * found).all()


@pytest.mark.parametrize("mode", MODES)
def test_draws_follow_the_chances(
    toy: ToyGenerator,
    sampler: Sampler,
    fresh: np.ndarray,
    chances: dict[str, np.ndarray],
    mode: str,
) -> None:
    """Draws of a cell against codes of the prior weighted by its chance: the same means."""
    for k, cell in enumerate(sampler.grid.cells):
        drawn = in_mode(sampler, mode).draw(2048, 8, cell=cell).codes
        weights = chances[mode][:, k] / chances[mode][:, k].sum()
        expected = weights @ fresh
        spread = np.sqrt(1 / 2048 + np.square(weights).sum())
        assert np.abs(drawn.mean(axis=0) - expected).max() < 4.5 * spread, cell


def test_shortcuts_lose_little_and_what_they_lose_is_stated(
    toy: ToyGenerator,
    toy_labels: Labels,
    toy_tilt: TiltFit,
    source: TiltSource,
    fresh: np.ndarray,
    chances: dict[str, np.ndarray],
) -> None:
    """Half-spaces and prefilter refuse few accepted members, and save most readings."""
    folds = np.arange(len(fresh)) % source.classifier.folds
    log_h = source.classifier.log_probabilities(toy.stem(fresh), folds)
    cells = true_cells(toy, toy_labels, fresh)
    log_uniforms = np.log(np.random.default_rng(0).random((len(fresh), 1)))
    guesses = source.prefilter.log_guesses(fresh)
    for mode in toy_tilt.verified:
        name = mode.faithful
        plain = np.exp(source.modes[name].rule.log_acceptance(log_h))
        assert (chances[name] <= plain + 1e-12).all()
        for k, stated in enumerate(mode.cells):
            own = cells == k
            lost = 1 - chances[name][own, k].sum() / plain[own, k].sum()
            assert lost < 0.015, (name, stated.cell)
            assert abs(stated.lost - lost) < 4 * np.sqrt(0.02 / stated.members), (name, stated.cell)
        read = log_uniforms < source.modes[name].log_bounds(guesses)
        read &= source.half_spaces.contains(fresh)
        wasted = read.mean(axis=0) / chances[name].mean(axis=0)
        assert wasted[RAREST] < 6, name


def test_codes_stay_codes_of_the_prior(toy: ToyGenerator, sampler: Sampler) -> None:
    """Directions that no attribute sees keep the prior's distribution, and norms their size."""
    draws = sampler.draw(4000, 5)
    seen = np.concatenate([toy.axes, toy._rotated, toy._rotation[None]])
    free = np.linalg.svd(seen)[2][len(seen) :]
    projected = draws.codes @ free.T
    assert abs(projected.mean()) < 4 / np.sqrt(projected.size)
    assert projected.std() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("mode", MODES)
def test_draws_do_not_depend_on_slice_or_batch(sampler: Sampler, mode: str) -> None:
    """Codes, weights and folds alike, whether drawn at once or one by one."""
    one = in_mode(sampler, mode)
    whole = one.draw(600, 5)
    parts = list(one.stream(600, 5, batch=77))
    for name in ("index", "codes", "requested", "weights", "folds"):
        joined = np.concatenate([getattr(part, name) for part in parts])
        assert np.array_equal(joined, getattr(whole, name)), name
    single = one.draw(1, 5, start=421)
    assert np.array_equal(single.codes, whole.codes[421:422])
    assert single.weights[0] == whole.weights[421]


def test_stored_and_loaded_it_draws_the_same_in_every_mode(
    toy: ToyGenerator, sampler: Sampler, tmp_path: Path
) -> None:
    save_sampler(sampler, tmp_path / "s.safetensors")
    back = load_sampler(tmp_path / "s.safetensors", toy)
    requested = np.arange(512) % 6
    for mode in MODES:
        one, other = (in_mode(s, mode).source.block(9, (0, 0), requested) for s in (sampler, back))
        for part, again in zip(one, other, strict=True):
            assert np.array_equal(part, again), mode
    assert to_json(back.statements) == to_json(sampler.statements)
    assert back.digest == sampler.digest
    assert back.source.parameters()["verified_mode"] == "0.9"


def test_modes_are_named_and_others_are_refused_with_what_there_is(sampler: Sampler) -> None:
    assert sampler.for_verified().source.mode == "0.9"  # type: ignore[attr-defined]
    assert sampler.for_verified("exact").for_verified().source.mode == "0.9"  # type: ignore[attr-defined]
    for unknown in ("0.95", "one-shot", ""):
        with pytest.raises(
            InputError, match=r"faithful must be one of those of the sampler, 0\.9, exact, typical"
        ):
            sampler.for_verified(unknown)
    digests = {in_mode(sampler, mode).digest for mode in MODES}
    assert len(digests) == len(MODES), "draws of each mode are other draws"


def test_draws_to_be_verified_are_kept_of_their_mode(
    toy: ToyGenerator, toy_panel: ClassifierPanel, sampler: Sampler
) -> None:
    wanted = np.array([5, 0, 0, 0, 0, 0])
    for mode in (None, EXACT):
        drawn = list(
            verified(sampler, Models(toy, toy_panel), wanted, 4, faithful=mode, sharing=False)
        )
        kept = np.concatenate([d.latents.codes for d in drawn])
        weights = np.concatenate([d.latents.weights for d in drawn])
        first = sampler.for_verified(mode).draw(50, 4, cell=sampler.grid.cells[0])
        assert (kept[:, None] == first.codes).all(axis=2).any(axis=1).all()
        assert (weights == 1).all() == (mode is None)


@pytest.fixture(scope="module")
def own(toy: ToyGenerator, toy_labels: Labels) -> np.ndarray:
    """The generator's own codes of the rarest cell, out of 1.2 million."""
    parts = []
    for seed in range(24):
        codes = toy.prior.codes(500 + seed, 0, 50_000)
        parts.append(codes[true_cells(toy, toy_labels, codes) == RAREST])
    return np.concatenate(parts)


@pytest.mark.parametrize("mode", [EXACT, TYPICAL])
def test_weights_make_averages_those_of_the_generators_own_codes(
    toy: ToyGenerator, sampler: Sampler, toy_labels: Labels, own: np.ndarray, mode: str
) -> None:
    """20,000 draws of a rare cell, those kept that came out: true values of its attributes.

    What the half-space never lets through, about a hundredth here, weights cannot bring back.
    """
    draws = sampler.for_verified(mode).draw(20_000, 6, cell=sampler.grid.cells[RAREST])
    kept = true_cells(toy, toy_labels, draws.codes) == RAREST
    weights = draws.weights[kept]
    assert kept.mean() > 0.85
    off = []
    for a in (toy.grid.attribute(name) for name in toy_labels.grid.names):
        found = toy.values(draws.codes[kept])[:, a].astype(float)
        expected = toy.values(own)[:, a].astype(float)
        mean = weights @ found / weights.sum()
        # Linearised, as for any ratio of two weighted sums.
        error = np.sqrt(np.square(weights * (found - mean)).sum()) / weights.sum()
        error = np.hypot(error, expected.std() / np.sqrt(len(expected)))
        off.append(abs(mean - expected.mean()) / error)
    if mode == EXACT:
        assert weights.mean() == pytest.approx(1, abs=0.03)
        assert weights.std() > 0.1 and weights.min() > 0
        assert max(off) < 4, off
    else:
        assert (weights == 1).all()
        assert min(off) > 4, off


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("mode", MODES)
def test_an_untouched_attribute_is_distributed_as_by_rejection(
    toy: ToyGenerator, sampler: Sampler, toy_labels: Labels, seed: int, mode: str
) -> None:
    """Draws of a cell that came out as requested against the prior's own codes of that cell."""
    prior = toy.prior.codes(900 + seed, 0, 60_000)
    cells = true_cells(toy, toy_labels, prior)
    glasses = toy.grid.attribute("glasses")
    for k in range(6):
        drawn = in_mode(sampler, mode).draw(900, seed, cell=sampler.grid.cells[k]).codes
        drawn = drawn[true_cells(toy, toy_labels, drawn) == k]
        rejected = prior[cells == k][:900]
        values = [toy.values(codes)[:, glasses].astype(float) for codes in (drawn, rejected)]
        assert ks_2samp(*values).pvalue > 1e-3, sampler.grid.cells[k]
