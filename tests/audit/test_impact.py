"""Selection rates and impact ratios are those of counting."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from equipoise.audit.classifier import audit_classifier
from equipoise.audit.images import AuditImages
from equipoise.audit.impact import HEADINGS, impacts, to_rows
from equipoise.audit.rate_tables import to_latex, to_markdown
from equipoise.audit.rates import PredictionsVsReference, break_down
from equipoise.audit.record import AuditSettings, ClassifierAudit
from equipoise.classifiers import ClassifierPanel
from equipoise.core.attributes import Attribute, AttributeGrid
from equipoise.core.errors import InputError
from equipoise.stats.intervals import exact_interval
from tests.audit.conftest import Erring

GRID = AttributeGrid((Attribute("group", ("a", "b", "c")),))


def audited(counts: dict[str, tuple[int, int, int]]) -> ClassifierAudit:
    """Return an audit with so many selected, not selected and failed images of each group."""
    answers, group = [], []
    for k, numbers in enumerate(counts.values()):
        for answer, count in zip((1, 0, -2), numbers, strict=True):
            answers += [answer] * count
            group += [k] * count
    n = len(answers)
    compared = PredictionsVsReference(
        ("no", "yes"),
        np.array(answers, np.int8),
        np.full(n, -1, np.int8),
        np.full(n, 0.9, np.float32),
    )
    parts = break_down(compared, GRID, np.array(group, np.int8)[:, None])
    fields = {f.name: None for f in dataclasses.fields(ClassifierAudit)}
    settings = AuditSettings(attribute="hired", by=("group",), reference="none")
    fields |= {"settings": settings, "n": n, "levels": ("no", "yes"), "breakdowns": parts}
    return ClassifierAudit(**fields)  # type: ignore[arg-type]


def test_ratios_are_to_the_most_selected_category_that_is_not_small() -> None:
    audit = audited({"a": (60, 40, 0), "b": (30, 60, 10), "c": (3, 0, 0)})
    a, b, c = impacts(audit, "yes")
    assert [one.selected.count for one in (a, b, c)] == [60, 30, 3]
    assert (a.selected.share, b.selected.share) == pytest.approx((0.6, 0.3))
    assert a.ratio.value == 1
    assert b.ratio.value == pytest.approx(0.5)
    assert b.ratio.low < 0.5 < b.ratio.high < 1
    assert (b.unanswered, [one.small for one in (a, b, c)]) == (10, [False, False, True])
    none = impacts(audited({"a": (60, 40, 0), "b": (0, 90, 0), "c": (9, 90, 0)}), "yes")[1].ratio
    assert none.low == none.value == 0 < none.high
    other = impacts(audit, "no")
    assert [one.selected.count for one in other] == [40, 60, 0]
    assert other[0].ratio.value == pytest.approx(40 / 60)
    with pytest.raises(InputError, match="must be one of no, yes"):
        impacts(audit, "maybe")


def test_the_audited_attribute_is_no_category(
    material: AuditImages, toy_panel: ClassifierPanel, tmp_path: Path
) -> None:
    """A classifier of smiles without an error selects every tone alike, and smiling faces alone."""
    right = Erring(toy_panel, [0.0] * 6)
    settings = AuditSettings(attribute="smiling", by=("smiling", "skin_tone"), reference="label")
    found = impacts(audit_classifier(right, material, tmp_path / "both", settings), "yes")
    assert {one.where for one in found} == {"skin_tone"}
    assert [one.ratio.value for one in found] == pytest.approx([1, 1, 1], abs=0.1)
    alone = dataclasses.replace(settings, by=("smiling",))
    audit = audit_classifier(right, material, tmp_path / "alone", alone)
    with pytest.raises(InputError, match="by must have an attribute beside the audited one"):
        impacts(audit, "yes")


def test_tables_mark_small_categories_and_missing_answers(tmp_path: Path) -> None:
    rows = to_rows(impacts(audited({"a": (60, 40, 0), "b": (30, 60, 10), "c": (3, 0, 0)}), "yes"))
    table = to_markdown(HEADINGS, rows)
    assert "| cells | group=b | 100 | 30 | 30.0% (" in table
    assert "10 without an answer" in table
    assert "under 2% of the images" in table
    assert to_latex(HEADINGS, rows).count(r"\\") == 4


def test_an_interval_is_of_all_images_also_of_those_without_an_answer() -> None:
    """Half are never answered: 100 of 200 are selected, as by a coin, and not for certain."""
    a, b, c = impacts(audited({"a": (100, 0, 100), "b": (200, 0, 0), "c": (200, 0, 0)}), "yes")
    estimate = a.selected.estimate
    assert (estimate.low, estimate.high) == pytest.approx(exact_interval(100, 200))
    assert b.ratio.value == c.ratio.value == 1
    assert c.ratio.low < 1 < c.ratio.high, "b is the reference of c"
    none = impacts(audited({"a": (100, 0, 0), "b": (200, 0, 0), "c": (200, 0, 0)}), "no")
    for one in none:
        assert one.selected.share == 0 == one.selected.low < one.selected.high
