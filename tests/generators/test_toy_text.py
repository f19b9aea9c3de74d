"""The text-to-image toy against its truth in closed form."""

import time
from pathlib import Path

import numpy as np
import pytest

from equipoise.classifiers.toy import ToyClassifier
from equipoise.core.errors import InputError
from equipoise.generators import Prompted, Staged, open_generator
from equipoise.generators.toy_text import JOBS, LATENT, ToyTextGenerator
from equipoise.measure.contexts import deviation_ratio


@pytest.fixture(scope="module")
def toy() -> ToyTextGenerator:
    return ToyTextGenerator()


@pytest.mark.parametrize(("context", "variant"), [(0, 0), (29, 0), (7, 3), (12, 6)])
def test_sampled_shares_are_the_stated_ones(
    toy: ToyTextGenerator, context: int, variant: int
) -> None:
    n = 20_000
    cells = toy.grid.cell_of(toy.levels(toy.codes_of(1, 0, n, context, variant)))
    stated = toy.cell_shares[context, variant]
    found = np.bincount(cells, minlength=6) / n
    assert (np.abs(found - stated) < 4 * np.sqrt(stated * (1 - stated) / n) + 2e-3).all()


def test_the_model_as_it_is_is_far_from_uniform_within_contexts(toy: ToyTextGenerator) -> None:
    own, uniform = toy.cell_shares[:, 0], np.full(6, 1 / 6)
    ratios = deviation_ratio(own, uniform)
    assert len(toy.contexts) == len(set(JOBS)) == 40
    assert ratios.mean() >= 0.6
    assert ratios.mean() > 2 * deviation_ratio(
        toy.cell_shares[:, 0].mean(axis=0), np.full(6, 1 / 6)
    )


@pytest.mark.parametrize("leak", [0.0, 0.3, 1.0])
def test_an_edit_leaks_by_the_stated_amount(leak: float) -> None:
    toy = ToyTextGenerator(["a photo of a nurse"], leak=leak)
    own = toy.shares[0, 0]
    for k in range(6):
        assert np.allclose(toy.shares[0, k + 1], (1 - leak) * np.eye(6)[k] + leak * own)
    smiling = toy.shares_of("smiling nurse")
    within = own.reshape(3, 2)[:, 1] / own.reshape(3, 2)[:, 1].sum()
    assert smiling.reshape(3, 2)[:, 1] == pytest.approx(
        (1 - leak) * within + leak * own.reshape(3, 2)[:, 1]
    )


def test_unknown_words_change_nothing(toy: ToyTextGenerator) -> None:
    assert np.array_equal(toy.shares_of("the Doctor, or"), np.full(6, 1 / 6))
    assert np.array_equal(toy.shares_of("a Doctor"), toy.shares_of("some doctor there"))


@pytest.mark.parametrize("step", [4, 12])
def test_the_posterior_is_calibrated(toy: ToyTextGenerator, step: int) -> None:
    """On data and noise that are joined by straight lines."""
    rng = np.random.default_rng(0)
    n, context = 40_000, 3
    codes = toy.codes_of(0, 0, n, context)
    cells = rng.choice(6, n, p=toy.shares[context, 0])
    spread = np.where(np.arange(LATENT) < 2, 0.25, 1.0)
    data = toy._means[context, cells] + spread * rng.standard_normal((n, LATENT))
    t = step / toy.steps
    found, guess = toy.posterior((1 - t) * codes[:, :LATENT] + t * data, codes, step)
    hit = np.eye(6)[cells]
    for low in np.arange(0, 1, 0.1):
        inside = (found >= low) & (found < low + 0.1)
        if inside.sum() > 200:
            error = np.sqrt(0.25 / inside.sum())
            assert abs(hit[inside].mean() - found[inside].mean()) < 4 * error
    assert (data - guess).mean(axis=0) == pytest.approx(np.zeros(LATENT), abs=0.05)
    assert ((data - guess) * guess).mean() == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("step", [0, 8, 20])
def test_probabilities_of_the_flow_average_to_the_shares(toy: ToyTextGenerator, step: int) -> None:
    codes = toy.codes_of(2, 0, 10_000, 5)
    found = toy.posterior(toy.states(codes, step), codes, step)[0]
    assert found.mean(axis=0) == pytest.approx(toy.shares[5, 0], abs=0.015)
    if step == toy.steps:
        cells = toy.grid.cell_of(toy.levels(codes))
        assert np.array_equal(found.argmax(axis=1), cells)


def test_a_stage_and_its_end_are_the_whole_to_the_byte(toy: ToyTextGenerator) -> None:
    codes = toy.prior.codes(0, 0, 100)
    assert isinstance(toy, Prompted)
    assert isinstance(toy, Staged)
    for steps in (0, 8, toy.steps - 1):
        states = toy.states(codes, steps)
        assert np.array_equal(toy.carry_on(states, codes, steps), toy.images(codes))


def test_early_refusal_pays_at_nearly_equal_faithfulness(toy: ToyTextGenerator) -> None:
    """A threshold on P(cell | state) after 6 of 20 steps, for each cell of one context."""
    n, stage, spent, plain = 8000, 6, 0.0, 0.0
    codes = toy.codes_of(3, 0, n, 29)
    cells = toy.grid.cell_of(toy.levels(codes))
    seen = toy.posterior(toy.states(codes, stage), codes, stage)[0]
    for k in np.flatnonzero(np.bincount(cells, minlength=6) > 80):
        member, passed = cells == k, seen[:, k] >= 0.1
        kept = (passed & member).sum()
        assert kept / member.sum() > 0.97  # The faithfulness of a threshold.
        spent += (n * stage + passed.sum() * (toy.steps - stage)) / toy.steps / kept
        plain += n / member.sum()
    assert spent / plain < 0.6


def test_a_list_of_prompts_gives_names_texts_and_shares(tmp_path: Path) -> None:
    path = tmp_path / "jobs.csv"
    path.write_text("id,text,share\nn1,a photo of a nurse,3\np1,a photo of a pilot,1\n")
    listed = open_generator(f"toy-text:{path}?leak=0.1")
    assert isinstance(listed, ToyTextGenerator)
    assert listed.contexts == ("n1", "p1")
    alike = ToyTextGenerator(["a photo of a nurse", "a photo of a pilot"], leak=0.1)
    assert listed.text(0, 6) == alike.text(0, 6) == "a photo of a light smiling nurse"
    assert np.array_equal(listed.shares, alike.shares)
    assert listed.digest != alike.digest
    drawn = listed.prior.codes(0, 0, 4000)[:, -2]
    assert abs((drawn == 0).mean() - 0.75) < 0.03
    with pytest.raises(InputError, match="names must be one for each of 1 prompts, got 2"):
        ToyTextGenerator(["a photo of a nurse"], names=["a", "b"])


def test_the_toy_classifier_reads_it(toy: ToyTextGenerator) -> None:
    codes = toy.prior.codes(0, 0, 300)
    answers = ToyClassifier(toy).predict(toy.images(codes))
    assert np.array_equal(np.stack([one.levels for one in answers], 1), toy.levels(codes))


def test_it_makes_thousands_of_images_a_second(toy: ToyTextGenerator) -> None:
    codes = toy.prior.codes(0, 0, 1024)
    began = time.process_time()
    toy.images(codes)
    assert 1024 / (time.process_time() - began) > 1000


def test_wrong_values_are_named(toy: ToyTextGenerator) -> None:
    with pytest.raises(InputError, match=r"context of a code must be .* \[0, 40\), got 40"):
        toy.codes_of(0, 0, 1, 40)
    with pytest.raises(InputError, match=r"variant of a code must be .* \[0, 7\), got -1"):
        toy.codes_of(0, 0, 1, 0, -1)
    for contexts in ([" "], ["a smiling nurse"]):
        with pytest.raises(InputError, match="context must be a text without"):
            ToyTextGenerator(contexts)
    with pytest.raises(InputError, match="at least one prompt"):
        ToyTextGenerator([])
    for wrong in ({"leak": 1.5}, {"steps": 0}, {"stem": 20}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            ToyTextGenerator(**wrong)


def test_an_image_begins_with_the_stem_and_its_state(toy: ToyTextGenerator) -> None:
    codes = toy.prior.codes(0, 0, 20)
    features, states = toy.begin(codes)
    assert np.array_equal(features, toy.stem(codes))
    assert np.array_equal(states, toy.states(codes, toy.stage))
