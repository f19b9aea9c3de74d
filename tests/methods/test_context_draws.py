"""Draws of every context, against the text-to-image toy."""

from dataclasses import replace

import numpy as np
import pytest

from equipoise.classifiers import open_panel
from equipoise.classifiers.models import Models
from equipoise.core.errors import FileFormatError, InsufficientLabelsError
from equipoise.core.progress import Execution
from equipoise.generators.toy_text import ToyTextGenerator
from equipoise.methods.context_draws import ContextImages, KeptDraws, draw_contexts
from equipoise.methods.context_proposals import ContextRequests

JOBS = ["a photo of a nurse", "a photo of a pilot"]


def models_of(toy: ToyTextGenerator) -> Models:
    return Models(toy, open_panel(("smiling", "skin_tone"), toy))


def requests_of(
    toy: ToyTextGenerator, counts: int | np.ndarray, *, by_prompt: bool = False, verified: bool
) -> ContextRequests:
    """Return requests with the toy's own shares, in the order of the panel's cells."""
    grid = models_of(toy).panel.grid
    order = [toy.grid.index(cell) for cell in grid.cells]
    own = toy.cell_shares[:, 0][:, order]
    return ContextRequests(
        np.zeros(own.shape, np.int64) + counts, verified, np.full(own.shape, by_prompt), own
    )


def joined(parts: list[ContextImages], name: str) -> np.ndarray:
    return np.concatenate([getattr(part, name) for part in parts])


def cells_of(parts: list[ContextImages]) -> np.ndarray:
    return np.concatenate([part.labels.cells for part in parts])


@pytest.fixture(scope="module")
def models() -> Models:
    return models_of(ToyTextGenerator(JOBS, batch_size=32))


def within_reach(toy: ToyTextGenerator, n: int) -> ContextRequests:
    """Return requests of the prompts themselves for n images of cells that are not rare."""
    found = requests_of(toy, 0, by_prompt=True, verified=True)
    return replace(found, counts=np.where(found.purity > 0.03, n, 0))


@pytest.fixture(scope="module")
def verified(models: Models) -> list[ContextImages]:
    toy = models.generator
    assert isinstance(toy, ToyTextGenerator)
    return list(draw_contexts(models, requests_of(toy, 10, verified=True), 3))


def test_one_shot_draws_keep_all(models: Models) -> None:
    toy = models.generator
    assert isinstance(toy, ToyTextGenerator)
    counts = np.arange(12).reshape(2, 6)
    parts = list(draw_contexts(models, requests_of(toy, counts, verified=False)))
    contexts, asked = joined(parts, "contexts"), joined(parts, "requested")
    found = np.zeros((2, 6))
    np.add.at(found, (contexts, asked), 1)
    assert np.array_equal(found, counts)
    assert (joined(parts, "calls") == 1).all()
    assert sum(len(part.rows()) for part in parts) == 66


def test_verified_draws_have_exact_counts(models: Models, verified: list[ContextImages]) -> None:
    contexts, cells = joined(verified, "contexts"), cells_of(verified)
    assert np.array_equal(cells, joined(verified, "requested"))
    assert np.bincount(contexts * 6 + cells).tolist() == [10] * 12
    assert 120 <= joined(verified, "calls").sum() < 240
    assert len(set(zip(contexts, joined(verified, "index"), strict=True))) == 120
    assert len(set(joined(verified, "seeds"))) == 2
    row = verified[0].rows()[0]
    assert (row["proposal"], row["requested"]) == ("edit", row["achieved"])
    toy = models.generator
    assert isinstance(toy, ToyTextGenerator)
    small = models_of(ToyTextGenerator(JOBS, batch_size=7))
    for other, workers in ((models, 3), (small, 1)):
        again = list(
            draw_contexts(
                other, requests_of(toy, 10, verified=True), 3, execution=Execution(workers)
            )
        )
        for name in ("images", "index", "calls"):
            assert np.array_equal(joined(again, name), joined(verified, name))


@pytest.mark.parametrize("by_prompt", [False, True])
def test_draws_go_on_where_they_stopped(models: Models, by_prompt: bool) -> None:
    toy = models.generator
    assert isinstance(toy, ToyTextGenerator)
    requests = within_reach(toy, 3) if by_prompt else requests_of(toy, 3, verified=True)
    parts = list(draw_contexts(models, requests, 5))
    n = requests.counts.sum()
    names = ("contexts", "index", "requested")
    for stop in (0, 1, 17, n - 6, n - 1, n):
        kept = KeptDraws(*(joined(parts, name)[:stop] for name in names))
        rest = list(draw_contexts(models, requests, 5, kept=kept))
        assert sum(len(part.index) for part in rest) == n - stop
        for name in ("images", "index", "calls") if rest else ():
            assert np.array_equal(joined(rest, name), joined(parts, name)[stop:])
    swapped = KeptDraws(*(joined(parts, name)[[1, 0]] for name in names))
    beyond = KeptDraws(np.array([2]), np.array([0]), np.array([0]))
    alike = KeptDraws(joined(parts, "contexts"), joined(parts, "index"), np.zeros(n, np.int64))
    for wrong in (swapped, beyond, alike):
        with pytest.raises(FileFormatError, match="must have the rows that"):
            list(draw_contexts(models, requests, 5, kept=wrong))


def test_images_of_the_prompt_itself_are_kept_for_any_missing_cell(models: Models) -> None:
    toy = models.generator
    assert isinstance(toy, ToyTextGenerator)
    requests = within_reach(toy, 4)
    parts = list(draw_contexts(models, requests))
    contexts, cells = joined(parts, "contexts"), cells_of(parts)
    assert np.array_equal(np.bincount(contexts * 6 + cells, minlength=12), requests.counts.ravel())
    assert joined(parts, "by_prompt").all()
    assert parts[0].rows()[0]["proposal"] == "prompt"
    # Images for the rarest cell bring those for all others.
    needed = requests.counts / requests.purity
    assert joined(parts, "calls").sum() < 2 * needed.max(axis=1).sum()
    seed, index = joined(parts, "seeds")[-1], joined(parts, "index")[-1]
    code = toy.codes_of(int(seed), int(index), int(index) + 1, int(contexts[-1]))
    assert np.array_equal(toy.images(code)[0], joined(parts, "images")[-1])


def test_a_cell_that_does_not_come_is_named_with_its_context() -> None:
    useless = ToyTextGenerator(JOBS, leak=1.0)
    message = r"cell 'smiling=.*' of context 'a photo of a nurse' must come of its edit within 3 ro"
    with pytest.raises(InsufficientLabelsError, match=message):
        list(draw_contexts(models_of(useless), requests_of(useless, 10, verified=True), attempts=3))
