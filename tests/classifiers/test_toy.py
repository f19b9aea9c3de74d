import numpy as np
import pytest

from equipoise.classifiers.toy import ToyClassifier
from equipoise.core.errors import InputError
from equipoise.generators.toy import ToyGenerator


def test_reads_the_truth_exactly(toy: ToyGenerator) -> None:
    codes = toy.prior.codes(11, 0, 5000)
    readings = ToyClassifier(toy).predict(toy.images(codes))
    assert np.array_equal(np.stack([r.levels for r in readings], axis=1), toy.levels(codes))


def test_errs_as_the_matrix_says(toy: ToyGenerator) -> None:
    matrix = np.array([[0.8, 0.15, 0.05], [0.1, 0.85, 0.05], [0.0, 0.3, 0.7]])
    classifier = ToyClassifier(toy, ["skin_tone", "smiling"], confusion={"skin_tone": matrix})
    codes = toy.prior.codes(12, 0, 20_000)
    tone, smiling = classifier.predict(toy.images(codes))
    truth = toy.levels(codes)
    for level in range(3):
        rows = truth[:, 0] == level
        found = np.bincount(tone.levels[rows], minlength=3) / rows.sum()
        slack = 4 * np.sqrt(matrix[level] * (1 - matrix[level]) / rows.sum()) + 1e-9
        assert (np.abs(found - matrix[level]) < slack).all()
    assert np.array_equal(smiling.levels, truth[:, 1])


def test_the_same_image_gets_the_same_answer(toy: ToyGenerator) -> None:
    classifier = ToyClassifier(toy, confusion={"smiling": [[0.6, 0.4], [0.4, 0.6]]}, abstain=0.2)
    images = toy.images(toy.prior.codes(0, 0, 300))
    whole = classifier.predict(images)
    back = classifier.predict(images[::-1])
    for one, other in zip(whole, back, strict=True):
        assert np.array_equal(one.levels, other.levels[::-1])
    assert (whole[0].levels == -1).mean() == pytest.approx(0.2, abs=0.1)


@pytest.mark.parametrize("matrix", [[[0.5, 0.6], [0, 1]], [[1.0]], [[-0.1, 1.1], [0, 1]]])
def test_a_matrix_that_is_none_is_refused(toy: ToyGenerator, matrix: list[list[float]]) -> None:
    with pytest.raises(InputError, match="confusion of attribute 'smiling' must be 2 x 2"):
        ToyClassifier(toy, confusion={"smiling": matrix})


def test_bad_abstention_is_named(toy: ToyGenerator) -> None:
    with pytest.raises(InputError, match=r"abstain must be in \[0, 1\], got 2"):
        ToyClassifier(toy, abstain=2)
