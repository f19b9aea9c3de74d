from pathlib import Path

import numpy as np
import pytest

from equipoise.audit.label_noise import (
    ReferenceErrors,
    departures,
    error_of_group,
    errors_of_reference,
    read_errors,
    tipping_point,
    true_gap,
)
from equipoise.core.attributes import Attribute, AttributeGrid
from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.estimates import Estimate
from equipoise.core.records import write_record
from equipoise.measure.error_matrix import ErrorMatrix
from equipoise.measure.people.judgement import AnnotationResult

GROUPS = AttributeGrid((Attribute("hat", ("no", "yes")), Attribute("age", ("young", "old"))))


@pytest.mark.parametrize("seed", range(5))
def test_the_true_gap_is_within_its_bounds_however_errors_come_together(seed: int) -> None:
    rng = np.random.default_rng(seed)
    disagree, errors, wrong = [], [], []
    for _ in range(2):
        joint = rng.dirichlet(np.ones(8)).reshape(2, 2, 2)  # truth, reference, model
        truth, reference, model = np.indices((2, 2, 2))
        disagree.append(joint[model != reference].sum())
        errors.append(joint[reference != truth].sum())
        wrong.append(joint[model != truth].sum())
    gap = disagree[0] - disagree[1]
    found = true_gap(Estimate(gap, gap, gap), errors)
    assert found.low - 1e-12 <= wrong[0] - wrong[1] <= found.high + 1e-12


def test_the_tipping_point_explains_the_gap_away() -> None:
    gap = Estimate(0.15, 0.1, 0.2)
    point = tipping_point(gap)
    assert true_gap(gap, [point.low] * 2).low == pytest.approx(0)
    exact = Estimate(0.15, 0.15, 0.15)
    assert true_gap(exact, [tipping_point(exact).value] * 2).low == pytest.approx(0)


def matrix() -> ErrorMatrix:
    answers = ("hat=no, age=young", "hat=yes, age=old", "hat=unknown, age=old")
    counts = np.array([[58, 6, 3], [2, 54, 3]])
    return ErrorMatrix(
        levels=("hat=no", "hat=yes"), answers=answers, meant=np.array([0, 1, -1]), counts=counts
    )


def test_errors_are_counted_by_the_cell_that_was_answered() -> None:
    found = errors_of_reference(matrix(), GROUPS)
    assert found.judged.tolist() == [60, 0, 0, 60]
    assert found.wrong.tolist() == [2, 0, 0, 6]


def test_a_cell_that_nobody_judged_may_be_all_wrong() -> None:
    found = errors_of_reference(matrix(), GROUPS)
    rate, bound = error_of_group(found, "hat=no", [10, 10, 10, 10], 2)
    assert np.isnan(rate)
    assert bound > 0.5
    rate, bound = error_of_group(found, "hat=no", [10, 0, 0, 10], 2)
    assert rate == pytest.approx(2 / 60)


def test_the_bounds_of_all_groups_hold_together() -> None:
    rng, truth = np.random.default_rng(0), np.array([0.02, 0.1, 0.05, 0.3])
    missed = 0
    for _ in range(200):
        errors = ReferenceErrors(GROUPS, rng.binomial(60, truth), np.full(4, 60))
        bounds = [error_of_group(errors, cell, [5] * 4, 4)[1] for cell in GROUPS.cells]
        missed += bool((np.array(bounds) < truth).any())
    assert missed <= 17


def test_judged_images_are_read_from_their_file(tmp_path: Path) -> None:
    path, given = tmp_path / "corrected.json", matrix()
    annotated = AnnotationResult(agreement=(), errors=(given,), corrections=())
    write_record(path, annotated)
    assert read_errors(path, "hat", GROUPS).wrong.tolist() == [2, 0, 0, 6]
    with pytest.raises(FileFormatError, match="no errors of age"):
        read_errors(path, "age", GROUPS)
    with pytest.raises(InputError, match="must name each of"):
        read_errors(path, "hat", AttributeGrid(GROUPS.attributes[:1]))
    for content, rule in (
        ("[]", "must hold an object, got list"),
        ("{", "must be readable JSON"),
        ('{"agreement": [], "errors": [{"levels": 3}]}', "must be a list, got 3"),
        ('{"agreement": [], "errors": [{"levels": ["hat=no"]}]}', "must be there, got none"),
    ):
        path.write_text(content)
        with pytest.raises(FileFormatError, match=f"judged images .*{rule}"):
            read_errors(path, "hat", GROUPS)


def test_departures_of_a_second_reference_are_counted_where_both_answer() -> None:
    truth = np.array([0, 0, 1, 1, -1, 1], np.int8)
    second = np.array([0, 1, 0, 1, 1, -1], np.int8)
    cells = np.array([0, 0, 3, 3, 3, 2])
    found = departures(truth, second, GROUPS, cells, "another")
    assert found.wrong.tolist() == [1, 0, 0, 1]
    assert found.judged.tolist() == [2, 0, 0, 2]
