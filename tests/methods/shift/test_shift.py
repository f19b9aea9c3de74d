import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.generators.toy import ToyGenerator
from equipoise.methods.shift.directions import fit_directions
from equipoise.methods.shift.hyperplanes import Directions
from equipoise.methods.shift.shift import move_to, shift_codes
from tests.methods.shift.test_directions import exact_labels


@pytest.fixture(scope="module")
def entangled() -> ToyGenerator:
    return ToyGenerator(entanglement=0.6)


@pytest.fixture(scope="module")
def directions(entangled: ToyGenerator) -> Directions:
    return fit_directions(entangled.prior.codes(0, 0, 10_000), exact_labels(entangled, 10_000, 0))


@pytest.mark.parametrize("keep_norm", [False, True])
def test_all_coordinates_are_met_at_once(keep_norm: bool) -> None:
    rng = np.random.default_rng(0)
    normals = rng.standard_normal((3, 20))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    codes = rng.standard_normal((50, 20)).astype(np.float32)
    shift, missed = move_to(codes, normals, [1.0, -0.5, 0.25], keep_norm=keep_norm)
    assert np.allclose(shift @ normals.T, [1.0, -0.5, 0.25], atol=1e-5)
    if keep_norm:
        assert missed == 0
        assert np.allclose(np.linalg.norm(shift, axis=1), np.linalg.norm(codes, axis=1), rtol=1e-5)


def test_the_step_is_the_shortest() -> None:
    """It lies in the span of the normals, so it has no part that no normal sees."""
    rng = np.random.default_rng(1)
    normals = np.linalg.qr(rng.standard_normal((10, 2)))[0].T
    codes = rng.standard_normal((5, 10)).astype(np.float32)
    step = move_to(codes, normals, [2.0, 2.0])[0] - codes
    assert np.allclose(step - step @ normals.T @ normals, 0, atol=1e-5)


def test_distance_is_in_deviations_of_the_prior(
    entangled: ToyGenerator, directions: Directions
) -> None:
    """The same directions over a prior half as wide put codes half as far from their boundary."""

    class Half:
        def codes(self, seed: int, start: int, stop: int) -> np.ndarray:
            return entangled.prior.codes(seed, start, stop) / 2

        def log_density(self, codes: np.ndarray) -> None:
            return None

    plane = directions["smiling"].planes[0]
    for cell, levels in enumerate(entangled.grid.levels):
        codes = shift_codes(Half(), directions, cell, distance=2.0, per_cell=20).codes
        side = 1 if levels[entangled.grid.attribute("smiling")] else -1
        assert np.allclose(plane.distance(codes), side, atol=0.05)


def test_a_norm_that_cannot_be_kept_is_counted() -> None:
    shift, missed = move_to(np.float32([[1, 0], [5, 0]]), np.eye(2)[:1], [3.0], keep_norm=True)
    assert missed == 1
    assert np.allclose(shift[:, 0], 3.0)


@pytest.mark.parametrize("distance", [1.0, 3.0])
def test_codes_stand_at_the_distance_on_the_side_of_their_cell(
    entangled: ToyGenerator, directions: Directions, distance: float
) -> None:
    for cell, levels in enumerate(entangled.grid.levels):
        codes = shift_codes(entangled.prior, directions, cell, distance=distance, per_cell=20).codes
        assert codes.shape == (20, entangled.dim)
        for direction, level in zip(directions.directions, levels, strict=True):
            distances = [plane.distance(codes) for plane in direction.planes]
            if level == 0:
                assert np.allclose(distances[0], -distance, atol=1e-4)
            elif level == len(direction.planes):
                assert np.allclose(distances[-1], distance, atol=1e-4)
            else:
                assert np.allclose(codes @ direction.planes[0].normal, direction.peaks[level - 1])


def test_one_vs_rest_stands_on_its_own_positive_side(entangled: ToyGenerator) -> None:
    labels = exact_labels(entangled, 5000, 0)
    found = fit_directions(entangled.prior.codes(0, 0, 5000), labels, multilevel="one-vs-rest")
    for cell, levels in enumerate(entangled.grid.levels):
        codes = shift_codes(entangled.prior, found, cell, distance=2.0, per_cell=20).codes
        for direction, level in zip(found.directions, levels, strict=True):
            if not direction.ordered:
                assert np.allclose(direction.planes[level].distance(codes), 2.0, atol=1e-4)


def test_one_vs_rest_reaches_outer_levels_and_moves_no_code_far() -> None:
    """The inner level of a linear axis has no side of its own, so it is not asked for here."""
    toy = ToyGenerator()
    labels = exact_labels(toy, 10_000, 0)
    found = fit_directions(toy.prior.codes(0, 0, 10_000), labels, multilevel="one-vs-rest")
    for cell in range(toy.grid.size):
        shifted = shift_codes(toy.prior, found, cell, distance=1.5, per_cell=200)
        assert shifted.shift.distance[2] < 3 * np.sqrt(toy.dim)
        achieved = toy.grid.cell_of(toy.levels(shifted.codes))
        if toy.grid.levels[cell][0] != 1:
            assert (achieved == cell).mean() > 0.9, toy.grid.cells[cell]


def test_shifted_codes_have_the_true_attributes(
    entangled: ToyGenerator, directions: Directions
) -> None:
    """Truth, not the hyperplane: outer levels at distance 1 are reached by every code."""
    for cell, levels in enumerate(entangled.grid.levels):
        if levels[0] != 1:
            codes = shift_codes(entangled.prior, directions, cell, distance=1, per_cell=200).codes
            achieved = entangled.grid.cell_of(entangled.levels(codes))
            assert (achieved == cell).mean() > 0.98


def test_the_account_is_true(entangled: ToyGenerator, directions: Directions) -> None:
    shifted = shift_codes(entangled.prior, directions, 11, distance=3.0, per_cell=500)
    shift = shifted.shift
    assert shift.norm_after == pytest.approx(np.linalg.norm(shifted.codes, axis=1).mean())
    assert shift.norm_before == pytest.approx(np.sqrt(entangled.dim), rel=0.03)
    low, middle, high = shift.distance
    assert 0 < low < middle < high
    lost = (shift.norm_after**2 - shift.norm_before**2) / 2
    assert shift.log_density_lost == pytest.approx(lost, rel=0.1)
    kept = shift_codes(entangled.prior, directions, 0, distance=1, keep_norm=True).shift
    assert kept.norm_after == pytest.approx(kept.norm_before, rel=1e-5)
    assert kept.log_density_lost == pytest.approx(0, abs=1e-4)


def test_cells_get_codes_of_their_own(entangled: ToyGenerator, directions: Directions) -> None:
    one = shift_codes(entangled.prior, directions, 0, per_cell=50).codes
    other = shift_codes(entangled.prior, directions, 1, per_cell=50).codes
    free = directions.conditional("smiling")[0]
    assert not np.allclose(one @ free, other @ free)
    again = shift_codes(entangled.prior, directions, 0, per_cell=50).codes
    assert np.array_equal(one, again)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"distance": 0.0}, "distance must be above 0, got 0.0"),
        ({"distance": float("nan")}, "got nan"),
        ({"per_cell": 0}, "per_cell must be a whole number"),
    ],
)
def test_bad_settings_are_named(
    entangled: ToyGenerator, directions: Directions, setting: dict[str, float], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        shift_codes(entangled.prior, directions, 0, **setting)  # type: ignore[arg-type]
