import time

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.generators.toy import ToyGenerator


@pytest.mark.parametrize("entanglement", [0.0, 0.3, 0.6])
@pytest.mark.parametrize("curvature", [0.0, 0.8])
def test_cell_shares_are_those_of_the_prior(entanglement: float, curvature: float) -> None:
    toy = ToyGenerator(entanglement=entanglement, curvature=curvature)
    n = 200_000
    cells = toy.grid.cell_of(toy.levels(toy.prior.codes(1, 0, n)))
    found = np.bincount(cells, minlength=toy.grid.size) / n
    slack = 4 * np.sqrt(toy.cell_shares * (1 - toy.cell_shares) / n) + 1e-4
    assert (np.abs(found - toy.cell_shares) < slack).all()


def test_marginals_are_the_chosen_imbalance() -> None:
    toy = ToyGenerator({"a": {"x": 0.87, "y": 0.08, "z": 0.05}, "b": {"n": 0.82, "y": 0.18}})
    assert np.allclose(toy.grid.marginal(toy.cell_shares, "a"), [0.87, 0.08, 0.05], atol=0.004)
    assert np.allclose(toy.grid.marginal(toy.cell_shares, "b"), [0.82, 0.18], atol=0.004)


@pytest.mark.parametrize("entanglement", [0.0, 0.5])
def test_axes_have_the_chosen_cosine(entanglement: float) -> None:
    axes = ToyGenerator(entanglement=entanglement).axes
    cosines = axes @ axes.T
    assert np.allclose(np.diag(cosines), 1)
    assert np.allclose(cosines[~np.eye(3, dtype=bool)], entanglement)


def test_images_are_smooth_in_the_code(toy: ToyGenerator) -> None:
    codes = toy.prior.codes(0, 0, 200)
    step = np.random.default_rng(0).standard_normal(codes.shape).astype(np.float32) * 0.01
    before, after = (toy.images(c).astype(np.int16) for c in (codes, codes + step))
    assert np.abs(before - after).mean() < 2


@pytest.mark.parametrize("size", [1, 7, 64])
def test_truth_does_not_depend_on_batch_size(toy: ToyGenerator, size: int) -> None:
    codes = toy.prior.codes(2, 0, 500)
    whole = toy.values(codes)
    parts = [toy.values(codes[i : i + size]) for i in range(0, 500, size)]
    assert np.array_equal(np.concatenate(parts), whole)


def test_it_makes_thousands_of_images_a_second(toy: ToyGenerator) -> None:
    codes = toy.prior.codes(0, 0, 2048)
    began = time.process_time()
    toy.images(codes)
    assert 2048 / (time.process_time() - began) > 1000


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"entanglement": 1.0}, r"entanglement must be in \[0, 1\), got 1.0"),
        ({"dim": 5}, "dim must be at least 12, got 5"),
        ({"shares": {}}, "must hold 1 to 4 attributes, got 0"),
        ({"shares": {"a": {"x": 0.5, "y": 0.6}}}, "'a' must sum to 1"),
        ({"shares": {"a": {"x": 1.0, "y": 0.0}}}, "each at least 1/255"),
    ],
)
def test_bad_settings_are_named(settings: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        ToyGenerator(**settings)  # type: ignore[arg-type]
