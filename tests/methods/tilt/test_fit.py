from typing import Any

import numpy as np
import pytest
from equipoise.methods.tilt.evidence import THRESHOLD_QUANTILE, acceptance_thresholds_of

from equipoise.core.errors import InputError, InsufficientLabelsError
from equipoise.core.labels import LabelledCodes
from equipoise.core.targets import Target
from equipoise.generators import Prior
from equipoise.generators.toy import ToyGenerator
from equipoise.methods.tilt.fit import BETAS, TiltFit, fit_tilt
from equipoise.methods.tilt.fit_latent import LatentFit, fit_latent
from equipoise.methods.tilt.proposals import ProposalSearch, search_proposals
from equipoise.samplers.sampler import GeneratorRef, Sampler


@pytest.fixture(scope="module")
def labelled(toy_codes: LabelledCodes) -> LabelledCodes:
    return toy_codes


@pytest.fixture(scope="module")
def latent(toy_latent: LatentFit) -> LatentFit:
    return toy_latent


@pytest.fixture(scope="module")
def without(labelled: LabelledCodes) -> LabelledCodes:
    """Codes of all cells but the last."""
    rows = np.flatnonzero(labelled.labels.cells != 5)
    return LabelledCodes.of_prior(labelled.codes[rows], labelled.labels.take(rows))


@pytest.fixture(scope="module")
def latent_without(toy: ToyGenerator, without: LabelledCodes) -> LatentFit:
    return fit_latent(toy.stem, without)


def test_purity_and_calls_rise_and_fall_along_the_frontier(toy_tilt: TiltFit) -> None:
    tilt = toy_tilt
    assert [point.beta for point in tilt.frontier] == list(BETAS)
    calls = [point.calls_per_verified_image for point in tilt.frontier]
    assert calls == sorted(calls, reverse=True)
    chosen = next(p for p in tilt.frontier if p.beta == tilt.source.tilt.beta)
    assert chosen.distance <= 1.25 * min(p.distance for p in tilt.frontier)


def test_a_cell_of_zero_target_cannot_be_requested(
    toy: ToyGenerator, labelled: LabelledCodes, latent: LatentFit
) -> None:
    target = Target(labelled.labels.grid, np.array([1.0, 1, 1, 1, 1, 0]))
    source = fit_tilt(toy, latent, labelled, target, beta=2.5).source
    assert source.cells.tolist() == [True] * 5 + [False]
    assert source.tilt.beta == 2.5
    assert source.for_verified is not None
    assert source.for_verified.tilt.beta == 2.5
    assert source.for_verified.cells.tolist() == source.cells.tolist()
    with pytest.raises(InputError, match="positive share"):
        Sampler(GeneratorRef.of(toy), target, target.shares, source).draw(
            5, cell="smiling=yes, skin_tone=light"
        )


def test_a_cell_without_a_label_can_still_be_requested(
    toy: ToyGenerator,
    labelled: LabelledCodes,
    without: LabelledCodes,
    latent_without: LatentFit,
) -> None:
    source = fit_tilt(toy, latent_without, without, Target.uniform(labelled.labels.grid)).source
    for one in (source, source.for_verified):
        assert one is not None
        assert np.isfinite(one.tilt.matching.coefficients).all()
        assert np.isfinite(one.tilt.matching.offsets).all()
        assert (one.acceptance > 0).all()


def test_wanted_cells_without_any_label_are_named(
    toy: ToyGenerator,
    labelled: LabelledCodes,
    without: LabelledCodes,
    latent_without: LatentFit,
) -> None:
    target = Target(labelled.labels.grid, np.array([0.0, 0, 0, 0, 0, 1]))
    with pytest.raises(
        InsufficientLabelsError, match="labels must have some of a cell that the target want"
    ):
        fit_tilt(toy, latent_without, without, target)


@pytest.mark.parametrize(("codes", "used"), [(100_000, 65_536), (9000, 9000), (10, 4096)])
def test_the_pilot_of_wide_codes_is_bounded(
    codes: int,
    used: int,
    toy: ToyGenerator,
    labelled: LabelledCodes,
    latent: LatentFit,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes = []

    def told(prior: Prior, codes: np.ndarray, *others: Any) -> ProposalSearch:
        sizes.append(len(codes))
        return search_proposals(prior, codes, *others)

    monkeypatch.setattr("equipoise.methods.tilt.fit.search_proposals", told)
    monkeypatch.setattr("equipoise.methods.tilt.fit._PILOT_VALUES", codes * toy.dim)
    target = Target.uniform(labelled.labels.grid)
    source = fit_tilt(toy, latent, labelled, target, beta=4.0).source
    assert sizes == [used, used], "one-shot draws, and those to be verified"
    assert (source.acceptance > 0).all()


def test_ceilings_are_quantiles_of_the_weighted_own_codes(
    labelled: LabelledCodes, latent: LatentFit
) -> None:
    """Codes that count twice weigh as twice as many codes."""
    cells = labelled.labels.cells
    twice = np.where(np.arange(len(cells)) % 2, 2.0, 1.0)
    weighted = LabelledCodes(labelled.codes, labelled.labels, twice)
    found = acceptance_thresholds_of(latent, weighted, np.array([True] * 5 + [False]))
    assert np.isinf(found[5])
    for k in range(5):
        h = np.exp(latent.held_out[cells == k, k])
        repeated = np.repeat(h, twice[cells == k].astype(int))
        assert found[k] == pytest.approx(np.quantile(repeated, THRESHOLD_QUANTILE), abs=0.01)


@pytest.mark.parametrize("beta", [0.0, -1.0, float("nan")])
def test_bad_sharpness_is_named(
    toy: ToyGenerator, labelled: LabelledCodes, latent: LatentFit, beta: float
) -> None:
    target = Target.uniform(labelled.labels.grid)
    with pytest.raises(InputError, match=f"beta must be above 0, got {beta}"):
        fit_tilt(toy, latent, labelled, target, beta=beta)
