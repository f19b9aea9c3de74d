"""Flips of restored photographs beside those of generated images, where an excess is planted."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from equipoise.audit.images import AuditImages
from equipoise.audit.labelled_photographs import read_photographs
from equipoise.audit.photographs.flips import audit_flip_photographs
from equipoise.audit.photographs.grid import grid_of
from equipoise.audit.photographs.record import FlipPhotographsAudit, FlipPhotographsSettings
from equipoise.audit.superres.record import SuperresAudit, SuperresSettings
from equipoise.audit.superres.run import audit_superres
from equipoise.classifiers import ClassifierPanel
from equipoise.classifiers.toy import ToyClassifier
from equipoise.core.errors import InputError
from equipoise.core.records import read_record, to_json
from equipoise.generators.toy import ToyGenerator
from tests.audit.superres.conftest import Oracle
from tests.builders.schemas import assert_valid

BY = ("smiling", "skin_tone")
BAD = 3
SIDE = 32
SETTINGS = FlipPhotographsSettings(attributes=BY, side=SIDE)


@pytest.fixture
def labels(material: AuditImages, tmp_path: Path) -> Path:
    """The toy's faces as photographs, of which every twentieth has a wrong label."""
    table = tmp_path / "labels.csv"
    with table.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file_name", *material.grid.names])
        for i, (name, levels) in enumerate(zip(material.files, material.levels, strict=True)):
            given = [*levels]
            given[0] = 1 - given[0] if i % 20 == 0 else given[0]
            words = [a.levels[k] for a, k in zip(material.grid.attributes, given, strict=True)]
            rows.writerow([name, *words])
    return table


def stored(
    model: Oracle, material: AuditImages, panel: ClassifierPanel, folder: Path
) -> SuperresAudit:
    settings = SuperresSettings(model="oracle", attributes=BY, factor=2)
    return audit_superres(model, material, panel, folder, settings)


def test_a_cell_that_flips_on_generated_images_alone_is_named(
    material: AuditImages,
    toy_panel: ClassifierPanel,
    labels: Path,
    tmp_path: Path,
) -> None:
    synthetic = stored(Oracle(material, {BAD: 0.6}, 0), material, toy_panel, tmp_path / "stored")
    photographs = read_photographs(material.folder, labels, toy_panel.grid, SIDE)
    exact = Oracle(material, {}, 0)
    with pytest.raises(InputError, match="must be that of the stored audit, oracle"):
        audit_flip_photographs(synthetic, exact, toy_panel, photographs, tmp_path / "out", SETTINGS)
    exact.digest = synthetic.models[0].digest
    given = (toy_panel, photographs, tmp_path / "out", SETTINGS)
    found = audit_flip_photographs(synthetic, exact, *given)
    checks = {check.check_id: check for check in found.checks}
    assert checks["agreement:cells"].outcome == "issue"
    assert material.grid.cells[BAD] in checks["agreement:cells"].words
    assert "rates of flips" in checks["agreement:cells"].title
    assert (found.left_out, found.real_n) == (12, 228)
    assert "12 of 240 photographs are left out" in " ".join(found.caveats)
    assert [part.where for part in found.agreements] == ["cells", *BY]
    pair = {pair.name: pair for pair in found.agreements[0].pairs}[material.grid.cells[BAD]]
    assert pair.difference.high < 0 == pair.real.count
    record = read_record(tmp_path / "out" / "photographs-superres.json", FlipPhotographsAudit, "")
    assert to_json(record) == to_json(found)
    assert_valid(tmp_path / "out" / "photographs-superres.json", "photographs-superres")
    page = (tmp_path / "out" / "photographs-superres.html").read_text()
    assert found.verdict in page
    assert "flips of photographs" in page
    assert "The images are synthetic" not in (tmp_path / "out/real/superres.html").read_text()

    alike = Oracle(material, {BAD: 0.6}, 0)
    again = audit_flip_photographs(
        synthetic, alike, toy_panel, photographs, tmp_path / "again", replace(SETTINGS, seed=1)
    )
    outcomes = {check.check_id: check.outcome for check in again.checks}
    assert outcomes["agreement:cells"] != "issue"
    other = ClassifierPanel([ToyClassifier(ToyGenerator(curvature=0.3), BY)], BY)
    with pytest.raises(InputError, match="panel must be of the stored audit"):
        audit_flip_photographs(synthetic, exact, other, *given[1:])


def test_labels_are_compared_with_the_panel_level_by_level(
    material: AuditImages, toy_panel: ClassifierPanel, labels: Path, tmp_path: Path
) -> None:
    """Also where the stored audit had no image of a level in the middle."""
    some = material.take(np.flatnonzero(material.levels[:, 1] != 1).tolist())
    synthetic = stored(Oracle(material, {}, 0), some, toy_panel, tmp_path / "stored")
    fewer = grid_of(synthetic)
    assert fewer.attributes != toy_panel.grid.attributes
    exact = Oracle(material, {}, 0)
    photographs = read_photographs(material.folder, labels, toy_panel.grid, SIDE)
    found = audit_flip_photographs(
        synthetic, exact, toy_panel, photographs, tmp_path / "out", SETTINGS
    )
    assert found.left_out == 12
    other = replace(some, grid=fewer)
    with pytest.raises(InputError, match="must have the levels of the panel"):
        audit_flip_photographs(synthetic, exact, toy_panel, other, tmp_path / "out", SETTINGS)
