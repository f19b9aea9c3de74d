"""False matches on photographs beside those of generated faces, where a difference is planted."""

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from equipoise.audit.images import AuditImages
from equipoise.audit.labelled_photographs import People, read_people
from equipoise.audit.photographs.grid import grid_of
from equipoise.audit.photographs.matches import (
    agreements_of_matches,
    audit_match_photographs,
    match_checks,
)
from equipoise.audit.photographs.record import MatchPhotographsAudit, MatchPhotographsSettings
from equipoise.audit.verification.descriptors import Descriptors
from equipoise.audit.verification.record import VerificationAudit, VerificationSettings
from equipoise.audit.verification.run import audit_verification
from equipoise.core.errors import InputError
from equipoise.core.records import read_record, to_json
from tests.builders.command_line import Done
from tests.builders.schemas import assert_valid

BY = ("smiling", "skin_tone")
NEAR = 3
THRESHOLD = 0.6
DIMENSIONS = 12


def vectors(cells: NDArray[np.int64], excess: float, seed: int) -> NDArray[np.float32]:
    """Return descriptors, those of one cell nearer together by an excess."""
    drawn = np.random.default_rng(seed).normal(size=(len(cells), DIMENSIONS))
    drawn[cells == NEAR] += excess * np.eye(DIMENSIONS)[0]
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True), np.float32)


def described(images: AuditImages, excess: float, seed: int) -> Descriptors:
    return Descriptors("mine", "0" * 64, vectors(images.cells, excess, seed))


def audited(images: AuditImages, folder: Path, excess: float, seed: int) -> VerificationAudit:
    settings = VerificationSettings(by=BY, fmr=0.01)
    return audit_verification(
        described(images, excess, seed), images, folder, settings, threshold=THRESHOLD
    )


def settings_of(audit: VerificationAudit) -> MatchPhotographsSettings:
    return MatchPhotographsSettings(by=BY, threshold=audit.threshold, side=32)


@pytest.fixture
def labels(material: AuditImages, tmp_path: Path) -> Path:
    """The toy's faces as photographs of people, each tenth of whom is on two."""
    table = tmp_path / "labels.csv"
    with table.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file_name", *material.grid.names, "person"])
        for i, (name, levels) in enumerate(zip(material.files, material.levels, strict=True)):
            words = [a.levels[k] for a, k in zip(material.grid.attributes, levels, strict=True)]
            rows.writerow([name, *words, f"person {i - (i % 10 == 9)}"])
    return table


def people(material: AuditImages, labels: Path, audit: VerificationAudit) -> People:
    return read_people(labels, grid_of(audit), 32, folder=material.folder)


def test_a_cell_whose_faces_are_more_alike_than_people_is_named(
    material: AuditImages, labels: Path, tmp_path: Path
) -> None:
    synthetic = audited(material, tmp_path / "synthetic", 3.0, seed=1)
    of_people = people(material, labels, synthetic)
    photographs = of_people.one_each()
    assert len(photographs) == len(np.unique(of_people.person)) == len(material) * 9 // 10
    given = described(photographs, 0.0, seed=2)
    settings = settings_of(synthetic)
    found = audit_match_photographs(synthetic, given, photographs, tmp_path / "out", settings)

    checks = {check.check_id: check for check in found.checks}
    assert checks["agreement:cells"].outcome == "issue"
    assert material.grid.cells[NEAR] in checks["agreement:cells"].words
    assert {"ranks:cells", "ranks:pairs_of_cells"} <= set(checks)
    assert [part.where for part in found.agreements] == [
        "all pairs",
        "cells",
        *BY,
        "pairs of cells",
    ]
    near = {pair.name: pair for pair in found.agreements[1].pairs}[material.grid.cells[NEAR]]
    assert near.ratio.high < 1
    stored = read_record(
        tmp_path / "out" / "photographs-verification.json", MatchPhotographsAudit, ""
    )
    assert to_json(stored) == to_json(found)
    assert_valid(tmp_path / "out" / "photographs-verification.json", "photographs-verification")
    page = (tmp_path / "out" / "photographs-verification.html").read_text()
    assert found.verdict in page
    assert "pairs of photographs" in page
    real = (tmp_path / "out" / "real" / "verification.html").read_text()
    assert "photographs of two people" in real
    assert "The images are synthetic" not in real
    other = replace(given, digest="1" * 64)
    with pytest.raises(InputError, match="must be that of the stored audit, mine"):
        audit_match_photographs(synthetic, other, photographs, tmp_path / "out", settings)
    wrong = replace(settings, ratio=0.5)
    with pytest.raises(InputError, match="ratio must be at least 1"):
        audit_match_photographs(synthetic, given, photographs, tmp_path / "out", wrong)


def test_intervals_of_ratios_cover_and_equal_faces_make_no_issue(
    material: AuditImages, tmp_path: Path
) -> None:
    def rate(excess: float) -> float:
        far = vectors(np.full(6000, NEAR), excess, 99)
        similar = far @ far.T >= THRESHOLD
        return float((similar.sum() - len(far)) / (len(far) * (len(far) - 1)))

    truth = rate(0.0) / rate(1.5)
    covered = total = issues = 0
    for seed in range(10):
        near, far, again = (
            audited(material, tmp_path, excess, 3 * seed + i)
            for i, excess in enumerate((1.5, 0.0, 0.0))
        )
        cells = agreements_of_matches(near, far, seed=seed)[1]
        for k, pair in enumerate(cells.pairs):
            covered += pair.ratio.low <= (truth if k == NEAR else 1.0) <= pair.ratio.high
            total += 1
        checks = match_checks(agreements_of_matches(far, again, seed=seed), 1.0)
        issues += any(check.outcome == "issue" for check in checks)
    assert covered / total >= 0.93
    assert issues <= 2


def test_the_command_compares_an_audit_of_verification(
    material: AuditImages, labels: Path, cli: Callable[..., Done], tmp_path: Path
) -> None:
    synthetic = audited(material, tmp_path / "verification", 3.0, seed=1)
    photographs = people(material, labels, synthetic).one_each()
    file = tmp_path / "vectors.npz"
    np.savez(
        file, file_name=np.array(photographs.files), descriptor=vectors(photographs.cells, 0.0, 2)
    )
    table = tmp_path / "rates.csv"
    done = cli(
        *("audit", "photographs", material.folder, "--side", 32, f"--labels={labels}"),
        *(f"--beside={tmp_path / 'verification'}", f"--model={file}", f"--table={table}"),
        f"--out={tmp_path / 'out'}",
    )
    assert "Rate of false matches:" in done.stdout
    assert "the word of who wrote the answers" in done.stdout
    assert (tmp_path / "out" / "photographs-verification.html").is_file()
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert {row["rate"] for row in rows} == {
        "false matches, generated images",
        "false matches, photographs",
    }
