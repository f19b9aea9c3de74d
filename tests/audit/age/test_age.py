"""Audits of age, where the bias of one cell is planted."""

import csv
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from equipoise.audit.age.ages import Ages, ask_ages, parse_challenges, read_ages
from equipoise.audit.age.rates import BY_AGE, AgesVsReference, age_rates, break_down_ages
from equipoise.audit.age.record import AgeAudit, AgeSettings
from equipoise.audit.age.run import audit_age
from equipoise.audit.age.tables import age_table, write_age_table
from equipoise.audit.images import AuditImages
from equipoise.audit.record import Asking
from equipoise.classifiers import Prediction, by_threshold
from equipoise.core.attributes import Attribute
from equipoise.core.errors import FileFormatError, InputError, ModelOutputError
from equipoise.core.records import read_record, to_json
from tests.builders.schemas import assert_valid

SETTINGS = AgeSettings(by=("smiling", "skin_tone"), reference="truth.csv")


def ages(years: NDArray[np.float64], name: str = "truth.csv") -> Ages:
    failed = int(np.isnan(years).sum())
    cost = Asking(role="model", name=name, asked=0, kept=0, failed=failed, seconds=0.0)
    return Ages(name, "0" * 64, years, cost, recorded=True)


def write_ages(path: Path, names: tuple[str, ...], years: NDArray[np.float64]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file_name", "age"))
        writer.writerows(zip(names, years, strict=True))
    return path


def test_a_bias_in_one_cell_is_found_and_in_its_absence_none(material: AuditImages) -> None:
    """benchmarks/audits.py has 200 seeds of it."""
    by, levels = material.restricted(SETTINGS.by)
    found = false = 0
    for seed in range(5):
        rng = np.random.default_rng(seed)
        truth = rng.uniform(10, 60, len(material))
        for bias in (8.0, 0.0):
            estimates = truth + rng.normal(0, 4, len(truth)) + bias * (material.cells == 2)
            pair = AgesVsReference(estimates, truth, material.weights)
            parts = break_down_ages(pair, by, levels, SETTINGS)
            if bias:
                named = {gap.check_id: gap for gap in parts[0].gaps}["age_bias_gap:cells"]
                difference = named.gap.difference
                assert named.gap.highest == material.grid.cells[2]
                found += named.p_value < 0.05 and difference.low < 8 < difference.high
            else:
                false += any(gap.p_value < 0.05 for part in parts for gap in part.gaps)
    assert found == 5
    assert false <= 1


def test_record_and_page_say_what_counts_as_true(material: AuditImages, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    truth = rng.uniform(10, 60, len(material))
    estimates = ages(truth + rng.normal(0, 4, 240) + 9 * (material.cells == 2), "mine.csv")
    audit = audit_age(estimates, ages(truth), material, tmp_path, SETTINGS)
    stored = read_record(tmp_path / "age.json", AgeAudit, "")
    assert to_json(stored) == to_json(audit)
    assert_valid(tmp_path / "age.json", "age")
    assert [part.where for part in stored.breakdowns] == ["cells", "smiling", "skin_tone", BY_AGE]
    outcomes = {check.check_id: check.outcome for check in stored.checks}
    assert outcomes["age_bias_gap:cells"] == outcomes["age_error_gap:cells"] == "issue"
    html = (tmp_path / "age.html").read_text()
    assert stored.verdict in html
    assert "Reference age: <b>truth.csv</b>" in html
    assert "the word of who wrote them" in stored.caveats[0]


def test_the_rules_count_who_passes_and_who_is_refused() -> None:
    reference = np.array([15, 17, 17, 18, 20, 40, 40, np.nan])
    estimates = np.array([26, 24, np.nan, 24, 25, 30, 18, 50])
    found = age_rates(AgesVsReference(estimates, reference, np.ones(8)), "all", SETTINGS)
    assert (found.n, found.compared, found.failure.count) == (8, 6, 1)
    of_18, of_25 = found.rules
    assert (of_18.false_pass.count, of_18.false_pass.n) == (2, 2)
    assert (of_18.false_refusal.count, of_18.false_refusal.n) == (0, 4)
    assert (of_25.false_pass.count, of_25.false_pass.n) == (1, 2)
    assert (of_25.false_refusal.count, of_25.false_refusal.n) == (2, 4)
    errors = np.array([11, 7, 6, 5, -10, -22])
    assert found.signed.value == pytest.approx(errors.mean())
    assert found.absolute.value == pytest.approx(np.abs(errors).mean())
    assert found.deviation.value == pytest.approx(errors.std(ddof=1))


def test_weights_undo_the_choice_of_clear_faces() -> None:
    inside = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        clear = rng.normal(0.5, 1, 100)  # Drawn with a density exp(x / 2) times that of the cell.
        truth = rng.uniform(20, 60, 100)
        estimates = truth + 3 - 2 * clear + rng.normal(0, 4, 100)
        pair = AgesVsReference(estimates, truth, np.exp(-clear / 2))
        signed = age_rates(pair, "all", SETTINGS).signed
        inside += signed.low < 3 < signed.high
    assert 35 <= inside <= 40


def test_tables_of_ages_are_read_and_their_faults_named(
    material: AuditImages, tmp_path: Path
) -> None:
    years = np.linspace(10, 60, len(material)).round(2)
    file = write_ages(tmp_path / "ages.csv", material.files[:200], years[:200])
    found = read_ages(file, material, "model")
    assert found.years[:200] == pytest.approx(years[:200])
    assert np.isnan(found.years[200:]).all()
    assert found.cost.failed == 40
    for names, values, says in (
        (material.files[:1], [200.0], "number of 0 to 130 in age"),
        (("elsewhere.png",), [20.0], "must name an image of the set"),
        (material.files[:1] * 2, [20.0, 30.0], "must name an image that row 2 does not"),
    ):
        file = write_ages(tmp_path / "bad.csv", names, np.array(values))
        with pytest.raises(FileFormatError, match=says):
            read_ages(file, material, "model")
    (tmp_path / "bad.csv").write_text("file_name,label\na.png,old\n")
    with pytest.raises(FileFormatError, match="must have the column age"):
        read_ages(tmp_path / "bad.csv", material, "model")


class Estimator:
    """Takes the brightest pixel's value for an age, or gives something else."""

    name, digest, caveats, pinned = "estimator", "1" * 64, ("It looks at one pixel.",), ()
    attributes = (Attribute("age", ("young", "old"), ordered=True),)

    def __init__(self, factor: float | None) -> None:
        self.factor = factor
        self.digest = f"{int(factor or 0):064d}"

    def predict(self, images: NDArray[np.uint8]) -> tuple[Prediction, ...]:
        bright = images.reshape(len(images), -1).mean(axis=1).astype(np.float32)
        found = by_threshold(bright, [100])
        if self.factor is None:
            return (Prediction(found.levels, found.probabilities, found.levels.astype(np.float32)),)
        return (Prediction(found.levels, found.probabilities, found.scores * self.factor),)


def test_an_estimator_is_asked_once_and_must_give_years(
    material: AuditImages, tmp_path: Path
) -> None:
    found = ask_ages(Estimator(0.5), material, tmp_path, "model")
    assert (found.cost.asked, found.cost.kept) == (240, 0)
    again = ask_ages(Estimator(0.5), material, tmp_path, "reference")
    assert (again.cost.asked, again.cost.kept) == (0, 240)
    assert (again.years == found.years).all()
    for factor, got in ((None, "numbers of levels"), (-1.0, "to -"), (1 / 255, "probabilities")):
        with pytest.raises(ModelOutputError, match=got):
            ask_ages(Estimator(factor), material, tmp_path / str(factor), "model")
    audit = audit_age(found, again, material, tmp_path / "audit", SETTINGS)
    assert "an estimator that errs too" in audit.caveats[0]


def test_the_table_has_a_row_a_group_in_each_format(material: AuditImages, tmp_path: Path) -> None:
    truth = np.linspace(10, 60, len(material))
    audit = audit_age(ages(truth + 1), ages(truth), material, tmp_path, SETTINGS)
    header, rows = age_table(audit)
    assert header[-1] == "false refusal at 25"
    assert [len(row) for row in rows] == [len(header)] * (6 + 2 + 3 + 6)
    for suffix, lines in ((".csv", 1 + 17 * 9), (".md", 19), (".tex", 17 + 6)):
        write_age_table(audit, tmp_path / f"table{suffix}")
        assert len((tmp_path / f"table{suffix}").read_text().splitlines()) == lines
    with pytest.raises(InputError, match=r"must end in \.csv, \.md or \.tex"):
        write_age_table(audit, tmp_path / "table.pdf")


def test_bad_settings_are_named(material: AuditImages, tmp_path: Path) -> None:
    assert parse_challenges(18, (25, 18, 25)) == (18, 25)
    with pytest.raises(InputError, match="must be from the limit 18"):
        parse_challenges(18, (15,))
    with pytest.raises(InputError, match="limit must be above 0"):
        parse_challenges(0, (15,))
    nobody = ages(np.full(len(material), np.nan))
    with pytest.raises(InputError, match="must have the age of an image"):
        audit_age(nobody, nobody, material, tmp_path, SETTINGS)
