import numpy as np
import pyarrow as pa
import pytest

from equipoise.core.attributes import Attribute, AttributeGrid
from equipoise.core.labels import LabelledCodes, Labels, concatenate, from_table, to_columns

GROUPS = AttributeGrid((Attribute("smiling", ("no", "yes")), Attribute("tone", ("a", "b", "c"))))


def make(n: int, seed: int) -> Labels:
    rng = np.random.default_rng(seed)
    levels = np.stack([rng.integers(-1, 2, n), rng.integers(-1, 3, n)], axis=1).astype(np.int8)
    probabilities = tuple(rng.dirichlet(np.ones(k), n).astype(np.float32) for k in (2, 3))
    return Labels(GROUPS, levels, probabilities, rng.random((n, 2), np.float32))


def test_tables_keep_everything() -> None:
    labels = make(50, 0)
    back = from_table(pa.table(to_columns(labels)), GROUPS)
    assert np.array_equal(back.levels, labels.levels)
    assert np.array_equal(back.scores, labels.scores)
    for one, other in zip(back.probabilities, labels.probabilities, strict=True):
        assert np.array_equal(one, other)
    assert np.array_equal(back.cells, labels.cells)


def test_a_level_is_readable_and_unknown_is_a_word() -> None:
    labels = make(50, 1)
    words = to_columns(labels)["smiling"].to_pylist()
    assert set(words) == {"no", "yes", "unknown"}
    assert [word == "unknown" for word in words] == (labels.levels[:, 0] == -1).tolist()


def test_concatenating_slices_is_the_identity() -> None:
    labels = make(50, 2)
    joined = concatenate([labels.take(slice(0, 20)), labels.take(slice(20, 50))])
    assert np.array_equal(joined.levels, labels.levels)
    assert np.array_equal(joined.probabilities[1], labels.probabilities[1])


def test_effective_numbers_are_kish(toy_labels: Labels) -> None:
    labels = toy_labels.take(slice(0, 100))
    weights = np.arange(1.0, 101.0)
    found = LabelledCodes(np.zeros((100, 1), np.float32), labels, weights).effective()
    for k in range(6):
        own = weights[labels.cells == k]
        assert found[k] == pytest.approx(own.sum() ** 2 / max((own**2).sum(), 1e-300))
