import numpy as np
import pytest

from equipoise.core.attributes import Attribute, AttributeGrid
from equipoise.methods.tilt.held_out import HeldOut

GRID = AttributeGrid((Attribute("smiling", ("no", "yes")), Attribute("tone", ("dark", "light"))))
SHARES = np.log([0.7, 0.2, 0.08, 0.02])


def _codes(n: int, error: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return P(cell | code) of n codes, and what a classifier with some error says of it."""
    rng = np.random.default_rng(seed)
    clear = rng.normal(size=(n, 4)) * 1.5 + SHARES
    said = clear * (1 + error) + error * np.array([0.5, -0.5, 0.5, -0.5])
    return _softmax(clear), _softmax(said)


def _softmax(logits: np.ndarray) -> np.ndarray:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def _requested(rates: np.ndarray, accepted: np.ndarray) -> np.ndarray:
    return (accepted.T @ rates) / accepted.sum(axis=0)[:, None]


def _of_known(rows: np.ndarray) -> np.ndarray:
    return rows[..., :-1] / rows[..., :-1].sum(axis=-1, keepdims=True)


def _errors(error: float, unknown: float, seeds: range) -> tuple[dict[str, float], list[np.bool_]]:
    """Return the mean squared error of three guesses at the confusion, and which intervals hold."""
    squares: dict[str, list[float]] = {"labels": [], "word": [], "corrected": []}
    held = []
    many, many_said = _codes(200_000, error, 999)
    for seed in seeds:
        true, said = _codes(3000, error, seed)
        rng = np.random.default_rng(seed)
        cells = (true.cumsum(axis=1) < rng.random((len(true), 1))).sum(axis=1)
        cells[rng.random(len(cells)) < unknown] = -1
        codes = np.zeros((len(true), 2), np.float32)
        one = HeldOut(GRID, codes, cells, np.ones(len(cells)), np.log(said), seed)
        # A tenth of the members of each cell: of the rarest, six.
        thresholds = one.quantiles(0.9)
        accepted, drawn = (said >= thresholds) * 1.0, (many_said >= thresholds) * 1.0
        word = _requested(many_said, drawn)
        found, resampled = one.corrected_confusion(accepted, word)
        truth = _requested(many, drawn)
        assert np.allclose(found.sum(axis=1), 1)
        for name, guess in (
            ("labels", _of_known(one.confusion(accepted))),
            ("word", word),
            ("corrected", _of_known(found)),
        ):
            squares[name].append(float(np.square(guess - truth).mean()))
        low, high = np.quantile(_of_known(resampled), [0.025, 0.975], axis=0)
        held += list(np.diagonal((low <= truth) & (truth <= high)))
    return {name: float(np.mean(values)) for name, values in squares.items()}, held


@pytest.mark.parametrize("unknown", [0.0, 0.3])
def test_labels_correct_the_latent_classifier_as_far_as_they_are_known(unknown: float) -> None:
    """Where it is right its word is taken; where it errs, labels are; between, the better of both.

    A few labels of a rare cell, chosen by the classifier that they check, are far off.
    """
    right, held = _errors(0.0, unknown, range(20))
    assert right["corrected"] < right["labels"] / 2
    assert np.mean(held) > 0.85
    wrong, held = _errors(0.4, unknown, range(20))
    assert wrong["corrected"] < wrong["labels"]
    assert wrong["corrected"] < wrong["word"]
    assert np.mean(held) > 0.85


def test_the_labels_stand_alone_where_nothing_is_predicted() -> None:
    true, said = _codes(2000, 0.0, 0)
    cells = true.argmax(axis=1)
    one = HeldOut(GRID, np.zeros((2000, 2), np.float32), cells, np.ones(2000), np.log(said), 0)
    accepted = (said >= one.quantiles(0.5)) * 1.0
    accepted[:, 3] = 0
    word = np.full((4, 4), np.nan)
    found, drawn = one.corrected_confusion(accepted, word)
    assert np.array_equal(found, one.confusion(accepted))
    assert np.allclose(drawn, one.confusion(accepted, one.resampled))
    assert not found[3].any()
