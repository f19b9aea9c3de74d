"""Corrected shares against simulated truth: coverage, bias, and the edges."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from equipoise.core.attributes import Attribute, AttributeGrid
from equipoise.core.errors import InputError
from equipoise.measure.correction import Correction, Given, correct
from equipoise.measure.error_matrix import ErrorMatrix
from tests.builders.cleam import cleam

REPETITIONS = 400
DRAWS = 800


def names(size: int) -> tuple[str, ...]:
    return tuple(f"level {k}" for k in range(size))


def truth_of(rng: np.random.Generator, size: int, error: float) -> tuple[NDArray, NDArray]:
    """Return true shares, (K,), and P(answer | true), (K, K), confused unevenly."""
    rates = np.eye(size) * (1 - error)
    for k in range(size):
        rates[k, np.arange(size) != k] = error * rng.dirichlet(np.ones(size - 1))
    return rng.dirichlet(np.full(size, 2.0)), rates


def repetition(
    rng: np.random.Generator, given: Given, size: int, error: float, n: int, judged: int
) -> tuple[NDArray, Correction]:
    """Return true shares, and what is told of n images and `evaluated` ones a row or a column."""
    shares, rates = truth_of(rng, size, error)
    answered = shares @ rates
    if given == "answer":
        columns = [rng.multinomial(judged, p) for p in (shares[:, None] * rates / answered).T]
        table = np.stack(columns, axis=1)
    else:
        table = np.stack([rng.multinomial(judged, row) for row in rates])
    errors = ErrorMatrix.of_levels(names(size), table)
    counts = rng.multinomial(n, answered)
    return shares, correct(counts, errors, given, seed=int(rng.integers(2**31)), draws=DRAWS)


def covered(shares: NDArray, found: Correction) -> tuple[bool, bool]:
    """Return whether all corrected, and all raw, intervals hold the truth."""
    low, high, raw_low, raw_high = np.array(
        [(s.low, s.high, s.raw.low, s.raw.high) for s in found.shares]
    ).T
    return bool(((low <= shares) & (shares <= high)).all()), bool(
        ((raw_low <= shares) & (shares <= raw_high)).all()
    )


@pytest.mark.parametrize(
    ("given", "size", "error", "judged"),
    [
        ("answer", 2, 0.03, 100),
        ("answer", 2, 0.10, 100),
        ("answer", 3, 0.20, 100),
        ("answer", 6, 0.10, 60),
        ("answer", 12, 0.05, 60),
        ("truth", 2, 0.10, 100),
        ("truth", 3, 0.20, 100),
        ("truth", 6, 0.03, 60),
        ("truth", 6, 0.10, 60),
        ("truth", 12, 0.10, 60),
    ],
)
def test_simultaneous_intervals_cover_and_raw_ones_do_not(
    given: Given, size: int, error: float, judged: int
) -> None:
    """A stated 95 % that is not met is worth nothing; the raw interval knows sampling alone."""
    rng = np.random.default_rng(7)
    runs = [repetition(rng, given, size, error, 4000, judged) for _ in range(REPETITIONS)]
    assert {found.status for _, found in runs} == {"corrected"}
    corrected, raw = np.mean([covered(*run) for run in runs], axis=0)
    assert 0.93 <= corrected <= 0.98
    assert raw < 0.65


def test_a_plain_random_sample_of_judged_images_covers_as_well() -> None:
    rng = np.random.default_rng(8)
    held = []
    for _ in range(REPETITIONS):
        shares, rates = truth_of(rng, 3, 0.1)
        joint = shares[:, None] * rates
        table = rng.multinomial(400, joint.ravel()).reshape(3, 3)
        counts = rng.multinomial(4000, joint.sum(axis=0))
        errors = ErrorMatrix.of_levels(names(3), table)
        held.append(covered(shares, correct(counts, errors, "answer", draws=DRAWS))[0])
    assert 0.93 <= np.mean(held) <= 0.98


@pytest.mark.parametrize("given", ["answer", "truth"])
def test_a_classifier_that_errs_on_a_tenth_is_corrected_to_a_tenth_of_its_bias(
    given: Given,
) -> None:
    rng = np.random.default_rng(3)
    shares, rates = np.array([0.9, 0.1]), np.array([[0.9, 0.1], [0.1, 0.9]])
    joint = shares[:, None] * rates
    raw, corrected = [], []
    for _ in range(200):
        table = rng.multinomial(1000, joint.ravel()).reshape(2, 2)
        counts = rng.multinomial(10_000, joint.sum(axis=0))
        found = correct(counts, ErrorMatrix.of_levels(names(2), table), given, draws=100)
        raw.append(found.shares[0].raw.share)
        corrected.append(found.shares[0].share)
    assert np.mean(raw) - 0.9 == pytest.approx(-0.08, abs=0.001)
    assert abs(np.mean(corrected) - 0.9) <= abs(np.mean(raw) - 0.9) / 10


def test_judged_images_of_other_shares_mislead_given_the_answer() -> None:
    """Judged on 50/50 photographs, asked of 90/10 images: the assumption is what decides."""
    errors = ErrorMatrix.of_levels(names(2), [[900, 100], [100, 900]])
    by_truth = correct([8200, 1800], errors, "truth").shares[0]
    by_answer = correct([8200, 1800], errors, "answer").shares[0]
    assert by_truth.low < 0.9 < by_truth.high
    assert by_answer.high < 0.9


def test_a_classifier_that_guesses_leaves_bounds_given_the_truth_only() -> None:
    errors = ErrorMatrix.of_levels(names(2), [[140, 140], [60, 60]])
    given_answer = correct([500, 500], errors, "answer")
    assert given_answer.status == "corrected"
    assert given_answer.shares[0].share == pytest.approx(0.7)
    given_truth = correct([500, 500], errors, "truth")
    assert given_truth.status == "bounds"
    assert "do not separate" in given_truth.reason
    assert given_truth.condition == np.inf or given_truth.condition > 1e6
    assert np.isnan(given_truth.shares[0].share)
    assert (given_truth.shares[0].low, given_truth.shares[0].high) == (0, 1)


def test_bounds_are_kept_by_the_truth_and_tell_what_is_known() -> None:
    """Levels 0 and 1 are confused wholly, level 2 never: it alone is told narrowly."""
    rates = np.array([[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 0, 1]])
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(50):
        shares = rng.dirichlet(np.ones(3))
        table = np.stack([rng.multinomial(200, row) for row in rates])
        found = correct(
            rng.multinomial(4000, shares @ rates), ErrorMatrix.of_levels(names(3), table), "truth"
        )
        assert found.status == "bounds"
        held += covered(shares, found)[0]
        assert found.shares[2].high - found.shares[2].low < 0.15
    assert held >= 47


def test_answers_that_no_shares_can_give_are_not_applicable() -> None:
    """The classifier confuses less than a tenth of either level, and answers 0 never."""
    errors = ErrorMatrix.of_levels(names(2), [[900, 100], [200, 800]])
    found = correct([1000, 9000], errors, "truth")
    assert found.status == "not applicable"
    assert "errs otherwise on these images" in found.reason
    guess = ErrorMatrix.of_levels(names(2), [[500, 500], [500, 500]])
    assert correct([9000, 1000], guess, "truth").status == "not applicable"


def test_one_cell_has_share_one() -> None:
    errors = ErrorMatrix.of_levels(("all",), [[5]])
    for given in ("answer", "truth"):
        found = correct([10], errors, given)
        share = found.shares[0]
        assert (found.status, share.share, share.low, share.high) == ("corrected", 1, 1, 1)


@pytest.mark.parametrize("given", ["answer", "truth"])
def test_one_image_has_wide_intervals(given: Given) -> None:
    errors = ErrorMatrix.of_levels(names(2), [[90, 10], [10, 90]])
    found = correct([1, 0], errors, given)
    assert found.status == "corrected"
    assert found.shares[0].low < 0.5
    assert found.shares[0].high > 0.9
    assert sum(s.share for s in found.shares) == pytest.approx(1)


def test_one_judged_image_leaves_nearly_everything_open() -> None:
    found = correct([1000, 0], ErrorMatrix.of_levels(names(2), [[1, 0], [0, 0]]), "answer")
    assert found.status == "corrected"
    assert found.shares[0].low < 0.3
    assert found.shares[0].high == pytest.approx(1)


def test_unknown_is_an_answer_that_is_judged_like_others() -> None:
    errors = ErrorMatrix.of_levels(names(2), [[95, 5, 20], [5, 95, 80]])
    found = correct([400, 400, 200], errors, "answer")
    assert found.shares[0].share == pytest.approx(0.4 * 0.95 + 0.4 * 0.05 + 0.2 * 0.2)
    assert (found.n, found.shares[0].raw.n) == (1000, 800)


def test_all_unknown() -> None:
    judged = ErrorMatrix.of_levels(names(2), [[0, 0, 40], [0, 0, 60]])
    found = correct([0, 0, 500], judged, "answer")
    assert found.status == "corrected"
    assert found.shares[0].share == pytest.approx(0.4)
    assert np.isnan(found.shares[0].raw.share)
    other = ErrorMatrix.of_levels(names(2), [[90, 10, 0], [10, 90, 0]])
    for given in ("answer", "truth"):
        assert correct([0, 0, 500], other, given).status == "not applicable"


def test_an_answer_that_was_not_judged_leaves_its_share_open() -> None:
    errors = ErrorMatrix.of_levels(names(2), [[950, 0, 0], [50, 0, 0]])
    found = correct([6000, 3000, 1000], errors, "answer")
    assert found.status == "bounds"
    assert "level 1, unknown, 4000 images" in found.reason
    low, high = found.shares[0].low, found.shares[0].high
    assert low == pytest.approx(0.57, abs=0.03)
    assert high == pytest.approx(0.97, abs=0.02)


def test_unknown_that_was_not_judged_is_left_out_given_the_truth_and_said() -> None:
    errors = ErrorMatrix.of_levels(names(2), [[90, 10, 0], [10, 90, 0]])
    found = correct([500, 500, 7], errors, "truth")
    assert found.status == "corrected"
    assert "7 images without an answer" in found.reason


def test_empty_cells_have_a_bound_above() -> None:
    """No image was answered, and none judged, to be of levels 2 and 3: at most a few are."""
    table = np.zeros((4, 4), int)
    table[:2, :2] = [[95, 5], [5, 95]]
    found = correct([500, 500, 0, 0], ErrorMatrix.of_levels(names(4), table), "answer")
    assert found.status == "corrected"
    for share in found.shares[2:]:
        assert (share.share, share.low) == (0, 0)
        assert 0 < share.high < 0.05
    missing = correct([500, 500, 0, 0], ErrorMatrix.of_levels(names(4), table), "truth")
    assert missing.status == "not applicable"
    assert "judged to be level 2, level 3" in missing.reason
    assert missing.condition is None


def test_no_images_and_no_judgements_are_not_applicable() -> None:
    errors = ErrorMatrix.of_levels(names(2), [[90, 10], [10, 90]])
    found = correct([0, 0], errors, "answer")
    assert (found.status, found.reason) == ("not applicable", "there are no images")
    assert np.isnan(found.shares[0].low)
    nobody = ErrorMatrix.of_levels(names(2), np.zeros((2, 2), int))
    assert correct([5, 5], nobody, "truth").status == "not applicable"


def test_answers_finer_than_levels_keep_a_sample_by_cell_right() -> None:
    """Twenty judged of each cell, though cells are uneven; pooling them by level would mislead."""
    meant = np.array([0, 0, 1, 1])
    table = np.array([[20, 10, 0, 10], [0, 10, 20, 10]])
    errors = ErrorMatrix(
        levels=names(2),
        answers=("0 dark", "0 light", "1 dark", "1 light"),
        meant=meant,
        counts=table,
    )
    found = correct([8000, 1000, 900, 100], errors, "answer")
    assert found.shares[0].share == pytest.approx(0.8 + 0.05 + 0 + 0.005)
    assert found.shares[0].raw.share == 0.9
    assert errors.by_meaning().tolist() == [[30, 10, 0], [10, 30, 0]]


def test_the_condition_does_not_depend_on_how_many_of_each_answer_were_judged() -> None:
    """P(answer | true) here is [[.9, .1], [.1, .9]], of condition 1.25."""
    joint = np.array([[8100, 900], [100, 900]])
    thinned = ErrorMatrix.of_levels(names(2), joint // [41, 1])
    whole = ErrorMatrix.of_levels(names(2), joint)
    counts = joint.sum(axis=0)
    assert correct(counts, whole, "truth").condition == pytest.approx(1.25)
    assert correct(counts, whole, "answer").condition == pytest.approx(1.25)
    assert correct(counts, thinned, "answer").condition == pytest.approx(1.25, rel=0.05)
    assert correct(counts, thinned, "truth").condition > 2


def test_the_same_seed_tells_the_same() -> None:
    errors = ErrorMatrix.of_levels(names(2), [[90, 10], [10, 90]])
    first, again = (correct([700, 300], errors, "answer", seed=4) for _ in range(2))
    assert first == again
    assert first != correct([700, 300], errors, "answer", seed=5)


def test_bad_input_is_named() -> None:
    errors = ErrorMatrix.of_levels(names(2), [[90, 10], [10, 90]])
    with pytest.raises(InputError, match="given must be answer or truth, got rows"):
        correct([1, 2], errors, "rows")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"counts must have one number an answer, 2, got shape"):
        correct([1, 2, 3], errors, "answer")
    with pytest.raises(InputError, match="counts of the images must be whole numbers"):
        correct([1, -2], errors, "answer")
    with pytest.raises(InputError, match="counts of the error matrix must be whole numbers"):
        ErrorMatrix.of_levels(names(2), [[0.5, 1], [1, 1]])
    with pytest.raises(InputError, match=r"must have shape \(2, 2\), or \(2, 3\)"):
        ErrorMatrix.of_levels(names(2), [[1, 2]])
    with pytest.raises(InputError, match=r"meaning of an answer must be in -1..1, got \[0, 2\]"):
        ErrorMatrix(
            levels=names(2),
            answers=names(2),
            meant=np.array([0, 2]),
            counts=np.ones((2, 2), np.int64),
        )


def test_cleam_is_the_limit_of_many_judged_images() -> None:
    rng = np.random.default_rng(1)
    counted = rng.binomial(1000, 0.82, 30) / 1000
    theirs = cleam(counted, (0.9, 0.9))
    many = ErrorMatrix.of_levels(names(2), [[9_000_000, 1_000_000], [1_000_000, 9_000_000]])
    total = round(counted.sum() * 1000)
    ours = correct([total, 30_000 - total], many, "truth").shares[0]
    assert ours.share == pytest.approx(theirs.share, abs=1e-3)
    assert ours.high - ours.low == pytest.approx(theirs.high - theirs.low, rel=0.35)


def test_cleam_leaves_out_who_was_judged() -> None:
    """Accuracies measured on 100 images a level: its interval misses, ours does not."""
    rng = np.random.default_rng(2)
    theirs, ours = [], []
    for _ in range(200):
        right = rng.binomial(100, 0.9, 2)
        counted = rng.binomial(400, 0.82, 30)
        found = cleam(counted / 400, tuple(right / 100))
        theirs.append(found.low <= 0.9 <= found.high)
        table = [[right[0], 100 - right[0]], [100 - right[1], right[1]]]
        total = int(counted.sum())
        share = correct(
            [total, 12_000 - total], ErrorMatrix.of_levels(names(2), table), "truth", draws=800
        ).shares[0]
        ours.append(share.low <= 0.9 <= share.high)
    assert np.mean(theirs) < 0.6
    assert 0.92 <= np.mean(ours) <= 0.99


def test_cleam_refuses_what_tells_nothing() -> None:
    with pytest.raises(InputError, match="at least two shares"):
        cleam([0.5], (0.9, 0.9))
    with pytest.raises(InputError, match=r"do not sum to 1, got \(0.4, 0.6\)"):
        cleam([0.5, 0.6], (0.4, 0.6))


def test_the_example_of_the_page_prints_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    text = (Path(__file__).parents[2] / "docs" / "measuring.md").read_text()
    code = text.split("```python\n")[1].split("```")[0]
    exec(code, {})
    said = [line.removeprefix("# ") for line in code.splitlines() if ": counted" in line]
    assert capsys.readouterr().out.splitlines() == [line for line in said if "print" not in line]


def _judged(rng: np.random.Generator, dark: float, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return truth and answers on smiling and tone: smiles of dark faces are missed more often."""
    truth = np.column_stack([rng.random(n) < 0.4, rng.random(n) >= dark]).astype(np.int64)
    missed = np.where(truth[:, 1] == 0, 0.4, 0.05)
    wrong = rng.random(n) < np.where(truth[:, 0] == 1, missed, 0.05)
    return truth, np.column_stack([np.where(wrong, 1 - truth[:, 0], truth[:, 0]), truth[:, 1]])


def test_errors_measured_on_another_mix_are_not_used_where_they_depend_on_it() -> None:
    grid = AttributeGrid(
        (Attribute("smiling", ("no", "yes")), Attribute("tone", ("dark", "light")))
    )
    covered = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        truth, answers = _judged(rng, 0.1, 2000)
        _, here = _judged(rng, 0.9, 5000)
        counts = np.bincount(here[:, 0], minlength=3)
        table = ErrorMatrix.of_attribute(grid, "smiling", truth, answers)
        found = correct(counts, table, "truth", seed=seed)
        assert found.status == "not applicable"
        assert "errors depend on other attributes" in found.reason
        # The cells' errors are the same in both mixes.
        confusion = np.zeros((4, 4), np.int64)
        np.add.at(confusion, (grid.cell_of(truth), grid.cell_of(answers)), 1)
        cells = correct(
            np.bincount(grid.cell_of(here), minlength=4),
            ErrorMatrix.of_levels(grid.cells, confusion),
            "truth",
            seed=seed,
        )
        assert "assumes that errors on each true level" in cells.reason
        true = np.outer([0.6, 0.4], [0.9, 0.1]).ravel()
        covered.append(all(s.low <= p <= s.high for s, p in zip(cells.shares, true, strict=True)))
    assert np.mean(covered) >= 0.8, "95 %, and 3 deviations of 20 runs"


def test_errors_that_do_not_depend_on_others_are_used() -> None:
    grid = AttributeGrid(
        (Attribute("smiling", ("no", "yes")), Attribute("tone", ("dark", "light")))
    )
    rejected = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        truth = rng.integers(2, size=(800, 2))
        said = np.where(rng.random((800, 2)) < 0.1, 1 - truth, truth)
        table = ErrorMatrix.of_attribute(grid, "smiling", truth, said)
        rejected += table.dependence < 0.05  # type: ignore[operator]
    assert rejected <= 6, "5 % of 40, and 2.5 deviations"
