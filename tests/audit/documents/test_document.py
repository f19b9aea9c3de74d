"""Documents: what the record knows is in them, and what it does not know is named."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from equipoise.audit.age.ages import Ages
from equipoise.audit.age.record import AgeSettings
from equipoise.audit.age.run import audit_age
from equipoise.audit.classifier import audit_classifier
from equipoise.audit.documents.document import write_document
from equipoise.audit.documents.forms import FORMS
from equipoise.audit.images import AuditImages
from equipoise.audit.impact import impacts, to_rows
from equipoise.audit.record import Asking, AuditSettings, ClassifierAudit
from equipoise.audit.verification.descriptors import Descriptors
from equipoise.audit.verification.record import VerificationSettings
from equipoise.audit.verification.run import audit_verification
from equipoise.classifiers import ClassifierPanel
from equipoise.core.errors import InputError
from equipoise.core.records import read_record
from tests.audit.conftest import Erring
from tests.builders.command_line import Done

BY = ("smiling", "skin_tone")


@pytest.fixture(scope="module")
def audits(
    material: AuditImages, toy_panel: ClassifierPanel, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    home = tmp_path_factory.mktemp("audits")
    settings = AuditSettings(attribute="smiling", by=BY, reference="label")
    model = Erring(toy_panel, [0.0, 0.0, 0.5, 0.0, 0.0, 0.0])
    audit_classifier(model, material, home / "classifier", settings)
    rng = np.random.default_rng(0)
    cost = Asking(role="model", name="truth.csv", asked=0, kept=240, failed=0, seconds=0.0)
    truth = Ages("truth.csv", "0" * 64, rng.uniform(10, 60, 240), cost)
    audit_age(truth, truth, material, home / "age", AgeSettings(by=BY, reference="truth.csv"))
    vectors = rng.normal(size=(240, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    described = Descriptors("mine", "0" * 64, vectors)
    verify = VerificationSettings(by=BY, fmr=0.01)
    audit_verification(described, material, home / "verification", verify)
    return home


@pytest.mark.parametrize("form", list(FORMS))
@pytest.mark.parametrize("kind", ["classifier", "age", "verification"])
def test_each_form_is_filled_from_each_audit_and_says_what_is_open(
    audits: Path, form: str, kind: str, tmp_path: Path
) -> None:
    found = write_document(audits / kind, form, None, tmp_path / "document.html")
    page = (tmp_path / "document.html").read_text()
    assert found.facts.verdict in page
    assert found.open
    for field in found.open:
        assert f"<code>{field.key}</code>" in page
    assert page.count("Not in the record of the audit.") == len(found.open)
    assert f"{len(found.open)} of {len(found.form.keys)} fields are open" in page
    assert "smiling=no, skin_tone=dark" in page
    assert len(set(found.form.keys)) == len(found.form.keys)


def test_a_user_fills_what_no_audit_knows(audits: Path, tmp_path: Path) -> None:
    given = tmp_path / "given.toml"
    given.write_text('purpose = "Counts smiles in a <shop>."\nlimits = "Not for the night."\n')
    open_before = write_document(audits / "age", "model-card", None, tmp_path / "a.html").open
    found = write_document(audits / "age", "model-card", given, tmp_path / "b.html")
    assert len(found.open) == len(open_before) - 1
    page = (tmp_path / "b.html").read_text()
    assert "Counts smiles in a &lt;shop&gt;." in page
    assert page.index("Not for the night.") < page.rindex(found.facts.caveats[0])
    given.write_text('colour = "red"\n')
    with pytest.raises(InputError, match="colour must be one of model, developer"):
        write_document(audits / "age", "model-card", given, tmp_path / "c.html")


def test_faults_are_named(audits: Path, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match="must be one of annex-iv, iso-19795-10, ll144, model-card"
    ):
        write_document(audits / "age", "annex-v", None, tmp_path / "a.html")
    with pytest.raises(InputError, match="must hold one of audit"):
        write_document(tmp_path, "annex-iv", None, tmp_path / "a.html")


def test_the_command_says_what_is_open(
    audits: Path, cli: Callable[..., Done], tmp_path: Path
) -> None:
    out = tmp_path / "iso.html"
    form = ("--form", "iso-19795-10")
    done = cli("audit", "document", str(audits / "verification"), *form, "--out", str(out))
    assert "8 of 14 fields are filled" in " ".join(done.stdout.split())
    assert "mated" in done.stdout
    assert out.is_file()


def test_selection_rates_are_those_of_the_table_and_an_age_has_none(
    audits: Path, tmp_path: Path
) -> None:
    found = write_document(audits / "classifier", "ll144", None, tmp_path / "a.html")
    page = (tmp_path / "a.html").read_text()
    audit = read_record(audits / "classifier" / "audit.json", ClassifierAudit, "", what="audit")
    for level in audit.levels:
        for row in to_rows(impacts(audit, level)):
            assert row[4] in page, "the selection rate with its interval"
    assert {field.key for field in found.open} == {"date", "auditor", "distributed"}
    of_age = write_document(audits / "age", "ll144", None, tmp_path / "b.html")
    assert "selection" in {field.key for field in of_age.open}
