"""Candidates that cells share: the same images as alone, for fewer calls."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ks_2samp

from equipoise.classifiers import ClassifierPanel
from equipoise.classifiers.models import Models
from equipoise.classifiers.toy import ToyClassifier
from equipoise.core.attributes import Attribute, AttributeGrid
from equipoise.core.errors import InsufficientLabelsError
from equipoise.core.estimates import Estimate
from equipoise.core.labels import LabelledCodes, Labels
from equipoise.core.progress import Execution
from equipoise.core.seeds import BLOCK_ROWS
from equipoise.core.targets import Target
from equipoise.generators.toy import ToyGenerator
from equipoise.methods.tilt.fit import fit_tilt
from equipoise.methods.tilt.fit_latent import fit_latent
from equipoise.methods.tilt.rules import EXACT, TYPICAL
from equipoise.samplers.draw import ImageBatch
from equipoise.samplers.export import write_draws
from equipoise.samplers.filling import Filling, Position
from equipoise.samplers.job import DrawJob, DrawRequest
from equipoise.samplers.sampler import GeneratorRef, LatentBatch, Sampler
from equipoise.samplers.shared import SharedCandidates, code_of
from equipoise.samplers.tilt import TiltSource
from equipoise.samplers.verified import SHARED_CODES, exact_counts, verified

MODES = ("0.9", EXACT, TYPICAL)
RAREST = 5


@pytest.fixture(scope="module")
def models(toy: ToyGenerator) -> Models:
    """The toy with a classifier that errs on one smile in five: cells accept the same codes."""
    classifier = ToyClassifier(toy, confusion={"smiling": [[0.8, 0.2], [0.2, 0.8]]})
    return Models(toy, ClassifierPanel([classifier], ["smiling", "skin_tone"]))


@pytest.fixture(scope="module")
def sampler(models: Models) -> Sampler:
    toy, panel = models.generator, models.panel
    codes = toy.prior.codes(5, 0, 1000)
    labelled = LabelledCodes.of_prior(codes, panel.predict(toy.images(codes)))
    target = Target.uniform(panel.grid)
    fit = fit_tilt(toy, fit_latent(toy.stem, labelled, folds=2, members=1), labelled, target)
    reference = GeneratorRef.of(toy)
    return Sampler(reference, target, target.shares, fit.source, statements=fit.verified)


def shared_of(sampler: Sampler, mode: str) -> SharedCandidates:
    found = SharedCandidates.of(sampler.for_verified(mode))
    assert found is not None
    return found


def cells_of(models: Models, codes: np.ndarray) -> np.ndarray:
    return models.panel.predict(models.generator.images(codes)).cells


def kept_of(
    shared: SharedCandidates, models: Models, blocks: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return codes, cells and weights of what is kept of some blocks."""
    parts = []
    for candidates in shared.blocks(3, np.zeros(6, np.int64), blocks * BLOCK_ROWS):
        cells = cells_of(models, candidates.codes)
        rows = np.flatnonzero(candidates.kept(cells))
        parts.append(shared.latents(candidates, rows, cells))
    codes, cells, weights = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("codes", "requested", "weights")
    )
    return codes, cells, weights


def alone(sampler: Sampler, models: Models, mode: str, cell: int) -> tuple[np.ndarray, np.ndarray]:
    """Return codes and weights of draws of one cell that came out."""
    draws = sampler.for_verified(mode).draw(2000, 77, cell=sampler.grid.cells[cell])
    came = cells_of(models, draws.codes) == cell
    return draws.codes[came], draws.weights[came]


@pytest.mark.parametrize("mode", MODES)
def test_images_of_a_cell_are_as_those_drawn_alone_whatever_the_rates(
    toy: ToyGenerator, models: Models, sampler: Sampler, mode: str
) -> None:
    shared = shared_of(sampler, mode)
    off = np.log([1.0, 3.0, 0.5, 2.0, 1.0, 0.4])
    shared = replace(shared, log_rates=shared.log_rates + off)
    codes, cells, weights = kept_of(shared, models, 60)
    for k in range(6):
        expected, their_weights = alone(sampler, models, mode, k)
        own = cells == k
        assert own.sum() > 250
        for values, theirs in (
            *zip(toy.values(codes[own]).T, toy.values(expected).T, strict=True),
            (weights[own], their_weights),
        ):
            assert ks_2samp(values, theirs).pvalue > 1e-4, (k, mode)


def test_as_many_of_each_cell_come_as_are_wanted(models: Models, sampler: Sampler) -> None:
    _, cells, _ = kept_of(shared_of(sampler, EXACT), models, 60)
    shares = np.bincount(cells, minlength=6) / len(cells)
    assert np.abs(shares * 6 - 1).max() < 0.3, shares  # From 1,000 labels.


def drawn(
    sampler: Sampler, models: Models, counts: np.ndarray, *, seed: int = 2, mode: str = EXACT
) -> list[ImageBatch]:
    return list(verified(sampler, models, counts, seed, faithful=mode))


@pytest.mark.parametrize("mode", MODES)
def test_calls_are_as_stated_and_far_fewer_than_alone(
    models: Models, sampler: Sampler, mode: str
) -> None:
    stated = next(one for one in sampler.statements if one.faithful == mode)
    counts = exact_counts(sampler.target, 3000)
    parts = drawn(sampler, models, counts, mode=mode)
    cells = np.concatenate([part.labels.cells for part in parts])
    assert np.bincount(cells, minlength=6).tolist() == counts.tolist()
    assert np.array_equal(cells, np.concatenate([part.latents.requested for part in parts]))
    measured = sum(part.calls for part in parts) / 3000
    error = 2 * np.sqrt(6 / 3000)  # Cells fill by chance.
    assert stated.calls.low * (1 - error) < measured < stated.calls.high * (1 + error)
    by_itself = np.mean([cell.calls.value for cell in stated.cells])
    assert measured < (1 - stated.saved / 2) * by_itself
    assert stated.saved > (0.1 if mode == TYPICAL else 0.3)


def test_draws_go_on_where_they_were_stopped(models: Models, sampler: Sampler) -> None:
    counts = exact_counts(sampler.target, 300)
    whole = drawn(sampler, models, counts)
    index = np.concatenate([part.latents.index for part in whole])
    cells = np.concatenate([part.latents.requested for part in whole])
    assert (index < 0).all()
    for cut in (1, 150, 280, 299):
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
    models: Models, sampler: Sampler, batch: int, workers: int
) -> None:
    counts = exact_counts(sampler.target, 120)
    whole = drawn(sampler, models, counts)
    other = list(
        verified(
            sampler,
            Models(ToyGenerator(batch_size=batch), models.panel),
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


def test_a_draw_is_found_again_by_its_index(models: Models, sampler: Sampler) -> None:
    parts = drawn(sampler, models, exact_counts(sampler.target, 60))
    for part in parts:
        latents = part.latents
        for index, cell, code in zip(latents.index, latents.requested, latents.codes, strict=True):
            found = code_of(
                sampler.for_verified(EXACT), int(index), 2, cell=sampler.grid.cells[cell]
            )
            assert np.array_equal(found, code)


def test_which_images_a_cell_gives_depends_on_no_other_cell(
    models: Models, sampler: Sampler
) -> None:
    whole = drawn(sampler, models, np.full(6, 40))
    for counts in ([40, 0, 0, 0, 0, 40], [7, 5, 40, 1, 0, 12]):
        other = drawn(sampler, models, np.array(counts))
        for k, count in enumerate(counts):
            for name in ("index", "weights"):
                one, two = (of_cell(parts, k, name) for parts in (whole, other))
                assert np.array_equal(one[:count], two), (k, name)


def of_cell(parts: list[ImageBatch], cell: int, name: str) -> np.ndarray:
    """Return what a draw gives of a cell."""
    latents = LatentBatch.concatenate([part.latents for part in parts])
    return np.asarray(getattr(latents, name)[latents.requested == cell])


def test_images_that_serve_full_cells_alone_are_not_counted() -> None:
    """Rows serve two cells; the first is full after two images, and the second given up at ten."""
    grid = AttributeGrid((Attribute("smiling", ("no", "yes")),))
    filling = Filling(grid, np.array([2, 3]), attempts=0)
    cells = np.array([0, -1, 0, 0, 1, 0, -1])
    serves = np.array([[1, 0], [1, 1], [1, 0], [1, 0], [0, 1], [1, 1], [0, 0]], bool)
    rows, calls = filling.take(cells, serves)
    # Rows 0 to 2 fill the first; of the others, 4 and 5 would serve the second.
    assert rows.tolist() == [0, 2, 4] and calls == 5
    assert filling.missing.tolist() == [0, 2] and filling.open.tolist() == [False, True]
    filling.check()
    rows, calls = filling.take(np.full(3000, -1), np.ones((3000, 2), bool))
    assert not len(rows) and calls == 2000 - 3
    with pytest.raises(InsufficientLabelsError, match=r"yes.* 1 of 2,000 calls, a purity of 0.05%"):
        filling.check()


def test_few_images_are_made_in_vain(models: Models, sampler: Sampler) -> None:
    """What is made beyond the calls was under way when a cell became full."""
    made = 0

    class Counting(ToyGenerator):
        def images(self, codes: np.ndarray) -> np.ndarray:
            nonlocal made
            made += len(codes)
            return super().images(codes)

    counting = Models(Counting(batch_size=8), models.panel)
    one = Execution(workers=1)
    # The last cell goes on long after the others, whose candidates lie in the same blocks.
    for counts in ([50] * 6, [10, 10, 10, 10, 10, 60]):
        made = 0
        drawn = list(verified(sampler, counting, counts, 2, faithful=EXACT, execution=one))
        calls = sum(part.calls for part in drawn)
        assert calls <= made < calls + 6 * 3 * 8, (calls, made)


def test_one_cell_and_cells_far_too_rare_or_hardly_wanted_are_drawn_alone(
    models: Models, sampler: Sampler
) -> None:
    request = DrawRequest(20, cell=sampler.grid.cells[RAREST], verified=True, faithful=EXACT)
    single = DrawJob(sampler, models, request)
    assert min(part.latents.index.min() for part in single.batches(single.nothing())) >= 0
    source = sampler.source
    assert isinstance(source, TiltSource)
    mode = source.modes[EXACT]
    for rare, sharing in (([1, 1, 1, 1, 1, 1e-9], 5), ([1, *[1e-9] * 5], 0)):
        other = replace(mode, acceptance=mode.acceptance * rare)
        other_source = replace(source, modes={**source.modes, EXACT: other})
        found = SharedCandidates.of(replace(sampler, source=other_source).for_verified(EXACT))
        assert (found.cells.sum() if found else 0) == sharing
    little = Target(sampler.grid, np.array([0.2, 0.2, 0.2, 0.2, 0.2 - 1e-5, 1e-5]))
    found = SharedCandidates.of(replace(sampler, target=little).for_verified(EXACT))
    assert found and found.cells.tolist() == [True] * 5 + [False]
    assert SharedCandidates.of(replace(sampler, statements=()).for_verified(EXACT)) is None


def test_a_cell_of_which_nothing_is_stated_is_drawn_alone(models: Models, sampler: Sampler) -> None:
    parts = drawn(unknown_rarest(sampler), models, np.full(6, 20))
    latents = LatentBatch.concatenate([part.latents for part in parts])
    assert np.array_equal(latents.index >= 0, latents.requested == RAREST)
    assert np.bincount(latents.requested, minlength=6).tolist() == [20] * 6


def unknown_rarest(sampler: Sampler) -> Sampler:
    """Return the sampler as if the rarest cell had too few labels."""
    none = Estimate.missing("too few")
    statements = tuple(
        replace(mode, cells=(*mode.cells[:RAREST], replace(mode.cells[RAREST], purity=none)))
        for mode in sampler.statements
    )
    return replace(sampler, statements=statements)


def test_a_cell_that_does_not_come_is_named_with_what_came(
    models: Models, sampler: Sampler
) -> None:
    """Whatever the batch: images are delivered up to the limit, and counted."""

    class Blind:
        """Never sees the rarest cell."""

        grid, digest = models.panel.grid, models.panel.digest

        def predict(self, images: np.ndarray) -> Labels:
            labels = models.panel.predict(images)
            return replace(
                labels, levels=np.where(labels.cells[:, None] == RAREST, -1, labels.levels)
            )

    found = []
    for size in (8, 64):
        kept = 0
        blind = Models(ToyGenerator(batch_size=size), Blind())  # type: ignore[arg-type]
        with pytest.raises(InsufficientLabelsError, match=r"yes, skin_tone=light.* must give") as e:
            for part in verified(sampler, blind, [400] * 6, faithful=EXACT, attempts=1):
                kept += len(part.images)
        found.append((kept, str(e.value)))
    assert found[0] == found[1]


def test_a_folder_that_grows_has_the_images_of_one_made_at_once(
    models: Models, sampler: Sampler, tmp_path: Path
) -> None:
    for n, name in ((1, "grown"), (30, "grown"), (90, "grown"), (90, "once")):
        write_draws(sampler, models, DrawRequest(n, verified=True, faithful="0.9"), tmp_path / name)
    grown, once = (column(tmp_path / name) for name in ("grown", "once"))
    assert grown != once and sorted(grown) == sorted(once)
    assert len(set(grown)) == 90 and all(int(index) < 0 for index, _ in grown)


def test_shards_share_no_image(models: Models, sampler: Sampler) -> None:
    seen: list[np.ndarray] = []
    for row in (0, 60, 120):
        start = Position(np.full(6, row * SHARED_CODES), np.full(6, row * 2000))
        parts = list(verified(sampler, models, [10] * 6, faithful="0.9", start=start))
        seen += [part.latents.codes for part in parts]
        assert max(part.latents.index.max() for part in parts) < -row * SHARED_CODES
    assert len(np.unique(np.concatenate(seen), axis=0)) == 180


def column(folder: Path) -> list[tuple[str, str]]:
    """Return index and cell of each image of a folder."""
    with (folder / "metadata.csv").open(newline="") as file:
        return [(row["index"], row["requested"]) for row in csv.DictReader(file)]


def test_a_statement_towards_another_target_costs_no_cell_less_than_alone(
    sampler: Sampler,
) -> None:
    own = sampler.target
    single = Target(own.grid, np.eye(6)[RAREST])
    for mode in sampler.statements:
        assert mode.towards(Target.uniform(own.grid), own) is mode
        other = mode.towards(single, own)
        assert other.cells == mode.cells and other.saved == mode.saved
        assert other.calls.value == mode.cells[RAREST].calls.value
        assert other.calls_per_effective.value == mode.cells[RAREST].calls_per_effective.value
        short = replace(mode, cells=mode.cells[:RAREST])
        assert np.isnan(short.towards(single, own).calls.value)
