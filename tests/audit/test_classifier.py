from pathlib import Path

import numpy as np
import pytest

from equipoise.audit.classifier import audit_classifier
from equipoise.audit.images import AuditImages, draw_audit_images
from equipoise.audit.label_noise import ReferenceErrors
from equipoise.audit.record import AuditSettings, ClassifierAudit
from equipoise.classifiers import ClassifierPanel, open_classifier, open_panel
from equipoise.classifiers.models import Models
from equipoise.classifiers.toy import ToyClassifier
from equipoise.core.errors import InputError
from equipoise.core.records import read_record, to_json
from equipoise.core.targets import Target
from equipoise.generators import Generator
from equipoise.generators.toy import ToyGenerator
from equipoise.samplers.mixture import Mixture, MixtureSource
from equipoise.samplers.sampler import GeneratorRef, Sampler
from tests.audit.conftest import Erring
from tests.builders.schemas import assert_valid

SMILING = AuditSettings(attribute="smiling", by=("smiling", "skin_tone"), reference="label")
BAD = [0.0, 0.0, 0.0, 0.5, 0.0, 0.0]


def test_an_exact_model_has_no_error(
    material: AuditImages, toy: ToyGenerator, folder: Path
) -> None:
    found = audit_classifier(ToyClassifier(toy), material, folder, SMILING)
    assert not any(check.outcome == "issue" for check in found.checks)
    assert [group.error.count for group in found.breakdowns[0].groups] == [0] * 6
    assert found.wrong == ()


def test_the_bad_cell_is_an_issue_with_the_errors_that_were_made(
    material: AuditImages, toy_panel: ClassifierPanel, folder: Path
) -> None:
    model = Erring(toy_panel, BAD)
    grid = material.grid
    judged = ReferenceErrors(grid, np.zeros(grid.size, int), np.full(grid.size, 500))
    unknown = audit_classifier(model, material, folder, SMILING)
    assert {c.check_id: c.outcome for c in unknown.checks}["error_gap:cells"] == "undecided"
    found = audit_classifier(model, material, folder, SMILING, errors=judged)
    assert found.checks[0].check_id == "error_gap:cells"
    assert found.checks[0].outcome == "issue"
    (wrong,) = found.wrong
    answers = model.predict(material.images(range(240)))[0].levels
    made = answers != material.levels[:, 0]
    assert (wrong.cell, wrong.count) == (toy_panel.grid.cells[3], made.sum())
    assert (folder / "pictures" / wrong.picture).is_file()
    assert found.breakdowns[0].groups[0].name in found.plot()._repr_svg_()
    stored = read_record(folder / "audit.json", ClassifierAudit, "")
    assert to_json(stored) == to_json(found)
    assert_valid(folder / "audit.json", "audit")
    report = (folder / "audit.html").read_text()
    assert found.verdict in report
    assert f"wrong on {wrong.count} of 40" in report
    assert "do not certify" in report


def test_an_audit_goes_on_and_says_the_same(
    material: AuditImages, toy_panel: ClassifierPanel, folder: Path
) -> None:
    model = Erring(toy_panel, BAD)
    first = audit_classifier(model, material, folder, SMILING)
    again = audit_classifier(model, material, folder, SMILING)
    assert model.questions == 240
    assert (again.costs[0].asked, again.costs[0].kept) == (0, 240)
    assert again.checks == first.checks


def test_a_reference_is_asked_likewise_and_words_are_mapped(
    material: AuditImages, toy: ToyGenerator, toy_panel: ClassifierPanel, folder: Path
) -> None:
    model = Erring(toy_panel, BAD, ("frown", "grin"))
    settings = AuditSettings(
        attribute="smiling",
        by=("skin_tone",),
        reference="toy",
        map="grin=yes, *=no",
        ignore=("balance",),
    )
    found = audit_classifier(
        model, material, folder, settings, reference=ToyClassifier(toy, ["smiling"])
    )
    rates = {group.name: group.error for group in found.breakdowns[0].groups}
    assert rates["skin_tone=dark"].count > 0
    assert rates["skin_tone=light"].count == 0
    assert [cost.role for cost in found.costs] == ["model", "reference"]
    assert {c.check_id: c.outcome for c in found.checks}["balance"] == "ignored"
    assert len(found.breakdowns) == 1


def test_without_a_reference_answers_are_compared(
    material: AuditImages, toy: ToyGenerator, folder: Path
) -> None:
    settings = AuditSettings(attribute="glasses", by=("skin_tone",), reference="none")
    found = audit_classifier(ToyClassifier(toy), material, folder, settings)
    outcomes = {check.check_id: check.outcome for check in found.checks}
    assert outcomes["answer_gap:cells:yes"] in ("tip", "passed")
    assert outcomes["error_gap:cells"] == "skipped"
    answers = ToyClassifier(toy, ["glasses"]).predict(material.images(range(240)))[0].levels
    dark = material.levels[:, 1] == 0
    told = found.breakdowns[0].groups[0].levels[0].answered
    assert told.estimate.value == pytest.approx(np.mean(answers[dark] == 1))


def test_the_pinned_classifier_agrees_with_itself_on_real_draws(
    real: Generator, folder: Path
) -> None:
    panel = open_panel(["gender"])
    one = Mixture(np.ones(1), np.zeros((1, real.dim)), np.eye(real.dim)[None])
    target = Target.uniform(panel.grid)
    sampler = Sampler(GeneratorRef.of(real), target, target.shares, MixtureSource((one, one)))
    drawn = draw_audit_images(sampler, Models(real, panel), 40, 0, folder / "material")
    settings = AuditSettings(attribute="gender", by=("gender",), reference="label")
    found = audit_classifier(open_classifier("pinned:gender"), drawn, folder, settings)
    assert [(g.n, g.error.count) for g in found.breakdowns[0].groups] == [(20, 0), (20, 0)]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tolerance": 1.0}, "tolerance must be in .* got 1.0"),
        ({"by": ("smiling", "smiling")}, "each named once"),
        ({"by": ("hat",)}, "must be one of smiling, skin_tone, got hat"),
        ({"reference": "other"}, "name of a classifier that is given"),
        ({"attribute": "hat"}, "got hat"),
        ({"map": "grin=yes"}, "got grin"),
    ],
)
def test_bad_settings_are_named_before_anything_is_asked(
    changes: dict[str, object],
    said: str,
    material: AuditImages,
    toy_panel: ClassifierPanel,
    folder: Path,
) -> None:
    model = Erring(toy_panel, BAD)
    with pytest.raises(InputError, match=said):
        audit_classifier(model, material, folder, AuditSettings(**{**vars(SMILING), **changes}))
    assert model.questions == 0


def test_a_second_opinion_that_departs_as_often_explains_the_gap(
    material: AuditImages, toy: ToyGenerator, toy_panel: ClassifierPanel, folder: Path
) -> None:
    model = Erring(toy_panel, BAD)
    agreeing = audit_classifier(model, material, folder, SMILING, second=ToyClassifier(toy))
    departing = audit_classifier(model, material, folder, SMILING, second=Erring(toy_panel, BAD))
    found = [{c.check_id: c.outcome for c in audit.checks} for audit in (agreeing, departing)]
    assert [f["error_gap:cells"] for f in found] == ["issue", "undecided"]
    noise = next(c for c in departing.checks if c.check_id == "label_noise:cells")
    assert "According to disagreement with erring, the reference errs on" in noise.words
    assert any("both share are not counted" in caveat for caveat in departing.caveats)
    with pytest.raises(InputError, match="second opinion must be the only judge of a reference"):
        none = AuditSettings(attribute="smiling", by=("smiling", "skin_tone"), reference="none")
        audit_classifier(model, material, folder, none, second=model)
