"""Candidates that cells share: the same images as alone, for fewer calls."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from scipy.stats import ks_2samp

from equipoise.classifiers import ClassifierPanel
from equipoise.classifiers.models import Models
from equipoise.core.errors import InsufficientLabelsError
from equipoise.core.labels import Labels
from equipoise.core.progress import Execution
from equipoise.core.targets import Target
from equipoise.generators.toy import ToyGenerator
from equipoise.methods.tilt.fit import TiltFit
from equipoise.methods.tilt.rules import EXACT, TYPICAL
from equipoise.samplers.draw import ImageBatch
from equipoise.samplers.sampler import GeneratorRef, Sampler
from equipoise.samplers.shared import Candidates, SharedCandidates, code_of
from equipoise.samplers.tilt import TiltSource
from equipoise.samplers.verified import Position, exact_counts, verified

MODES = ("0.9", EXACT, TYPICAL)
RAREST = 5


@pytest.fixture(scope="module")
def sampler(toy: ToyGenerator, toy_tilt: TiltFit, toy_labels: Labels) -> Sampler:
    target = Target.uniform(toy_labels.grid)
    return Sampler(
        GeneratorRef.of(toy), target, target.shares, toy_tilt.source, statements=toy_tilt.verified
    )


def shared_of(sampler: Sampler, mode: str) -> SharedCandidates:
    found = SharedCandidates.of(sampler.for_verified(mode))
    assert found is not None
    return found


def kept_of(
    shared: SharedCandidates, toy: ToyGenerator, grid_of: Labels, blocks: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Return codes, cells and weights of what is kept of some blocks, and the images made."""
    columns = [toy.grid.attribute(name) for name in grid_of.grid.names]
    parts, made = [], 0
    for candidates in islice(shared.stream(seed), blocks):
        cells = grid_of.grid.cell_of(toy.levels(candidates.codes)[:, columns])
        rows = np.flatnonzero(shared.kept(candidates, cells))
        parts.append(shared.latents(candidates, rows, cells))
        made += len(cells)
    codes, cells, weights = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("codes", "requested", "weights")
    )
    return codes, cells, weights, made


def alone(
    sampler: Sampler, toy: ToyGenerator, mode: str, cell: int, n: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return codes and weights of draws of one cell that came out."""
    draws = sampler.for_verified(mode).draw(n, 77, cell=sampler.grid.cells[cell])
    columns = [toy.grid.attribute(name) for name in sampler.grid.names]
    came = sampler.grid.cell_of(toy.levels(draws.codes)[:, columns]) == cell
    return draws.codes[came], draws.weights[came]


@pytest.mark.parametrize("mode", MODES)
def test_images_of_a_cell_are_as_those_drawn_alone_whatever_the_rates(
    toy: ToyGenerator, sampler: Sampler, toy_labels: Labels, mode: str
) -> None:
    """By rules that accept much, so that cells accept the same codes."""
    source = sampler.source
    assert isinstance(source, TiltSource)
    rule = source.modes[mode].rule
    wide = replace(source.modes[mode], rule=replace(rule, full=rule.full**4, power=rule.power / 4))
    sampler = replace(sampler, source=replace(source, modes={**source.modes, mode: wide}))
    shared = shared_of(sampler, mode)
    off = np.log([1.0, 3.0, 0.5, 2.0, 1.0, 0.4])
    shared = replace(shared, log_rates=shared.log_rates + off)
    codes, cells, weights, _ = kept_of(shared, toy, toy_labels, 60, seed=3)
    for k in range(6):
        expected, their_weights = alone(sampler, toy, mode, k, 1500)
        own = cells == k
        assert own.sum() > 250
        for values, theirs in (  # Every value of the toy decides something of the image.
            *zip(toy.values(codes[own]).T, toy.values(expected).T, strict=True),
            (weights[own], their_weights),
        ):
            assert ks_2samp(values, theirs).pvalue > 1e-4, (k, mode)


def test_as_many_of_each_cell_come_as_are_wanted_and_for_fewer_calls(
    toy: ToyGenerator, sampler: Sampler, toy_labels: Labels
) -> None:
    for mode in sampler.statements:
        shared = shared_of(sampler, mode.faithful)
        _, cells, _, made = kept_of(shared, toy, toy_labels, 100, seed=4)
        shares = np.bincount(cells, minlength=6) / len(cells)
        assert np.abs(shares * 6 - 1).max() < 0.15, (mode.faithful, shares)
        assert made / len(cells) < 1.003 * np.mean([cell.calls.value for cell in mode.cells])


def drawn(
    sampler: Sampler, models: Models, counts: np.ndarray, *, seed: int = 2, mode: str = EXACT
) -> list[ImageBatch]:
    return list(verified(sampler, models, counts, seed, faithful=mode))


@pytest.mark.parametrize("mode", MODES)
def test_stated_calls_hold_for_many_images(
    toy: ToyGenerator, sampler: Sampler, toy_panel: ClassifierPanel, mode: str
) -> None:
    stated = next(one for one in sampler.statements if one.faithful == mode)
    counts = exact_counts(sampler.target, 3000)
    parts = drawn(sampler, Models(toy, toy_panel), counts, mode=mode)
    cells = np.concatenate([part.labels.cells for part in parts])
    assert np.bincount(cells, minlength=6).tolist() == counts.tolist()
    assert np.array_equal(cells, np.concatenate([part.latents.requested for part in parts]))
    measured = sum(part.calls for part in parts) / 3000
    error = 2 * np.sqrt(6 / 3000)  # Cells fill by chance, and what then misses costs more.
    assert stated.calls.low * (1 - error) < measured < stated.calls.high * (1 + error)
    assert stated.saved > 0


def test_draws_go_on_where_they_were_stopped(
    toy: ToyGenerator, sampler: Sampler, toy_panel: ClassifierPanel
) -> None:
    models, counts = Models(toy, toy_panel), exact_counts(sampler.target, 300)
    whole = drawn(sampler, models, counts)
    index = np.concatenate([part.latents.index for part in whole])
    cells = np.concatenate([part.latents.requested for part in whole])
    assert (index < 0).sum() > 200
    for cut in (1, 150, int((index < 0).sum()), 299):
        position = Position.first(sampler.grid)
        for one, cell in zip(index[:cut].tolist(), cells[:cut].tolist(), strict=True):
            position = position.after(one, cell)
        left = counts - np.bincount(cells[:cut], minlength=6)
        rest = list(verified(sampler, models, left, 2, faithful=EXACT, start=position))
        assert np.concatenate([part.latents.index for part in rest]).tolist() == (
            index[cut:].tolist()
        )
        weights = [np.concatenate([p.latents.weights for p in parts]) for parts in (rest, whole)]
        assert np.array_equal(weights[0], weights[1][cut:])


@pytest.mark.parametrize(("batch", "workers"), [(7, 1), (64, 4)])
def test_which_are_kept_depends_on_neither_batch_nor_workers(
    toy: ToyGenerator, sampler: Sampler, toy_panel: ClassifierPanel, batch: int, workers: int
) -> None:
    counts = exact_counts(sampler.target, 120)
    whole = drawn(sampler, Models(toy, toy_panel), counts)
    other = list(
        verified(
            sampler,
            Models(ToyGenerator(batch_size=batch), toy_panel),
            counts,
            2,
            faithful=EXACT,
            execution=Execution(workers=workers),
        )
    )
    for name in ("index", "codes", "weights", "requested"):
        one, two = (
            np.concatenate([getattr(part.latents, name) for part in parts])
            for parts in (whole, other)
        )
        assert np.array_equal(one, two)
    assert sum(part.calls for part in whole) == sum(part.calls for part in other)


def test_a_draw_is_found_again_by_its_index(
    toy: ToyGenerator, sampler: Sampler, toy_panel: ClassifierPanel
) -> None:
    parts = drawn(sampler, Models(toy, toy_panel), exact_counts(sampler.target, 60))
    for part in parts:
        latents = part.latents
        for index, cell, code in zip(latents.index, latents.requested, latents.codes, strict=True):
            found = code_of(
                sampler.for_verified(EXACT), int(index), 2, cell=sampler.grid.cells[cell]
            )
            assert np.array_equal(found, code)


def test_a_stream_begins_anywhere(sampler: Sampler) -> None:
    shared = shared_of(sampler, "0.9")

    def numbers(start: int, most: int) -> list[int]:
        found: list[Candidates] = list(islice(shared.stream(0, start), most))
        return [int(number) for part in found for number in part.number]

    whole = numbers(0, 4)
    for start in (1, 1023, 1024, 1500):
        expected = [number for number in whole if number >= start]
        assert numbers(start, 3)[: len(expected)][:50] == expected[:50]


def test_one_cell_or_one_that_is_far_too_rare_is_drawn_alone(
    toy: ToyGenerator, sampler: Sampler, toy_panel: ClassifierPanel
) -> None:
    models = Models(toy, toy_panel)
    single = np.eye(6, dtype=np.int64)[RAREST] * 20
    assert min(part.latents.index.min() for part in drawn(sampler, models, single)) >= 0
    source = sampler.source
    assert isinstance(source, TiltSource)
    mode = source.modes[EXACT]
    rare = replace(mode, acceptance=mode.acceptance * [1, 1e-9, 1e-9, 1e-9, 1e-9, 1e-9])
    other = replace(sampler, source=replace(source, modes={**source.modes, EXACT: rare}))
    assert SharedCandidates.of(other.for_verified(EXACT)) is None
    assert SharedCandidates.of(replace(sampler, statements=()).for_verified(EXACT)) is None


def test_a_panel_that_never_sees_what_is_wanted_ends_with_the_cell_named(
    toy: ToyGenerator, sampler: Sampler, toy_panel: ClassifierPanel
) -> None:
    class Blind:
        """Says unknown of all."""

        grid, digest = toy_panel.grid, toy_panel.digest

        def predict(self, images: np.ndarray) -> Labels:
            labels = toy_panel.predict(images)
            return replace(labels, levels=np.full_like(labels.levels, -1))

    with pytest.raises(InsufficientLabelsError, match=r"cell 'smiling=no, .* a purity of 0.00%"):
        list(verified(sampler, Models(toy, Blind()), [20] * 6, attempts=5))  # type: ignore[arg-type]
