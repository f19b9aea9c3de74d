import gc

import numpy as np
import pytest

from equipoise.audit.checks import adjust, gap_check, gap_checks, question_checks
from equipoise.audit.label_noise import ReferenceErrors
from equipoise.audit.named_gaps import NamedGap
from equipoise.audit.rates import Breakdown, PredictionsVsReference, break_down
from equipoise.core.attributes import Attribute, AttributeGrid
from equipoise.core.checks import Check, verdict, worst_first
from equipoise.stats.group_gaps import holm, largest_gap

GROUPS = AttributeGrid(
    (Attribute("smiling", ("no", "yes")), Attribute("tone", ("dark", "mid", "light")))
)


@pytest.fixture(autouse=True)
def no_collection(monkeypatch: pytest.MonkeyPatch) -> None:
    """`multipletests` collects garbage at every call, which takes nearly all of a study's time."""
    monkeypatch.setattr(gc, "collect", lambda: 0)


def judged(counts: np.ndarray, n: int, tolerance: float, seed: int) -> list[Check]:
    """The checks of errors, and of abstentions that never come, of one audit of 2 x 3 cells."""
    tables = [(GROUPS.cells, counts, np.full(6, n))]
    for attribute in GROUPS.attributes:
        levels = GROUPS.marginal(counts, attribute.name).astype(int)
        tables.append((attribute.levels, levels, np.full(len(levels), 6 * n // len(levels))))
    gaps = [largest_gap(names, found, trials, seed=seed) for names, found, trials in tables]
    gaps += [largest_gap(names, 0 * found, trials) for names, found, trials in tables]
    adjusted = holm([gap.p_value for gap in gaps])
    named = [
        NamedGap(
            check_id="error_gap:x", what="rate", is_fault=True, gap=gap, p_value=p, trials=(n, n)
        )
        for gap, p in zip(gaps, adjusted, strict=True)
    ]
    return [gap_check(gap, tolerance, 6) for gap in named]


@pytest.mark.parametrize(("rate", "n"), [(0.1, 200), (0.3, 100), (0.05, 30)])
@pytest.mark.parametrize("tolerance", [0.0, 0.05])
def test_equal_errors_are_seldom_an_issue(rate: float, n: int, tolerance: float) -> None:
    """At most 5 %, over all gaps of an audit; of 100 audits 10 or more come once in 90."""
    rng = np.random.default_rng(0)
    flagged = 0
    for seed in range(100):
        found = judged(rng.binomial(n, np.full(6, rate)), n, tolerance, seed)
        flagged += any(check.outcome == "issue" for check in found)
    assert flagged <= 9


@pytest.mark.parametrize("rate", [0.02, 0.05, 0.1])
def test_a_planted_error_of_15_points_is_found_and_its_size_covered(rate: float) -> None:
    """In one of six cells, with the default of 1,200 images."""
    rng = np.random.default_rng(1)
    rates = np.full(6, rate)
    rates[4] += 0.15
    found, covered = 0, 0
    for seed in range(100):
        check = judged(rng.binomial(200, rates), 200, 0.05, seed)[0]
        found += check.outcome == "issue" and f"highest in {GROUPS.cells[4]}" in check.words
        covered += check.evidence.estimate.low <= 0.15 <= check.evidence.estimate.high
    assert found >= 92
    assert covered >= 91


def test_little_data_pass_nothing() -> None:
    outcomes = {n: judged(np.zeros(6, int), n, 0.05, 0)[0].outcome for n in (20, 200)}
    assert outcomes == {20: "tip", 200: "passed"}


def broken_down(chances: list[float], known: bool = True) -> tuple[Breakdown, ...]:
    rng = np.random.default_rng(0)
    levels = np.repeat(GROUPS.levels.astype(np.int8), 300, axis=0)
    truth = levels[:, 0]
    answers = np.where(rng.random(1800) < np.repeat(chances, 300), 1 - truth, truth)
    told = truth if known else np.full(1800, -1, np.int8)
    compared = PredictionsVsReference(
        ("no", "yes"), answers.astype(np.int8), told, np.ones(1800, np.float32)
    )
    return adjust(break_down(compared, GROUPS, levels))[0]


BAD = [0.03, 0.03, 0.03, 0.25, 0.03, 0.03]
IMAGES = np.full(6, 300)


def test_codes_are_stable_and_the_holm_family_is_the_audit() -> None:
    parts = broken_down(BAD)
    assert [part.where for part in parts] == ["cells", "smiling", "tone"]
    codes = [gap.check_id for part in parts for gap in part.gaps]
    kinds = ("error", "abstention", "false", "missed", "answer", "confidence")
    of_level = {"false", "missed", "answer"}
    # By smiling, groups are of one true level: none has both false and missed ones to compare.
    assert codes == [
        f"{kind}_gap:{p.where}" + (":yes" if kind in of_level else "")
        for p in parts
        for kind in kinds
        if p.where != "smiling" or kind not in ("false", "missed")
    ]
    raw = [gap.gap.p_value for part in parts for gap in part.gaps]
    assert [gap.p_value for part in parts for gap in part.gaps] == holm(raw).tolist()


def test_label_noise_explains_a_gap_or_does_not() -> None:
    """A reference that errs on 20 % of the bad cell explains it; one that errs on 1 % does not."""
    parts = broken_down(BAD)

    def outcomes(errors: ReferenceErrors | None) -> dict[str, str]:
        return {c.check_id: c.outcome for c in gap_checks(parts, 0.05, errors, IMAGES)}

    unknown = outcomes(None)
    assert unknown["error_gap:cells"] == "undecided"
    assert unknown["label_noise:cells"] == "not applicable"
    judged = np.full(6, 500)
    noisy = outcomes(ReferenceErrors(GROUPS, np.array([5, 5, 5, 100, 5, 5]), judged))
    assert (noisy["error_gap:cells"], noisy["label_noise:cells"]) == ("undecided", "tip")
    few = outcomes(ReferenceErrors(GROUPS, np.zeros(6, int), np.full(6, 20)))
    assert (few["error_gap:cells"], few["label_noise:cells"]) == ("undecided", "tip")
    unseen = outcomes(ReferenceErrors(GROUPS, np.zeros(6, int), np.array([9, 9, 9, 0, 9, 9])))
    assert unseen["error_gap:cells"] == "undecided"
    clean = outcomes(ReferenceErrors(GROUPS, np.full(6, 1), judged))
    assert (clean["error_gap:cells"], clean["label_noise:cells"]) == ("issue", "passed")


def dark_is_male(seed: int) -> list[Check]:
    """Audit a model that answers "male" where the picture is dark, on 120 images a cell."""
    grid = AttributeGrid(
        (Attribute("gender", ("female", "male")), Attribute("tone", ("dark", "mid", "light")))
    )
    rng = np.random.default_rng(seed)
    levels = np.repeat(grid.levels.astype(np.int8), 120, axis=0)
    says_male = np.array([0.68, 0.35, 0.04])[levels[:, 1]]
    answers = (rng.random(len(levels)) < says_male).astype(np.int8)
    compared = PredictionsVsReference(
        ("female", "male"), answers, levels[:, 0], np.ones(len(levels), np.float32)
    )
    parts, _ = adjust(break_down(compared, grid, levels, seed=seed))
    return list(gap_checks(parts, 0.05, None, np.full(6, 120)))


def test_errors_that_cancel_in_the_error_rate_are_an_issue() -> None:
    """False males on dark and missed males on light: equal error rates by tone."""
    found = [{c.check_id: c for c in dark_is_male(seed)} for seed in range(6)]
    assert all(checks["error_gap:tone"].outcome != "issue" for checks in found)
    for checks in found:
        assert checks["false_gap:tone:male"].outcome == "issue"
        assert checks["missed_gap:tone:male"].outcome == "issue"
        assert "highest in tone=dark" in checks["false_gap:tone:male"].words


def test_the_headline_names_the_worst_fault() -> None:
    checks = worst_first(dark_is_male(0))
    sizes = [c.evidence.estimate.value for c in checks if c.outcome == "issue" and c.evidence]
    assert sizes == sorted(sizes, reverse=True)
    assert verdict(checks).endswith(f"{checks[0].check_id}: {checks[0].words}")


def test_without_truth_answers_are_compared_and_no_issue_is_raised() -> None:
    checks = gap_checks(broken_down(BAD, known=False), 0.05, None, IMAGES)
    found = {check.check_id: check for check in checks}
    assert found["error_gap:cells"].outcome == "skipped"
    assert found["answer_gap:smiling:yes"].outcome == "tip"
    assert "not known whether faces differ" in found["answer_gap:smiling:yes"].words


def test_uneven_cells_and_failures_are_told() -> None:
    levels = np.repeat(GROUPS.levels.astype(np.int8), [10, 10, 10, 10, 10, 40], axis=0)
    answers = levels[:, 0].copy()
    answers[:9] = -2
    compared = PredictionsVsReference(("no", "yes"), answers, levels[:, 0], np.ones(90, np.float32))
    failures, abstentions, balance = question_checks(
        break_down(compared, GROUPS, levels)[0], GROUPS.size
    )
    assert abstentions.outcome == "passed"
    assert (failures.outcome, failures.words.split(" and")[0]) == ("tip", "9 of 90 have no answer")
    assert (balance.outcome, balance.evidence.estimate.value) == ("tip", 4.0)


def test_a_cell_without_an_image_is_told() -> None:
    levels = np.repeat(GROUPS.levels.astype(np.int8), [10, 10, 10, 10, 10, 0], axis=0)
    compared = PredictionsVsReference(
        ("no", "yes"), levels[:, 0], levels[:, 0], np.ones(50, np.float32)
    )
    balance = question_checks(break_down(compared, GROUPS, levels)[0], GROUPS.size)[-1]
    assert balance.outcome == "tip"
    assert "1 of 6 cells have none" in balance.words


def test_a_model_that_never_answers_does_not_pass() -> None:
    levels = np.repeat(GROUPS.levels.astype(np.int8), 10, axis=0)
    answers = np.full(60, -1, np.int8)
    compared = PredictionsVsReference(("no", "yes"), answers, levels[:, 0], np.ones(60, np.float32))
    abstentions = question_checks(break_down(compared, GROUPS, levels)[0], GROUPS.size)[1]
    assert abstentions.outcome == "issue"
    assert "60 of 60" in abstentions.words


def test_noise_is_taken_off_the_interval_of_the_pair_that_errs() -> None:
    """Another pair has a higher lower end, and the reference errs there, not here."""
    gap = largest_gap(("a", "b", "c"), [1, 300, 50], [3, 1000, 1000])
    assert gap is not None
    assert (gap.highest, gap.lowest) == ("a", "c")
    assert gap.pair.low < 0.05 < gap.difference.low
    assert gap.pair.value == gap.difference.value
