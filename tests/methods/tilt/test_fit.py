from typing import Any

import numpy as np
import pytest

from equipoise.core.errors import InputError, InsufficientLabelsError
from equipoise.core.labels import LabelledCodes
from equipoise.core.targets import Target
from equipoise.generators import Prior
from equipoise.generators.toy import ToyGenerator
from equipoise.methods.tilt.fit import TiltFit, fit_tilt
from equipoise.methods.tilt.fit_latent import LatentFit, fit_latent
from equipoise.methods.tilt.held_out import HeldOut
from equipoise.methods.tilt.proposals import ProposalSearch, search_proposals
from equipoise.methods.tilt.rules import EXACT, RECALLS, TYPICAL
from equipoise.samplers.sampler import GeneratorRef, Sampler
from equipoise.samplers.tilt import ONE_SHOT


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
    return fit_latent(toy.stem, without, folds=2, members=1)


def test_calls_and_faithfulness_fall_along_the_frontier(toy_tilt: TiltFit) -> None:
    assert [point.recall for point in toy_tilt.frontier] == list(RECALLS)
    for k in range(6):
        stated = [point.cells[k] for point in toy_tilt.frontier]
        calls = [cell.calls.value for cell in stated]
        assert calls == sorted(calls, reverse=True)
        for point, cell in zip(toy_tilt.frontier, stated, strict=True):
            # A threshold's total variation is the share of members that it refuses.
            assert cell.faithfulness.value >= point.recall - 1e-9
            # Many members of the commonest cell are equally certain, and accepted together.
            assert k == 0 or cell.faithfulness.value <= point.recall + 0.05
            assert cell.calls.value == pytest.approx(1 / cell.purity.value)
            assert cell.calls.low <= cell.calls.value <= cell.calls.high


@pytest.mark.parametrize(("faithful", "first"), [(0.8, "0.8"), ("exact", EXACT), (0.95, "0.95")])
def test_verified_draws_are_of_the_wanted_faithfulness(
    toy: ToyGenerator,
    labelled: LabelledCodes,
    latent: LatentFit,
    faithful: float | str,
    first: str,
) -> None:
    fit = fit_tilt(toy, latent, labelled, Target.uniform(labelled.labels.grid), faithful=faithful)
    assert fit.source.for_verified().mode == fit.verified[0].faithful == first
    names = {mode.faithful for mode in fit.verified}
    assert names == {first, EXACT, TYPICAL, first if first != EXACT else "0.9"}
    assert fit.source.modes.keys() == {ONE_SHOT, *names}
    if isinstance(faithful, float):
        for cell in fit.verified[0].cells:
            assert cell.faithfulness.high > faithful
            assert cell.faithfulness.value > faithful - 3 / cell.members - 0.01


def test_exact_is_stated_to_be_cheaper_than_rejection(
    toy_tilt: TiltFit, labelled: LabelledCodes
) -> None:
    """Each effective image of a rare cell costs far less than 1 / share calls."""
    exact = next(mode for mode in toy_tilt.verified if mode.faithful == EXACT)
    for cell, share in zip(exact.cells, labelled.shares(), strict=True):
        assert cell.faithfulness.value > 0.985
        assert 0 < cell.effective.value <= 1
        assert cell.calls_per_effective.value == pytest.approx(
            cell.calls.value / cell.effective.value
        )
        assert cell.calls_per_effective.high < max(0.5 / share, 1.1)


def test_every_share_has_an_interval_that_holds_it(toy_tilt: TiltFit) -> None:
    """Where nothing was lost among the labels too: a hundred codes do not prove a certainty."""
    for mode in toy_tilt.verified:
        for cell in mode.cells:
            for share in (cell.faithfulness, cell.purity):
                assert 0 < share.low <= share.value <= share.high <= 1
                assert share.low < 1 - 0.5 / cell.members
            assert (cell.effective.value == 1) or mode.faithful == EXACT


def test_statements_of_more_labels_are_narrower(latent: LatentFit, labelled: LabelledCodes) -> None:
    widths = []
    for rows in (slice(0, 1000), slice(0, 4000)):
        part = LabelledCodes.of_prior(labelled.codes[rows], labelled.labels.take(rows))
        fit = LatentFit(
            latent.classifier, latent.held_out[rows], latent.folds[rows], latent.quality
        )
        held = HeldOut.of(fit, part, 0)
        accepted = (np.exp(held.log_h) > held.quantiles(0.1)).astype(float)
        stated = held.statements(
            accepted,
            accepted,
            weighted=False,
            stage_calls=np.zeros(6),
            wanted=np.ones(6, bool),
        )
        widths.append([s.faithfulness.high - s.faithfulness.low for s in stated])
    ratio = np.array(widths[0]) / widths[1]
    assert np.all((ratio > 1.4) & (ratio < 3)), "a half, by four times the labels"


def test_codes_that_count_twice_weigh_as_twice_as_many(
    latent: LatentFit, labelled: LabelledCodes
) -> None:
    twice = np.where(np.arange(len(labelled)) % 2, 2.0, 1.0)
    held = HeldOut.of(latent, LabelledCodes(labelled.codes, labelled.labels, twice), 0)
    cells = labelled.labels.cells
    for k, found in enumerate(held.quantiles(0.3)):
        h = np.exp(latent.held_out[cells == k, k])
        repeated = np.repeat(h, twice[cells == k].astype(int))
        assert found == pytest.approx(np.quantile(repeated, 0.3, method="inverted_cdf"), rel=1e-6)
    assert held.members == pytest.approx(
        LabelledCodes(labelled.codes, labelled.labels, twice).effective()
    )
    confusion = held.confusion(np.ones((len(labelled), 6)))
    shares = np.bincount(np.repeat(cells, twice.astype(int)), minlength=6) / twice.sum()
    assert np.allclose(confusion[:, :-1], shares), "who accepts all gets the prior"


def test_a_cell_of_zero_target_cannot_be_requested(
    toy: ToyGenerator, labelled: LabelledCodes, latent: LatentFit
) -> None:
    target = Target(labelled.labels.grid, np.array([1.0, 1, 1, 1, 1, 0]))
    fit = fit_tilt(toy, latent, labelled, target)
    for mode in (None, EXACT, TYPICAL):
        assert fit.source.for_verified(mode).cells.tolist() == [True] * 5 + [False]
    assert fit.source.cells.tolist() == [True] * 5 + [False]
    assert fit.calibration.weights[5] == 0
    assert all(len(mode.cells) == 5 for mode in fit.verified)
    with pytest.raises(InputError, match="positive share"):
        Sampler(GeneratorRef.of(toy), target, target.shares, fit.source).draw(
            5, cell="smiling=yes, skin_tone=light"
        )


def test_a_cell_without_a_label_can_still_be_requested(
    toy: ToyGenerator,
    labelled: LabelledCodes,
    without: LabelledCodes,
    latent_without: LatentFit,
) -> None:
    fit = fit_tilt(toy, latent_without, without, Target.uniform(labelled.labels.grid))
    assert np.isfinite(fit.calibration.weights).all()
    assert (fit.source.current.acceptance > 0).all()
    assert np.isnan(fit.verified[0].cells[5].faithfulness.value), "nothing is stated of it"


def test_of_a_cell_with_few_labels_nothing_is_stated(
    toy: ToyGenerator, labelled: LabelledCodes, latent: LatentFit
) -> None:
    """It is drawn as the latent classifier sees it."""
    last = np.flatnonzero(labelled.labels.cells == 5)
    rows = np.setdiff1d(np.arange(len(labelled)), last[12:])
    few = LabelledCodes.of_prior(labelled.codes[rows], labelled.labels.take(rows))
    of_rows = LatentFit(
        latent.classifier, latent.held_out[rows], latent.folds[rows], latent.quality
    )
    fit = fit_tilt(toy, of_rows, few, Target.uniform(few.labels.grid))
    for mode in fit.verified:
        assert np.isnan(mode.cells[5].faithfulness.value)
        assert "12 effective labelled members, 20 needed" in mode.cells[5].faithfulness.note
        source = fit.source.for_verified(mode.faithful)
        assert len(source.block(0, (0,), np.full(3, 5)).codes) == 3


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


@pytest.mark.parametrize(("codes", "used"), [(100_000, 49_152), (9000, 9000), (10, 4096)])
def test_the_pilot_of_wide_codes_is_bounded(
    codes: int,
    used: int,
    toy: ToyGenerator,
    labelled: LabelledCodes,
    latent: LatentFit,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes = []

    def noted(prior: Prior, codes: np.ndarray, *others: Any) -> ProposalSearch:
        sizes.append(len(codes))
        return search_proposals(prior, codes, *others)

    monkeypatch.setattr("equipoise.methods.tilt.fit.search_proposals", noted)
    monkeypatch.setattr("equipoise.methods.tilt.pilot._PILOT_VALUES", codes * toy.dim)
    source = fit_tilt(toy, latent, labelled, Target.uniform(labelled.labels.grid)).source
    assert sizes == [used]
    assert (source.current.acceptance > 0).all()
