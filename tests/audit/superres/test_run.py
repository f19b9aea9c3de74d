import dataclasses
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from equipoise.audit.images import AuditImages
from equipoise.audit.superres.models import open_super_resolution_model
from equipoise.audit.superres.record import SuperresAudit, SuperresSettings
from equipoise.audit.superres.run import audit_superres
from equipoise.classifiers import ClassifierPanel, Prediction
from equipoise.classifiers.base import FAILED, NO_FACE
from equipoise.classifiers.toy import ToyClassifier
from equipoise.core.errors import InputError, RemoteError
from equipoise.core.records import read_record, to_json
from equipoise.generators.toy import ToyGenerator
from tests.audit.superres.conftest import Oracle
from tests.builders.schemas import assert_valid

SETTINGS = SuperresSettings(model="oracle", attributes=("smiling", "skin_tone"), factor=2)
BAD = 3


def test_a_faithful_model_has_no_issue(
    exact: Oracle, material: AuditImages, toy_panel: ClassifierPanel, folder: Path
) -> None:
    found = audit_superres(exact, material, toy_panel, folder, SETTINGS)
    assert not any(check.outcome == "issue" for check in found.checks)
    assert [group.flips.count for group in found.flips[0].groups] == [0] * 6
    assert all(near.ssim.value == pytest.approx(1) for near in found.fidelity)
    assert all(near.inconsistency.value == 0 for near in found.fidelity)
    assert all(np.isnan(near.diversity.value) for near in found.fidelity)


def test_the_bad_cell_is_an_issue_with_the_flips_that_were_made(
    material: AuditImages, toy_panel: ClassifierPanel, folder: Path
) -> None:
    model = Oracle(material, {BAD: 0.3}, 0)
    found = audit_superres(model, material, toy_panel, folder, SETTINGS)
    cell = toy_panel.grid.cells[BAD]
    issues = {check.check_id for check in found.checks if check.outcome == "issue"}
    assert {"flip_gap:cells", f"flip_beyond_reencoding:{cell}"} <= issues
    worst = found.flips[0].groups[BAD]
    made = sum(
        np.random.default_rng([0, i]).random() < 0.3
        for i in np.flatnonzero(material.grid.cell_of(material.levels) == BAD)
    )
    assert worst.flips.count == made
    assert worst.flips.estimate.low <= 0.3 <= worst.flips.estimate.high
    assert [toward.name for toward in worst.toward] == [toy_panel.grid.cells[0]]
    assert (found.triplets[0].cell, found.triplets[0].count) == (cell, made)
    flips = [became != cell for became in found.triplets[0].became]
    assert flips == [True] * min(made, 12) + [False] * max(12 - made, 0)
    stored = read_record(folder / "superres.json", SuperresAudit, "")
    assert to_json(stored) == to_json(found)
    assert_valid(folder / "superres.json", "superres")
    assert found.triplets[0].cell in found.plot()._repr_svg_()
    report = (folder / "superres.html").read_text()
    assert found.verdict in report
    assert f"{made} of 40 flip; flips come first" in report
    assert "do not certify" in report
    assert "It knows the originals." in report


def test_an_audit_goes_on_and_says_the_same(
    material: AuditImages, toy_panel: ClassifierPanel, folder: Path
) -> None:
    model = Oracle(material, {BAD: 0.3}, 0)
    settings = dataclasses.replace(
        SETTINGS, restarts=2, per_cell=10, attributes=("smiling",), ignore=("abstentions",)
    )
    first = audit_superres(model, material, toy_panel, folder, settings)
    again = audit_superres(model, material, toy_panel, folder, settings)
    assert model.restored == 40
    assert first.n == 20
    assert all(cost.asked == 0 for cost in again.costs)
    assert again.checks == first.checks
    assert again.fidelity == first.fidelity
    assert {c.check_id: c.outcome for c in again.checks}["abstentions"] == "ignored"
    assert len(again.flips) == 1
    assert all(near.diversity.value >= 0 for near in again.fidelity)


class OutOfReach(ToyClassifier):
    """A service that fails on all images but some."""

    answered: frozenset[bytes]
    level = FAILED

    def predict(self, images: NDArray[np.uint8]) -> tuple[Prediction, ...]:
        lost = np.array([image.tobytes() not in self.answered for image in images])
        return tuple(
            dataclasses.replace(told, levels=np.where(lost, np.int8(self.level), told.levels))
            for told in super().predict(images)
        )


def test_images_that_the_panel_could_not_be_asked_about_are_told(
    exact: Oracle, material: AuditImages, toy: ToyGenerator, folder: Path
) -> None:
    classifier = OutOfReach(toy, ["smiling", "skin_tone"])
    originals = material.images(range(len(material)))
    classifier.answered = frozenset(image.tobytes() for image in originals)
    panel = ClassifierPanel([classifier], ["smiling", "skin_tone"])
    settings = dataclasses.replace(SETTINGS, per_cell=10)
    found = audit_superres(exact, material, panel, folder, settings)
    told = {check.check_id: check for check in found.checks}
    assert told["failures"].outcome == "tip"
    # Originals and restored images are the same; those through JPEG fail.
    assert "60 of 180 have no answer" in told["failures"].words


def test_a_restored_image_without_a_face_is_a_failure(
    material: AuditImages, toy: ToyGenerator, folder: Path
) -> None:
    classifier = OutOfReach(toy, ["smiling", "skin_tone"])
    classifier.level = NO_FACE
    originals = material.images(range(len(material)))
    classifier.answered = frozenset(
        image.tobytes() for row, image in enumerate(originals) if row % 20
    )
    panel = ClassifierPanel([classifier], ["smiling", "skin_tone"])
    found = audit_superres(Oracle(material, {}, 0), material, panel, folder, SETTINGS)
    told = {check.check_id: check for check in found.checks}
    assert told["abstentions"].words == "It abstains on 0 of 240."
    assert "of them no face was found" in told["failures"].words
    assert "asked again" not in told["failures"].words


def test_failures_are_neither_abstentions_nor_another_panel(
    material: AuditImages, toy: ToyGenerator, folder: Path
) -> None:
    classifier = OutOfReach(toy, ["smiling", "skin_tone"])
    originals = material.images(range(len(material)))
    # One original in twenty fails, and so does what is restored of it.
    classifier.answered = frozenset(
        image.tobytes() for row, image in enumerate(originals) if row % 20
    )
    panel = ClassifierPanel([classifier], ["smiling", "skin_tone"])
    found = audit_superres(Oracle(material, {}, 0), material, panel, folder, SETTINGS)
    told = {check.check_id: check for check in found.checks}
    assert told["abstentions"].words == "It abstains on 0 of 240."
    assert sum(group.unknown for group in found.flips[0].groups) == 12
    classifier.answered = frozenset()
    with pytest.raises(RemoteError, match="no prediction for any of 240"):
        audit_superres(Oracle(material, {}, 0), material, panel, folder / "other", SETTINGS)


def test_another_panel_than_the_one_that_verified_is_told(
    exact: Oracle, material: AuditImages, toy_panel: ClassifierPanel, folder: Path
) -> None:
    unsure = ClassifierPanel(toy_panel.classifiers, toy_panel.grid.names, abstain_below=0.7)
    found = audit_superres(exact, material, unsure, folder, SETTINGS)
    assert any("not the one that verified" in caveat for caveat in found.caveats)
    own = audit_superres(exact, material, toy_panel, folder, SETTINGS)
    assert not any("not the one that verified" in caveat for caveat in own.caveats)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tolerance": 1.0}, r"tolerance must be in .* got 1.0"),
        ({"factor": 4}, "must be that of oracle, 2, got 4"),
        ({"restarts": 0}, "restarts must be .* at least 1, got 0"),
        ({"per_cell": 0}, "per_cell must be .* at least 1, got 0"),
        ({"attributes": ("hat",)}, "must be one of smiling, skin_tone, got hat"),
    ],
)
def test_bad_settings_are_named_before_anything_is_restored(
    changes: dict[str, object],
    said: str,
    exact: Oracle,
    material: AuditImages,
    toy_panel: ClassifierPanel,
    folder: Path,
) -> None:
    with pytest.raises(InputError, match=said):
        audit_superres(exact, material, toy_panel, folder, dataclasses.replace(SETTINGS, **changes))
    assert exact.restored == 0


def test_a_model_without_chance_is_tried_once(
    material: AuditImages, toy_panel: ClassifierPanel, folder: Path
) -> None:
    settings = dataclasses.replace(SETTINGS, restarts=2)
    with pytest.raises(InputError, match="must be 1 for bicubic"):
        audit_superres(
            open_super_resolution_model("bicubic", 2), material, toy_panel, folder, settings
        )


def test_images_that_another_panel_verified_are_refused(
    exact: Oracle, material: AuditImages, toy: ToyGenerator, folder: Path
) -> None:
    other = ToyClassifier(toy, ["smiling", "skin_tone"], confusion={"smiling": np.eye(2)[::-1]})
    panel = ClassifierPanel([other], ["smiling", "skin_tone"])
    with pytest.raises(InputError, match=r"verified by this panel, .* got 0\.0%"):
        audit_superres(exact, material, panel, folder, SETTINGS)
    assert exact.restored == 0
