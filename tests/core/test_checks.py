import pytest

from equipoise.core.checks import OUTCOMES, Check, by_kind, ignoring, verdict, worst_first
from equipoise.core.errors import InputError

CHECKS = [
    Check(check_id=f"code-{i}", title="", outcome=outcome, words="")
    for i, outcome in enumerate(reversed(OUTCOMES))
]


def test_the_worst_comes_first() -> None:
    assert [check.outcome for check in worst_first(CHECKS)] == list(OUTCOMES)


def test_an_ignored_check_keeps_its_words_and_an_unknown_code_is_named() -> None:
    found = ignoring(CHECKS, ["code-5"])
    assert found[5].outcome == "ignored"
    assert found[:5] == tuple(CHECKS[:5])
    with pytest.raises(InputError, match=r"must be one of code-0.* got nonsense"):
        ignoring(CHECKS, ["nonsense"])


def test_the_verdict_counts_all_and_names_issues() -> None:
    assert verdict(CHECKS).endswith(": code-6.")
    assert verdict(CHECKS[:5]).startswith("No issue. 1 tip, 1 passed")


def test_issues_are_never_folded_and_nothing_is_lost() -> None:
    every = [
        Check(check_id=f"gap:{i}", title="", outcome=outcome, words="")
        for i, outcome in enumerate(("tip", "issue", "passed", "issue", "tip"))
    ]
    groups = by_kind(every)
    assert [[check.check_id for check in group] for group in groups] == [
        ["gap:1"], ["gap:3"], ["gap:0", "gap:4"], ["gap:2"],
    ]  # fmt: skip
