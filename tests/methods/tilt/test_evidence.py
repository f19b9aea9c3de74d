import numpy as np
import pytest

from equipoise.methods.tilt.evidence import PriorSample, difference_estimator_means
from equipoise.samplers.latent_classifier import FOLDS


def truth(coordinates: np.ndarray) -> np.ndarray:
    """Return P(cell | code) of two cells, the second one rare."""
    rare = 1 / (1 + np.exp(3 - 1.5 * coordinates[:, 0]))
    return np.stack([1 - rare, rare], axis=1)


def wrong(coordinates: np.ndarray, fold: int) -> np.ndarray:
    """Return what a member says that errs on its own side."""
    rare = 1 / (1 + np.exp(2 + fold / 2 - coordinates[:, 0] + 0.5 * coordinates[:, 1]))
    return np.stack([1 - rare, rare], axis=1)


def estimates(seed: int, right: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the rare cell's mean by labels alone, and by labels and codes without one."""
    rng = np.random.default_rng(seed)
    fresh, coordinates = rng.standard_normal((20_000, 2)), rng.standard_normal((1500, 2))
    one_hot = np.eye(2)[(rng.random(1500) < truth(coordinates)[:, 1]).astype(int)]
    folds = rng.integers(FOLDS, size=1500)

    def said(rows: np.ndarray, fold: int) -> np.ndarray:
        return truth(rows) if right else wrong(rows, fold)

    members = np.stack([np.log(said(fresh, fold)) for fold in range(FOLDS)]).astype(np.float32)
    held_out = np.stack([said(coordinates[i : i + 1], folds[i])[0] for i in range(1500)])
    seen = PriorSample(fresh.astype(np.float32), fresh, members[0], members)
    found = difference_estimator_means(seen, coordinates, one_hot, held_out, np.ones(1500), folds)
    return coordinates[one_hot[:, 1] > 0].mean(axis=0), found[1]


@pytest.fixture(scope="module")
def expected() -> np.ndarray:
    rng = np.random.default_rng(99)
    many = rng.standard_normal((2_000_000, 2))
    return np.average(many, axis=0, weights=truth(many)[:, 1])


@pytest.mark.parametrize("right", [True, False])
def test_means_are_right_even_where_the_classifier_is_wrong(
    right: bool, expected: np.ndarray
) -> None:
    found = np.array([estimates(seed, right)[1] for seed in range(200)])
    error = found.std(axis=0) / 200**0.5
    assert (np.abs(found.mean(axis=0) - expected) < 3.5 * error + 0.01).all()


def test_codes_without_a_label_take_noise_away(expected: np.ndarray) -> None:
    pairs = [estimates(seed, True) for seed in range(100)]
    by_labels, found = (np.array(means) - expected for means in zip(*pairs, strict=True))
    assert np.square(found).mean() < 0.8 * np.square(by_labels).mean()


def test_a_cell_of_which_nothing_is_known_is_not_a_number() -> None:
    coordinates = np.zeros((3, 1))
    nothing = np.full((FOLDS, 3, 2), -np.inf, np.float32)
    nothing[:, :, 0] = 0
    fresh = PriorSample(np.zeros((3, 1), np.float32), coordinates, nothing[0], nothing)
    one_hot = np.eye(2)[[0, 0, 0]]
    found = difference_estimator_means(
        fresh, coordinates, one_hot, one_hot, np.ones(3), np.arange(3)
    )
    assert np.isnan(found[1]).all()
    assert (found[0] == 0).all()
