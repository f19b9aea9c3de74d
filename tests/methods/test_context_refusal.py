"""Candidates refused half-way, against the text-to-image toy."""

from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from scipy.special import expit, logit

from equipoise.classifiers import open_panel
from equipoise.classifiers.models import Models
from equipoise.core.attributes import Attribute, AttributeGrid
from equipoise.core.labels import certain_labels
from equipoise.core.progress import Execution
from equipoise.core.targets import Target
from equipoise.generators import Staged
from equipoise.generators.toy_text import ToyTextGenerator
from equipoise.methods.context_draws import ContextImages, KeptDraws, draw_contexts
from equipoise.methods.context_proposals import (
    ContextRequests,
    VariantLabels,
    label_variants,
    request_prompts,
)
from equipoise.methods.context_refusal import EarlyRefusal, _thresholds, fit_refusal

JOBS = ["a photo of a nurse", "a photo of a chef"]
TOY = ToyTextGenerator(JOBS, leak=0.9)
MODELS = Models(TOY, open_panel(("smiling", "skin_tone"), TOY))

Fitted = tuple[VariantLabels, ContextRequests, EarlyRefusal]


@pytest.fixture(scope="module")
def by_prompt(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    """Requests of the prompts for cells that are not rare."""
    labels = label_variants(MODELS, 1200, 0, tmp_path_factory.mktemp("labels"), "prompt")
    target = Target.uniform(MODELS.panel.grid)
    found = request_prompts(labels, TOY.contexts, target, 600, "prompt")
    requests = replace(found, counts=np.where(found.purity > 0.04, found.counts, 0))
    refusal = fit_refusal(TOY, labels, requests)
    assert refusal is not None
    return labels, requests, refusal


def joined(parts: list[ContextImages], name: str) -> np.ndarray:
    return np.concatenate([getattr(part, name) for part in parts])


def test_exact_counts_at_less_cost_and_its_faithfulness_is_stated(by_prompt: Fitted) -> None:
    _, requests, refusal = by_prompt
    assert isinstance(TOY, Staged)
    kept, calls = {}, {}
    for name, used in (("plain", None), ("refused", refusal)):
        parts = list(draw_contexts(MODELS, requests, 3, refusal=used))
        places = joined(parts, "contexts") * 6 + np.concatenate([p.labels.cells for p in parts])
        assert np.array_equal(np.bincount(places, minlength=12), requests.counts.ravel())
        kept[name], calls[name] = parts, joined(parts, "calls").sum()
    assert calls["refused"] < 0.8 * calls["plain"]
    # A candidate that goes on becomes the image of its code.
    last = kept["refused"][-1]
    seed, index, context = int(last.seeds[-1]), int(last.index[-1]), int(last.contexts[-1])
    code = TOY.codes_of(seed, index, index + 1, context)
    assert np.array_equal(TOY.images(code)[0], last.images[-1])
    # What passes of fresh images of the prompts, cell by cell as they are requested.
    true = []
    for c in range(2):
        codes = TOY.codes_of(99, 0, 4000, c)
        cells = MODELS.panel.predict(TOY.images(codes)).cells
        index, contexts = np.arange(4000), np.full(4000, c)
        for k in np.flatnonzero(requests.counts[c]):
            alone = np.zeros((2, 6), bool)
            alone[c, k] = True
            rows = cells == k
            passed = refusal.passes(
                TOY.stem(codes[rows]), index[rows], contexts[rows], contexts[rows] * 0 - 1, alone
            )
            true.append(passed.mean())
    stated = refusal.faithfulness
    assert stated.low - 0.01 <= np.mean(true) <= stated.high + 0.01
    assert np.mean(true) > 0.97
    assert refusal.stated()["faithfulness"]["value"] == stated.value


def test_draws_go_on_to_the_same_images(by_prompt: Fitted) -> None:
    _, requests, refusal = by_prompt
    few = replace(requests, counts=requests.counts // 10)
    parts = list(draw_contexts(MODELS, few, 4, refusal=refusal))
    n = int(few.counts.sum())
    for stop, workers in ((0, 1), (n // 2, 3), (n - 1, 2)):
        kept = KeptDraws(
            *(joined(parts, name)[:stop] for name in ("contexts", "index", "requested"))
        )
        rest = list(
            draw_contexts(MODELS, few, 4, refusal=refusal, kept=kept, execution=Execution(workers))
        )
        for name in ("index", "images"):
            assert np.array_equal(joined(rest, name), joined(parts, name)[stop:])
        assert joined(rest, "calls") == pytest.approx(joined(parts, "calls")[stop:])


def test_edits_that_leak_much_are_refused_too(tmp_path: Path) -> None:
    labels = label_variants(MODELS, 600, 0, tmp_path, "edits")
    achieved = labels.of_edits()[:, :, :-1]
    purity = np.diagonal(achieved, axis1=1, axis2=2) / 50
    counts = np.where(purity > 0.1, 20, 0)
    edited = ContextRequests(counts, True, np.zeros((2, 6), bool), purity)
    refusal = fit_refusal(TOY, labels, replace(edited, counts=counts * 20))
    assert refusal is not None
    assert refusal.faithfulness.note
    plain = sum(part.calls.sum() for part in draw_contexts(MODELS, edited, 1))
    spent = sum(part.calls.sum() for part in draw_contexts(MODELS, edited, 1, refusal=refusal))
    assert spent < 0.75 * plain


def test_what_cannot_pay_is_not_learnt(by_prompt: Fitted) -> None:
    labels, requests, _ = by_prompt
    assert fit_refusal(TOY, labels, replace(requests, counts=requests.counts // 100)) is None
    assert fit_refusal(TOY, labels, replace(requests, verified=False)) is None
    assert fit_refusal(ToyTextGenerator(JOBS, stem=0), labels, requests) is None


def test_a_rare_cell_loses_no_more_members_than_a_frequent_one() -> None:
    """Shares of .5 and .03; states show the cell alike in both contexts, and 60 images each."""
    rng, n = np.random.default_rng(0), 60
    shares = np.tile([0.5, 0.03], 20)
    contexts = np.repeat(np.arange(40), n)
    grid = AttributeGrid((Attribute("gender", ("female", "male")),))

    def candidates(contexts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        member = rng.random(len(contexts)) < shares[contexts]
        state = rng.standard_normal(len(contexts)) + 3 * member
        chance = expit(logit(shares[contexts]) + 3 * state - 4.5)
        return member, np.log([chance, 1 - chance]).T

    member, seen = candidates(contexts)
    levels = np.where(member, 0, 1)[:, None].astype(np.int8)
    labels = VariantLabels(
        contexts, contexts * 0 - 1, certain_labels(grid, levels), TOY.prior.codes, 40
    )
    wanted = np.tile([100, 0], (40, 1))
    trials = np.arange(len(contexts)), contexts * 0
    labelled = seen
    least = _thresholds(labelled, labels, trials, wanted, 0.3, 0.99)
    assert (least[:, 1] == -np.inf).all()
    fresh = np.repeat(np.arange(40), 2000)
    member, seen = candidates(fresh)
    passed = seen[:, 0] >= least[fresh, 0]
    for share in (0.5, 0.03):
        own = member & (shares[fresh] == share)
        assert 0.97 < passed[own].mean() < 1
    assert passed[~member].mean() < 0.5
    # Where all members are alike, the multiple of the least cost loses some of them.
    cheapest = _thresholds(labelled, labels, trials, wanted, 0.3, None)
    assert (cheapest[:, 0] > least[:, 0]).all()
    # A classifier that knows nothing refuses nobody.
    blind = np.log(np.stack([shares[contexts], 1 - shares[contexts]], axis=1))
    assert (_thresholds(blind, labels, trials, wanted, 0.3, 0.99) == -np.inf).all()


def test_frequent_cells_are_not_drawn_beyond_what_is_missing(by_prompt: Fitted) -> None:
    """Where each cell is seen half-way, what goes on is kept, but for little."""
    _, requests, _ = by_prompt

    class Shown(ToyTextGenerator):
        def begin(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            cells = MODELS.panel.predict(self.images(codes)).cells
            return cells[:, None].astype(np.float32), super().begin(codes)[1]

    class Seeing:
        stage, steps, passed = 8, 20, 0

        def passes(
            self,
            features: np.ndarray,
            index: np.ndarray,
            contexts: np.ndarray,
            requested: np.ndarray,
            wanted: np.ndarray,
        ) -> np.ndarray:
            found = wanted[contexts, features[:, 0].astype(int)]
            self.passed += int(found.sum())
            return found

    models, seeing = Models(Shown(JOBS, leak=0.9), MODELS.panel), Seeing()
    parts = list(draw_contexts(models, requests, 3, refusal=cast("EarlyRefusal", seeing)))
    assert len(joined(parts, "index")) == requests.counts.sum()
    assert seeing.passed < 1.1 * requests.counts.sum()
