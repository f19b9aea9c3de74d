from pathlib import Path

import numpy as np
import pytest

from equipoise.core import tables
from equipoise.core.attributes import Attribute, AttributeGrid
from equipoise.core.errors import FileFormatError, InputError
from equipoise.measure.people.judgement import evaluate_annotations, majority, read_ratings
from equipoise.measure.people.task import AnnotationTask

GROUPS = AttributeGrid((Attribute("smiling", ("no", "yes")), Attribute("tone", ("dark", "light"))))
IMAGES = tuple(f"images/{i:04d}.png" for i in range(1, 5))
TASK = AnnotationTask(
    GROUPS,
    np.array([[0, 0], [1, 1]], np.int8),
    np.array([70, 30]),
    IMAGES,
    np.array([0, 0, 1, 1]),
)
HEADER = "image,smiling,tone\n"


def filled(tmp_path: Path, text: str, name: str = "a.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_ratings_are_read_whatever_the_order(tmp_path: Path) -> None:
    path = filled(tmp_path, f"{HEADER}images/0003.png,yes, light \n\nimages/0001.png,,unknown\n")
    assert read_ratings([path], TASK)[0].tolist() == [[-1, -1], [-1, -1], [1, 1], [-1, -1]]


def test_what_spreadsheets_write_is_read(tmp_path: Path) -> None:
    text = "\ufeffimage;smiling;tone;note\r\nimages/0002.png;no;dark;a, b\r\n"
    assert read_ratings([filled(tmp_path, text)], TASK)[0, 1].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEADER + "images/0001.png,Yes,dark\n", "smiling in row 2 .* no, yes, or empty, got Yes"),
        (HEADER + "images/0001.png,no,dark\n" * 2, "image in row 3 .* once, got images/0001.png"),
        (HEADER + "images/0009.png,no,dark\n", "image in row 2 .* one of those exported"),
        (HEADER + "=HYPERLINK(1),no,dark\n", r"row 2 .* got =HYPERLINK\(1\)"),
        (HEADER + "images/0001.png,no\n", "row 2 of .* must have 3 values, got 2"),
        ("image,smiling\nimages/0001.png,no\n", "must have the column 'tone' once, got image, s"),
        ("image,tone,smiling,tone\n", "must have the column 'tone' once"),
        ("", "must have the column 'image' once"),
        (HEADER + f"images/0001.png,{'x' * 200_000},dark\n", "row 2 of .* must be CSV"),
        (HEADER + 'images/0001.png,"no,dark\n', "must be CSV"),
        (HEADER + f"images/0001.png,{'y' * 9999},dark\n", r"got y{58}\.\.\. Correct the word"),
        (HEADER + "images/0001.png,\x1b[2Jno,dark\n", r"got \?\[2Jno"),
    ],
)
def test_bad_tables_name_row_and_value(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(FileFormatError, match=said):
        read_ratings([filled(tmp_path, text)], TASK)


def test_files_are_bounded_and_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "b.csv").write_bytes(HEADER.encode() + b"\xff\xfe\n")
    with pytest.raises(FileFormatError, match="must be UTF-8 text"):
        read_ratings([tmp_path / "b.csv"], TASK)
    monkeypatch.setattr(tables, "LARGEST", 10)
    with pytest.raises(FileFormatError, match="must be under"):
        read_ratings([filled(tmp_path, HEADER)], TASK)
    with pytest.raises(InputError, match="must be a file"):
        read_ratings([tmp_path / "missing.csv"], TASK)
    with pytest.raises(InputError, match="must be at least one"):
        read_ratings([], TASK)


def test_the_majority_decides_and_ties_are_dropped_and_counted() -> None:
    ratings = np.array([[0, 0, 1, -1, 2], [0, 1, 1, -1, 1], [1, -1, 1, -1, 0]], np.int8)
    truth, ties, unrated = majority(ratings, 3)
    assert truth.tolist() == [0, -1, 1, -1, -1]
    assert (ties, unrated) == (2, 1)


def test_the_error_matrix_holds_each_judged_image_once() -> None:
    first = np.array([[0, 0], [1, 0], [1, 1], [1, -1]], np.int8)
    second = np.array([[0, 0], [1, 0], [1, 0], [1, -1]], np.int8)
    judged = evaluate_annotations(TASK, np.stack([first, second]))
    smiling, tone, cells = judged.errors
    assert smiling.counts.tolist() == [[1, 0], [1, 2]]
    assert tone.counts.tolist() == [[2, 0], [0, 0]]
    assert cells.counts.tolist() == [[1, 0], [0, 0], [1, 0], [0, 0]]
    assert smiling.answers == ("smiling=no, tone=dark", "smiling=yes, tone=light")
    assert judged.agreement[0].kappa == judged.agreement[0].alpha == 1
    assert (judged.agreement[1].ties, judged.agreement[1].unrated) == (1, 1)
    assert judged.corrections[0].shares[0].share == pytest.approx(0.35)
    assert judged.errors[1].tied.tolist() == [0, 1]  # type: ignore[union-attr]
    assert judged.corrections[1].status == "bounds"
    assert "raters disagree: 1 ties" in judged.corrections[1].reason
    assert judged.corrections[2].status == "bounds"


def test_one_attribute_has_no_cells_apart_and_one_rater_no_agreement() -> None:
    grid = AttributeGrid((GROUPS.attributes[0],))
    task = AnnotationTask(grid, np.array([[0]], np.int8), np.array([9]), IMAGES[:1], np.array([0]))
    judged = evaluate_annotations(task, np.array([[[0]]], np.int8))
    assert len(judged.errors) == 1
    assert (judged.agreement[0].kappa, judged.agreement[0].alpha) == (None, None)


def test_nobody_rated_is_not_applicable() -> None:
    judged = evaluate_annotations(TASK, np.full((2, 4, 2), -1, np.int8))
    assert {c.status for c in judged.corrections} == {"not applicable"}


def test_shares_by_raters_cover_the_truth_of_a_stratified_sample() -> None:
    """The whole path over seeds: uneven cells, a tenth wrong on each attribute, three raters."""
    rng = np.random.default_rng(5)
    shares = np.array([0.7, 0.15, 0.1, 0.05])
    held = []
    for seed in range(100):
        truth = GROUPS.levels[rng.choice(4, 3000, p=shares)]
        said = np.where(rng.random(truth.shape) < 0.1, 1 - truth, truth).astype(np.int8)
        answers, stratum = np.unique(said, axis=0, return_inverse=True)
        rows = np.concatenate(
            [rng.permutation(np.flatnonzero(stratum.ravel() == s))[:60] for s in range(4)]
        )
        names = tuple(str(row) for row in rows)
        task = AnnotationTask(
            GROUPS, answers, np.bincount(stratum.ravel()), names, stratum.ravel()[rows]
        )
        ratings = np.stack([truth[rows]] * 3).astype(np.int8)
        found = evaluate_annotations(task, ratings, seed=seed).corrections
        held.append(
            [
                all(s.low <= p <= s.high for s, p in zip(c.shares, true, strict=True))
                for c, true in zip(found, ([0.85, 0.15], [0.8, 0.2], shares), strict=True)
            ]
        )
    assert np.mean(held, axis=0).min() >= 0.9


ERRORS = np.array([0.03, 0.3, 0.03, 0.1])
"""Chance that a rater errs on the first attribute, by true cell."""


@pytest.mark.parametrize(("raters", "each"), [(2, 60), (2, 200), (3, 60), (3, 200)])
def test_raters_whose_errors_differ_by_cell_are_never_believed(raters: int, each: int) -> None:
    """Either the intervals cover the truth, or the status is not "corrected"; bounds cover too."""
    rng = np.random.default_rng(6)
    shares = np.array([0.4, 0.3, 0.2, 0.1])
    corrected, held = 0, []
    for seed in range(25):
        cells = rng.choice(4, 4000, p=shares)
        truth = GROUPS.levels[cells]
        said = np.where(rng.random(truth.shape) < 0.1, 1 - truth, truth).astype(np.int8)
        answers, stratum = np.unique(said, axis=0, return_inverse=True)
        stratum = stratum.ravel()
        rows = np.concatenate(
            [rng.permutation(np.flatnonzero(stratum == s))[:each] for s in range(4)]
        )
        task = AnnotationTask(
            GROUPS, answers, np.bincount(stratum), tuple(map(str, rows)), stratum[rows]
        )
        ratings = np.repeat(truth[rows][None], raters, axis=0).astype(np.int8)
        wrong = rng.random((raters, len(rows))) < ERRORS[cells[rows]]
        ratings[..., 0] = np.where(wrong, 1 - ratings[..., 0], ratings[..., 0])
        found = evaluate_annotations(task, ratings, seed=seed).corrections[0]
        corrected += found.status == "corrected"
        held.append(found.shares[0].low <= 0.7 <= found.shares[0].high)
    assert corrected == 0
    assert np.mean(held) >= 0.9


def test_what_raters_disagree_implies_is_stated() -> None:
    rng = np.random.default_rng(7)
    wrong = rng.random((3, 4000)) < 0.1
    task = AnnotationTask(
        AttributeGrid((GROUPS.attributes[0],)),
        np.array([[0]], np.int8),
        np.array([9000]),
        tuple(map(str, range(4000))),
        np.zeros(4000, np.int64),
    )
    found = evaluate_annotations(task, wrong[..., None].astype(np.int8)).agreement[0]
    assert found.implied_error == pytest.approx(0.1, abs=0.01)


def test_agreement_is_shown_by_tone() -> None:
    tones = Attribute("skin_tone", ("dark", "light"), ordered=True)
    task = AnnotationTask(
        AttributeGrid((Attribute("smiling", ("no", "yes")), tones)),
        np.array([[0, 0], [1, 1]], np.int8),
        np.array([50, 50]),
        tuple(f"images/{i:04d}.png" for i in range(8)),
        np.repeat([0, 1], 4),
    )
    smiles = np.array([[0, 0, 1, 1, 0, 1, 0, 1], [0, 1, 1, 0, 0, 1, 0, -1]], np.int8)
    ratings = np.stack([smiles, np.repeat([[0, 1]], 4, axis=1).repeat(2, axis=0)], axis=2)
    smiling, tone = evaluate_annotations(task, ratings).agreement
    dark, light = smiling.by_tone
    assert (dark.tone, dark.rated_twice, dark.agreement.value) == ("skin_tone=dark", 4, 0.5)
    assert (dark.agreement.low, dark.agreement.high) == (0.0, 1.0)
    assert (light.tone, light.rated_twice, light.agreement.value) == ("skin_tone=light", 3, 1.0)
    assert light.alpha == 1.0
    assert [one.agreement.value for one in tone.by_tone] == [1.0, 1.0]
    assert evaluate_annotations(task, ratings[:1]).agreement[0].by_tone == ()
    assert evaluate_annotations(TASK, np.zeros((2, 4, 2), np.int8)).agreement[0].by_tone == ()


def test_pairs_of_ratings_on_an_ordered_scale_agree_exactly_or_within_one_level() -> None:
    tones = Attribute("monk", tuple(map(str, range(1, 11))), ordered=True)
    task = AnnotationTask(
        AttributeGrid((tones,)),
        np.array([[0]], np.int8),
        np.array([50]),
        tuple(f"images/{i:04d}.png" for i in range(4)),
        np.zeros(4, np.int64),
    )
    ratings = np.array([[0, 3, 5, 9], [0, 4, 9, -1], [1, 4, 5, -1]], np.int8)[..., None]
    (found,) = evaluate_annotations(task, ratings).agreement
    # Pairs of the first three images: 1, 1 and 1 of 3 are equal; 3, 3 and 1 of 3 are near.
    assert found.exact is not None
    assert found.exact.value == pytest.approx(1 / 3)
    assert found.within_one is not None
    assert found.within_one.value == pytest.approx(7 / 9)
    assert found.within_one.high == 1.0
    smiling = evaluate_annotations(TASK, np.zeros((2, 4, 2), np.int8)).agreement[0]
    assert smiling.exact is not None
    assert (smiling.exact.value, smiling.within_one) == (1.0, None)
