"""Tables of rates hold the record's numbers, in every format."""

import csv
from pathlib import Path

import pytest

from equipoise.audit.classifier import audit_classifier
from equipoise.audit.images import AuditImages
from equipoise.audit.rate_tables import write_rate_table
from equipoise.audit.record import AuditSettings, ClassifierAudit
from equipoise.classifiers import ClassifierPanel
from equipoise.core.errors import InputError
from tests.audit.conftest import Erring


@pytest.fixture(scope="module")
def audited(
    material: AuditImages, toy_panel: ClassifierPanel, tmp_path_factory: pytest.TempPathFactory
) -> ClassifierAudit:
    settings = AuditSettings(attribute="smiling", by=("skin_tone",), reference="label")
    model = Erring(toy_panel, [0.5, 0, 0, 0.5, 0, 0])
    return audit_classifier(model, material, tmp_path_factory.mktemp("audit"), settings)


def test_numbers_are_those_of_the_record(audited: ClassifierAudit, tmp_path: Path) -> None:
    write_rate_table(audited, tmp_path / "rates.csv")
    with (tmp_path / "rates.csv").open() as file:
        rows = {(row["group"], row["rate"]): row for row in csv.DictReader(file)}
    for group in audited.breakdowns[0].groups:
        row = rows[group.name, "wrong"]
        assert (int(row["events"]), int(row["n"])) == (group.error.count, group.error.n)
        assert float(row["low"]) == group.error.low


def test_latex_is_escaped_and_markdown_has_a_row_a_group(
    audited: ClassifierAudit, tmp_path: Path
) -> None:
    write_rate_table(audited, tmp_path / "rates.tex")
    latex = (tmp_path / "rates.tex").read_text()
    assert r"skin\_tone=dark & 80 & 0.0\% (0.0\% to 4.5\%)" in latex
    assert latex.count(r"\\") == 4
    write_rate_table(audited, tmp_path / "rates.md")
    assert (tmp_path / "rates.md").read_text().count("\n") == 5
    with pytest.raises(InputError, match=r"\.csv, \.md or \.tex"):
        write_rate_table(audited, tmp_path / "rates.xlsx")
