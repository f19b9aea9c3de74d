"""Labels of variants, and what is requested by them, against the text-to-image toy."""

from pathlib import Path

import numpy as np
import pytest

from equipoise.classifiers import open_panel
from equipoise.classifiers.models import Models
from equipoise.core.errors import InputError, InsufficientLabelsError
from equipoise.core.targets import Target
from equipoise.generators import open_generator
from equipoise.generators.toy_text import ToyTextGenerator
from equipoise.methods.context_proposals import (
    VariantLabels,
    check_prompted,
    label_variants,
    never_seen,
    request_edits,
    request_prompts,
)
from equipoise.methods.context_rates import calibrate_contexts
from equipoise.samplers.verified import exact_counts

JOBS = ["a photo of a nurse", "a photo of a pilot"]


def models_of(toy: ToyTextGenerator, *attributes: str) -> Models:
    return Models(toy, open_panel(attributes or ("smiling", "skin_tone"), toy))


@pytest.fixture(scope="module")
def models() -> Models:
    return models_of(ToyTextGenerator(JOBS))


@pytest.fixture(scope="module")
def labels(models: Models, tmp_path_factory: pytest.TempPathFactory) -> VariantLabels:
    return label_variants(models, 1400, 0, tmp_path_factory.mktemp("labels"), "both")


def test_each_variant_of_each_context_is_labelled_as_often(
    models: Models, labels: VariantLabels
) -> None:
    """The panel numbers cells otherwise than the toy: edits are found by their cells' names."""
    counts, own = labels.of_edits(), labels.of_prompts()
    assert (counts.sum(axis=2) == 100).all()
    assert (own.sum(axis=1) == 100).all()
    toy, grid = models.generator, models.panel.grid
    assert isinstance(toy, ToyTextGenerator)
    assert toy.grid.cells != grid.cells
    order = [grid.index(cell) for cell in toy.grid.cells]
    found = np.concatenate([own[:, None, order], counts[:, order][:, :, order]], axis=1) / 100
    assert np.abs(found - toy.cell_shares).max() < 0.2
    assert np.abs(found - toy.cell_shares).mean() < 0.03
    codes = labels.codes(3, 1400)
    assert np.array_equal(codes[:, -2], labels.contexts[3:])
    assert np.array_equal(codes[:, -1] == 0, labels.requested[3:] < 0)


def test_edits_are_requested_by_rates_or_exactly(labels: VariantLabels) -> None:
    target = Target.uniform(labels.labels.grid)
    rates = calibrate_contexts(labels.of_edits(), target)
    for c, one in enumerate(rates.contexts):
        expected = exact_counts(Target(target.grid, one.weights), 120)
        assert np.array_equal(request_edits(rates, target, 120).counts[c], expected)
    assert (request_edits(rates, target, 120, verified=True).counts == 20).all()


def test_both_takes_edits_where_the_prompt_hardly_gives_a_cell(
    models: Models, labels: VariantLabels
) -> None:
    target, toy = Target.uniform(labels.labels.grid), models.generator
    assert isinstance(toy, ToyTextGenerator)
    found = request_prompts(labels, toy.contexts, target, 60, "both")
    order = [models.panel.grid.index(cell) for cell in toy.grid.cells]
    shares = toy.cell_shares[:, 0]
    by_prompt = found.by_prompt[:, order]
    assert by_prompt[shares > 0.1].all()
    assert not by_prompt[shares < 0.02].any()
    assert 0 < by_prompt.sum() < by_prompt.size
    assert request_prompts(labels, toy.contexts, target, 60, "prompt").by_prompt.all()


def test_a_cell_that_a_prompt_never_gives_is_named_with_what_it_needs(
    models: Models, tmp_path: Path
) -> None:
    few = label_variants(models, 2, 0, tmp_path, "prompt")
    rows = np.repeat([0, 1], 2000)
    labels = VariantLabels(rows, rows * 0 - 1, few.labels.take(rows), few.codes, 2)
    target = Target.uniform(models.panel.grid)
    message = r"(?s)cells of prompts must come .* within 200 images.*nurse: .*, at least 543 images"
    with pytest.raises(InsufficientLabelsError, match=message):
        request_prompts(labels, tuple(JOBS), target, 60, "prompt")


def test_what_cannot_be_drawn_is_named(models: Models, tmp_path: Path) -> None:
    grid = models.panel.grid
    with pytest.raises(InputError, match=r"generator must have contexts, .* got toy"):
        check_prompted(open_generator("toy"), grid)
    with pytest.raises(InputError, match=r"proposals must be one of .* got all"):
        check_prompted(models.generator, grid, "all")
    with pytest.raises(InputError, match=r"n must be at least 12, one for each .* got 11"):
        label_variants(models, 11, 0, tmp_path)
    with pytest.raises(InputError, match=r"n must be at least 2, one for each .* prompt, got 1"):
        label_variants(models, 1, 0, tmp_path, "prompt")


def test_an_edit_of_other_attributes_is_named(models: Models, tmp_path: Path) -> None:
    fewer = models_of(ToyTextGenerator(JOBS), "smiling")
    with pytest.raises(InputError, match="cell must name each of smiling once"):
        label_variants(fewer, 100, 0, tmp_path)
    assert check_prompted(fewer.generator, fewer.panel.grid, "prompt")[1].tolist() == [0, 0]


def test_a_missing_edit_is_named(models: Models) -> None:
    class Few(ToyTextGenerator):
        edits = ("skin_tone=dark, smiling=no",)

    with pytest.raises(
        InputError, match=r"edits of .* must be one for each cell, got \n  none for"
    ):
        check_prompted(Few(JOBS), models.panel.grid)


def test_each_context_has_its_own_target(labels: VariantLabels) -> None:
    """Calibrated and exact requests; the truth of what the rates bring is the toy's."""
    grid = labels.labels.grid
    targets = [Target.uniform(grid), Target(grid, np.array([6.0, 2, 1, 1, 1, 1]))]
    rates = calibrate_contexts(labels.of_edits(), targets)
    for one, target in zip(rates.contexts, targets, strict=True):
        assert np.allclose(one.expected, target.shares, atol=0.05)
    exact = request_edits(rates, targets, 120, verified=True).counts
    assert exact.tolist() == [[20] * 6, [60, 20, 10, 10, 10, 10]]
    both = request_prompts(labels, tuple(JOBS), targets, 120, "both")
    assert np.array_equal(both.counts, exact)


def test_wanted_cells_that_no_label_shows_are_named(labels: VariantLabels) -> None:
    target = Target.uniform(labels.labels.grid)
    requests = request_prompts(labels, tuple(JOBS), target, 60, "both")
    assert not never_seen(labels, tuple(JOBS), requests, target)
    fewer = labels.take((labels.contexts != 1) | (labels.labels.cells != 2))
    (found,) = never_seen(fewer, tuple(JOBS), requests, target)
    assert (found.context, found.cell) == (JOBS[1], target.grid.cells[2])
    assert found.calls == pytest.approx(1 / found.most)
    none = Target(target.grid, np.array([1.0, 1, 0, 1, 1, 1]))
    assert not never_seen(fewer, tuple(JOBS), requests, [target, none])
