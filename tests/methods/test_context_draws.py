"""Labels of edits, and draws of every context, against the text-to-image toy."""

from pathlib import Path

import numpy as np
import pytest

from equipoise.classifiers import open_panel
from equipoise.classifiers.models import Models
from equipoise.core.errors import InputError, InsufficientLabelsError
from equipoise.core.targets import Target
from equipoise.generators import open_generator
from equipoise.generators.toy_text import ToyTextGenerator
from equipoise.methods.context_draws import check_prompted, count_edits, draw_contexts
from equipoise.methods.context_rates import ContextCalibration, calibrate_contexts
from equipoise.samplers.draw import exact_counts

JOBS = ["a photo of a nurse", "a photo of a pilot"]


def models_of(toy: ToyTextGenerator, *attributes: str) -> Models:
    return Models(toy, open_panel(attributes or ("smiling", "skin_tone"), toy))


@pytest.fixture(scope="module")
def models() -> Models:
    return models_of(ToyTextGenerator(JOBS))


@pytest.fixture(scope="module")
def counts(models: Models, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    return count_edits(models, 1200, 0, tmp_path_factory.mktemp("labels"))


@pytest.fixture(scope="module")
def rates(models: Models, counts: np.ndarray) -> ContextCalibration:
    return calibrate_contexts(counts, Target.uniform(models.panel.grid))


def test_each_edit_of_each_context_is_labelled_as_often(models: Models, counts: np.ndarray) -> None:
    """The panel numbers cells otherwise than the toy: edits are found by their cells' names."""
    assert counts.shape == (2, 6, 7)
    assert (counts.sum(axis=2) == 100).all()
    toy, grid = models.generator, models.panel.grid
    assert isinstance(toy, ToyTextGenerator)
    assert toy.grid.cells != grid.cells
    order = [grid.index(cell) for cell in toy.grid.cells]
    truth = toy.cell_shares[:, 1:]
    found = counts[:, order][:, :, order] / 100
    assert np.abs(found - truth).max() < 0.2
    assert np.abs(found - truth).mean() < 0.03


def test_one_shot_draws_keep_all_and_follow_the_rates(
    models: Models, rates: ContextCalibration
) -> None:
    target = Target.uniform(models.panel.grid)
    for part in draw_contexts(models, rates, target, 120):
        own = rates.contexts[part.context].weights
        asked = np.bincount(part.requested, minlength=6)
        assert np.array_equal(asked, exact_counts(Target(target.grid, own), 120))
        assert (part.calls, len(part.images), len(part.rows())) == (120, 120, 120)


def test_verified_draws_have_exact_counts(models: Models, rates: ContextCalibration) -> None:
    target = Target.uniform(models.panel.grid)
    parts = list(draw_contexts(models, rates, target, 60, seed=3, verified=True))
    for part in parts:
        assert np.bincount(part.labels.cells, minlength=6).tolist() == [10] * 6
        assert np.array_equal(part.labels.cells, part.requested)
        assert 60 <= part.calls < 120
        assert len(set(part.index)) == 60
    small = Models(ToyTextGenerator(JOBS, batch_size=7), models.panel)
    again = list(draw_contexts(small, rates, target, 60, seed=3, verified=True))
    for part, other in zip(parts, again, strict=True):
        assert np.array_equal(part.images, other.images)
        assert np.array_equal(part.index, other.index)
    assert parts[0].seed != parts[1].seed


def test_a_cell_that_does_not_come_is_named_with_its_context(rates: ContextCalibration) -> None:
    useless = models_of(ToyTextGenerator(JOBS, leak=1.0))
    target = Target.uniform(useless.panel.grid)
    message = r"cell 'smiling=.*' of context 'a photo of a nurse' must come .* within 3 rounds"
    with pytest.raises(InsufficientLabelsError, match=message):
        list(draw_contexts(useless, rates, target, 60, verified=True, attempts=3))


def test_what_cannot_be_drawn_is_named(models: Models, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"generator must have contexts, .* got toy"):
        check_prompted(open_generator("toy"), models.panel.grid)
    with pytest.raises(InputError, match=r"n must be at least 12, one for each .* got 11"):
        count_edits(models, 11, 0, tmp_path)


def test_an_edit_of_other_attributes_is_named(models: Models, tmp_path: Path) -> None:
    fewer = models_of(ToyTextGenerator(JOBS), "smiling")
    with pytest.raises(InputError, match="cell must name each of smiling once"):
        count_edits(fewer, 100, 0, tmp_path)


def test_a_missing_edit_is_named(models: Models) -> None:
    class Few(ToyTextGenerator):
        edits = ("skin_tone=dark, smiling=no",)

    with pytest.raises(
        InputError, match=r"edits of .* must be one for each cell, got \n  none for"
    ):
        check_prompted(Few(JOBS), models.panel.grid)
