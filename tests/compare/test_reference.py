from dataclasses import replace

import numpy as np
import pytest

from equipoise.classifiers import ClassifierPanel
from equipoise.classifiers.models import Models
from equipoise.compare.reference import MOST, Pool
from equipoise.core.attributes import AttributeGrid
from equipoise.core.errors import InputError, InsufficientLabelsError
from equipoise.core.targets import Target
from equipoise.generators.toy import ToyGenerator
from equipoise.labelling.collect import collect
from equipoise.measure.features.base import JoinedFeatures
from equipoise.measure.features.offline import PixelFeatures


@pytest.fixture(scope="module")
def pool(
    toy: ToyGenerator, toy_panel: ClassifierPanel, tmp_path_factory: pytest.TempPathFactory
) -> Pool:
    labels = collect(Models(toy, toy_panel), 8000, 5, tmp_path_factory.mktemp("pool")).labels()
    return Pool(toy, labels, 5, 300, JoinedFeatures([PixelFeatures()]))


def test_references_are_balanced_apart_and_truly_so(
    pool: Pool, toy: ToyGenerator, toy_panel: ClassifierPanel
) -> None:
    uniform = Target.uniform(toy_panel.grid)
    count = pool.references(uniform)
    one, *others = (pool.reference(uniform, i) for i in range(count))
    assert 2 <= count <= MOST
    assert len({*one, *np.concatenate(others)}) == count * len(one), "disjoint"
    columns = [toy.grid.attribute(name) for name in toy_panel.grid.names]
    truth = toy_panel.grid.cell_of(toy.levels(pool.codes(one))[:, columns])
    assert np.bincount(truth, minlength=6).tolist() == [50] * 6


def test_a_part_of_the_attributes_can_be_balanced(pool: Pool, toy_panel: ClassifierPanel) -> None:
    smiling = Target.uniform(AttributeGrid(toy_panel.grid.attributes[:1]))
    assert len(pool.reference(smiling, 0)) == 300
    assert pool.calls(smiling) < pool.calls(Target.uniform(toy_panel.grid))


def test_calls_are_those_of_waiting_for_the_rarest_cell(
    pool: Pool, toy_panel: ClassifierPanel
) -> None:
    counts = np.bincount(pool.labels.cells, minlength=6)
    calls = pool.calls(Target.uniform(toy_panel.grid))
    assert calls == pytest.approx(8000 / (6 * counts.min()))
    assert pool.calls(Target(toy_panel.grid, counts)) == pytest.approx(8000 / counts.sum())


def test_references_have_the_target_s_mix(pool: Pool, toy_panel: ClassifierPanel) -> None:
    target = Target(toy_panel.grid, np.array([1, 2, 3, 1, 2, 1]))
    count = pool.references(target)
    assert count >= 2
    for number in range(count):
        cells = pool.labels.cells[pool.reference(target, number)]
        assert np.bincount(cells, minlength=6).tolist() == [30, 60, 90, 30, 60, 30]


def test_a_pool_without_a_cell_is_named(pool: Pool) -> None:
    labels = pool.labels.take(np.flatnonzero(pool.labels.cells != 5))
    with pytest.raises(InsufficientLabelsError, match=r"skin_tone=light' of the pool .* got 0"):
        replace(pool, labels=labels).reference(Target.uniform(labels.grid), 0)


def test_pictures_do_not_depend_on_workers(
    pool: Pool, toy: ToyGenerator, toy_panel: ClassifierPanel
) -> None:
    codes = toy.prior.codes(0, 0, 600)
    one, two = (pool.picture(toy_panel, codes, workers) for workers in (1, 2))
    assert np.array_equal(one.features, two.features)
    assert one.features.shape == (600, 48)
    assert np.array_equal(one.labels.cells, two.labels.cells)


def test_fewer_images_than_cells_are_refused(pool: Pool, toy_panel: ClassifierPanel) -> None:
    with pytest.raises(
        InsufficientLabelsError, match="measure_n must be at least 6, for one image of each of 6"
    ):
        replace(pool, n=5).reference(Target.uniform(toy_panel.grid), 0)


def test_a_cell_that_the_target_does_not_want_is_refused(
    pool: Pool, toy_panel: ClassifierPanel
) -> None:
    with pytest.raises(InputError, match=r"must want every cell to compare, got 0 of 'smiling=no"):
        pool.references(Target(toy_panel.grid, np.array([0, 1, 1, 1, 1, 1])))
