"""Checks of an audit as JUnit XML, which services of continuous integration show."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from equipoise.core.checks import Check, Outcome
from equipoise.core.errors import shortened

_LONGEST = 4000
_NOT_ASKED: tuple[Outcome, ...] = ("not applicable", "skipped", "ignored")


def failing(outcomes: Sequence[Outcome], checks: Sequence[Check]) -> tuple[Check, ...]:
    """Return the checks of some outcomes, in their order."""
    return tuple(check for check in checks if check.outcome in outcomes)


def to_junit(name: str, checks: Sequence[Check], outcomes: Sequence[Outcome]) -> str:
    """Return checks as one test suite, a test case each.

    Parameters
    ----------
    name : str
        Of the suite.
    checks : sequence of Check
    outcomes : sequence of str
        Outcomes that fail a test case. Not applicable, skipped and ignored checks are skipped;
        others pass, with their words as output.

    Examples
    --------
    >>> check = Check(check_id="failures", title="All asked?", outcome="issue", words="3 not.")
    >>> "<failure" in to_junit("audit", [check], ["issue"])
    True
    """
    failed = failing(outcomes, checks)
    skipped = [check for check in checks if check.outcome in _NOT_ASKED]
    counts = {"tests": len(checks), "failures": len(failed), "errors": 0, "skipped": len(skipped)}
    suite = ET.Element("testsuite", {"name": name, **{k: str(v) for k, v in counts.items()}})
    for check in checks:
        case = ET.SubElement(suite, "testcase", classname=name, name=check.check_id)
        # Control characters are no XML, whatever the attributes of others are called.
        words = shortened(check.words, _LONGEST)
        if check in failed:
            ET.SubElement(
                case, "failure", message=shortened(check.title), type=check.outcome
            ).text = words
        elif check.outcome in _NOT_ASKED:
            ET.SubElement(case, "skipped", message=f"{check.outcome}: {words}")
        else:
            ET.SubElement(case, "system-out").text = f"{check.outcome}: {words}"
    ET.indent(suite)
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(suite, encoding="unicode") + "\n"
    )
