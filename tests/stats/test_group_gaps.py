import numpy as np
import pytest
from fairlearn.metrics import MetricFrame
from scipy.stats import chi2_contingency, norm, studentized_range
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.oneway import anova_oneway
from statsmodels.stats.proportion import confint_proportions_2indep

from equipoise.stats.group_gaps import (
    _studentized,
    against_rest,
    equal_rates,
    holm,
    largest_gap,
    largest_mean_gap,
    ratio_interval,
)
from equipoise.stats.intervals import newcombe_interval

NAMES = tuple("abcdefghijkl")


def test_difference_and_ratio_are_those_of_fairlearn() -> None:
    rng = np.random.default_rng(0)
    group = rng.integers(4, size=1000)
    wrong = rng.random(1000) < 0.1 + 0.1 * group
    frame = MetricFrame(
        metrics=lambda truth, answers: float(np.mean(truth != answers)),
        y_true=np.zeros(1000, int),
        y_pred=wrong.astype(int),
        sensitive_features=group,
    )
    gap = largest_gap(NAMES[:4], np.bincount(group, wrong).astype(int), np.bincount(group))
    assert gap is not None
    assert gap.difference.value == pytest.approx(frame.difference())
    assert 1 / gap.ratio.value == pytest.approx(frame.ratio())
    assert (gap.highest, gap.lowest) == ("d", "a")


@pytest.mark.parametrize("alpha", [0.05, 0.0044])
def test_intervals_of_pairs_are_those_of_statsmodels(alpha: float) -> None:
    """Also where a group has no event, or only events."""
    rng = np.random.default_rng(3)
    trials, others = rng.integers(1, 300, (2, 60))
    counts, other_counts = rng.binomial(trials, rng.random(60)), rng.binomial(others, 0.2)
    counts[:5], counts[5:10], other_counts[3:7] = 0, trials[5:10], 0
    pairs = (counts, trials, other_counts, others)
    critical = float(norm.isf(alpha / 2))
    theirs = confint_proportions_2indep(*pairs, compare="diff", method="newcomb", alpha=alpha)
    assert np.allclose(newcombe_interval(*pairs, critical), theirs, rtol=0, atol=1e-12)
    theirs = confint_proportions_2indep(*pairs, compare="ratio", method="log-adjusted", alpha=alpha)
    assert np.allclose(ratio_interval(*pairs, critical), theirs, rtol=1e-12)
    low, high = ratio_interval(*(np.array([1]),) * 4, critical)
    assert low[0] < 0.5 and high[0] > 2, "one of one and one of one say little"


def test_two_groups_have_newcombes_own_interval() -> None:
    """With one pair nothing was chosen; table II (a) of Newcombe 1998."""
    gap = largest_gap(("a", "b"), [56, 48], [70, 80])
    assert gap is not None
    assert (gap.difference.low, gap.difference.high) == pytest.approx((0.0524, 0.3339), abs=1e-4)
    theirs = confint_proportions_2indep(56, 70, 48, 80, compare="ratio", method="log-adjusted")
    assert (gap.ratio.low, gap.ratio.high) == pytest.approx(theirs, rel=1e-4)


@pytest.mark.parametrize(
    ("rates", "n"),
    [([0.25, 0.1, 0.1, 0.1, 0.1, 0.1], 200), ([0.1] * 6, 200), ([0.17] + [0.02] * 11, 100)],
)
def test_the_interval_covers_the_largest_true_gap(rates: list[float], n: int) -> None:
    """At 95 %: of 150 at most 14 may miss, which chance exceeds once in 100."""
    rng = np.random.default_rng(1)
    truth, missed = max(rates) - min(rates), 0
    for _ in range(150):
        gap = largest_gap(NAMES[: len(rates)], rng.binomial(n, rates), [n] * len(rates))
        assert gap is not None
        missed += not gap.difference.low <= truth <= gap.difference.high
    assert missed <= 14


def test_groups_without_trials_are_left_out() -> None:
    gap = largest_gap(("a", "b", "c"), [0, 5, 10], [0, 100, 100])
    assert gap is not None
    assert (gap.highest, gap.lowest) == ("c", "b")
    assert largest_gap(("a", "b"), [0, 5], [0, 100]) is None


def test_no_event_is_no_gap_and_no_ratio() -> None:
    gap = largest_gap(("a", "b", "c"), [0, 0, 0], [50, 50, 50])
    assert gap is not None
    assert (gap.difference.value, gap.difference.low, gap.p_value) == (0, 0, 1)
    assert gap.ratio.note == "no event in any group"
    some = largest_gap(("a", "b", "c"), [9, 0, 0], [50, 50, 50])
    assert some is not None
    assert some.ratio.value == np.inf
    assert some.ratio.low <= some.ratio.value == some.ratio.high


def test_the_simulated_test_agrees_with_chi_square_and_keeps_its_level() -> None:
    counts, n = np.array([14, 6, 5, 5]), np.array([60, 60, 60, 45])  # 45 * 30 / 225 is 6
    few = np.array([9, 3, 2, 2]), np.array([60, 60, 60, 60])  # expected 4 each
    table = np.stack([few[0], few[1] - few[0]])
    exact = chi2_contingency(table, correction=False).pvalue
    assert equal_rates(*few) == pytest.approx(exact, abs=0.02)
    assert equal_rates(counts, n) == chi2_contingency([counts, n - counts], False).pvalue
    rng = np.random.default_rng(2)
    trials = np.full(6, 30)
    p_values = [equal_rates(rng.binomial(30, [0.05] * 6), trials, seed) for seed in range(200)]
    assert np.mean(np.array(p_values) < 0.05) <= 0.1


def test_the_bad_group_is_named_by_the_test_against_the_rest() -> None:
    found = against_rest([30, 10, 11, 9], [100] * 4)
    assert found[0] < 0.001
    assert holm([0.01, 0.02, 0.03, np.nan])[:3].tolist() == pytest.approx([0.03, 0.04, 0.04])
    assert np.isnan(holm([np.nan])).all()


def test_holm_is_that_of_a_kept_library() -> None:
    p_values = np.random.default_rng(0).random(12) ** 3
    assert np.allclose(holm(p_values), multipletests(p_values, method="holm")[1])


def test_the_test_of_means_is_welchs_analysis_of_variance() -> None:
    rng = np.random.default_rng(0)
    samples = [rng.normal(0.5, spread, n) for spread, n in ((0.1, 40), (0.3, 90), (0.2, 25))]
    gap = largest_mean_gap(("a", "b", "c"), samples)
    assert gap is not None
    assert gap.p_value == pytest.approx(anova_oneway(samples, use_var="unequal").pvalue)


def test_weights_undo_a_gap_of_means_that_acceptance_made() -> None:
    """Draws of one group favour large values; weighted, both groups have one mean."""
    found, unweighted = 0, 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        candidates, own = rng.random(2000), rng.random(700)
        accepted = 0.1 + 0.9 * candidates
        drawn = candidates[rng.random(2000) < accepted]
        weights = [1 / (0.1 + 0.9 * drawn), np.ones(700)]
        weighted = largest_mean_gap(("drawn", "own"), [drawn, own], weights)
        plain = largest_mean_gap(("drawn", "own"), [drawn, own])
        assert weighted is not None and plain is not None
        found += weighted.p_value < 0.05
        unweighted += plain.p_value < 0.05
    assert unweighted == 40
    assert found <= 6


def test_a_group_of_equal_values_varies_as_all_do() -> None:
    rng = np.random.default_rng(0)
    few, many = np.full(3, 0.51), rng.normal(0.5, 0.1, 300)
    gap = largest_mean_gap(("few", "many"), [few, many])
    assert gap is not None and gap.p_value > 0.5


@pytest.mark.parametrize("groups", [3, 6])
def test_quantiles_of_the_studentized_range_are_those_of_scipy(groups: int) -> None:
    freedom = np.array([2.0, 3.0, 11.5, 45.0, 900.0, 5000.0, np.inf])
    truth = studentized_range.ppf(0.95, groups, freedom)
    found = _studentized(groups, freedom)
    assert found[freedom >= 8] == pytest.approx(truth[freedom >= 8], rel=0.01)
    assert found == pytest.approx(truth, rel=0.05)
    assert (found >= truth - 1e-6).all()


@pytest.mark.parametrize("weighted", [False, True])
def test_groups_whose_values_are_all_alike_have_no_gap(weighted: bool) -> None:
    """Means and variances of 0.1 differ by rounding, which is no difference."""
    samples = [np.full(n, 0.1) for n in (40, 37, 53)]
    weights = [np.linspace(0.3, 1.7, len(s)) for s in samples] if weighted else None
    gap = largest_mean_gap(("a", "b", "c"), samples, weights)
    assert gap is not None
    assert (gap.difference.value, gap.difference.high, gap.p_value) == (0, 0, 1)
    apart = largest_mean_gap(("a", "b"), [samples[0], samples[1] + 0.01])
    assert apart is not None and apart.p_value == 0


def test_an_infinite_ratio_lies_in_its_interval() -> None:
    gap = largest_gap(("a", "b"), [12, 0], [40, 40])
    assert gap is not None
    assert gap.ratio.low > 1
    assert gap.ratio.value == gap.ratio.high == np.inf
