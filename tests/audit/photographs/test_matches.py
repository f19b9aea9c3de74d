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
from equipoise.audit.photographs.match_record import MatchPhotographsAudit, MatchPhotographsSettings
from equipoise.audit.photographs.matches import (
    agreements_of_matches,
    audit_match_photographs,
    match_checks,
)
from equipoise.audit.verification.descriptors import Descriptors
from equipoise.audit.verification.record import (
    MatchTable,
    VerificationAudit,
    VerificationSettings,
)
from equipoise.audit.verification.run import audit_verification
from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.estimates import Estimate
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
    photographs = of_people.images.take(of_people.first)
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


def test_photographs_without_a_match_are_no_sure_difference(
    material: AuditImages, tmp_path: Path
) -> None:
    """A few faces match many others: where none of them is on a photograph, no pair matches."""

    def lambs(seed: int) -> Descriptors:
        rng = np.random.default_rng(seed)
        found = rng.normal(size=(len(material), 64))
        alike = rng.random(len(material)) < 0.01
        found[alike] = 8 * found.mean(axis=0) + 0.05 * rng.normal(size=(alike.sum(), 64))
        return Descriptors("mine", "0" * 64, _unit(found))

    few = material.take([*range(0, len(material), 3)])
    issues = 0
    for seed in range(6):
        synthetic = audit_verification(
            lambs(seed), material, tmp_path, VerificationSettings(by=BY, fmr=0.005)
        )
        given = described(few, 0.0, seed)
        settings = replace(settings_of(synthetic), threshold=0.999)
        real = audit_verification(
            given, few, tmp_path, VerificationSettings(by=BY, fmr=np.nan), threshold=0.999
        )
        assert real.overall.count == 0
        cells = {table.where: table for table in real.tables}["cells"]
        assert all(rate.effective <= rate.n / 5 for rate in cells.rates)
        checks = match_checks(agreements_of_matches(synthetic, real), settings.ratio)
        issues += any(check.outcome == "issue" for check in checks)
    assert issues <= 1


def _unit(found: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)


def test_the_surest_of_infinite_ratios_is_named_and_names_of_pairs_have_no_order(
    material: AuditImages, tmp_path: Path
) -> None:
    synthetic = audited(material, tmp_path, 6.0, seed=1)
    real = audited(material, tmp_path, 0.0, seed=2)
    none = {"estimate": Estimate(0.0, 0.0, 0.01), "count": 0}

    def without_matches(table: MatchTable) -> MatchTable:
        turned = [" with ".join(reversed(rate.name.split(" with "))) for rate in table.rates]
        rates = zip(table.rates, turned, strict=True)
        return replace(table, rates=tuple(replace(rate, name=name, **none) for rate, name in rates))

    real = replace(real, tables=tuple(map(without_matches, real.tables)))
    found = agreements_of_matches(synthetic, real)
    assert not np.isnan([pair.p_value for part in found for pair in part.pairs]).any()
    words = {check.check_id: check.words for check in match_checks(found, 2.0)}
    assert f"of {material.grid.cells[NEAR]} 0" in words["agreement:cells"]


def test_an_audit_of_scores_and_one_photograph_of_two_people_are_refused(
    material: AuditImages, labels: Path, tmp_path: Path
) -> None:
    synthetic = replace(audited(material, tmp_path, 0.0, seed=1), cosines=False)
    with pytest.raises(InputError, match="must be an audit of descriptors"):
        audit_match_photographs(
            synthetic, described(material, 0.0, 2), material, tmp_path, settings_of(synthetic)
        )
    lines = labels.read_text().splitlines()
    name, _, rest = lines[1].partition(",")
    labels.write_text("\n".join([*lines, f"./{name},{rest}"]))
    with pytest.raises(FileFormatError, match="must name each file once"):
        people(material, labels, synthetic)
    (tmp_path / "faces").mkdir()
    for copy in ("a.png", "b.png"):
        (tmp_path / "faces" / copy).write_bytes((material.folder / name).read_bytes())
    words = rest.rpartition(",")[0]
    labels.write_text(f"{lines[0]}\na.png,{words},one\nb.png,{words},two")
    with pytest.raises(FileFormatError, match="must be of one person, but equals"):
        read_people(labels, grid_of(synthetic), 32, folder=tmp_path / "faces")


def test_the_command_compares_an_audit_of_verification(
    material: AuditImages, labels: Path, cli: Callable[..., Done], tmp_path: Path
) -> None:
    synthetic = audited(material, tmp_path / "verification", 3.0, seed=1)
    photographs = people(material, labels, synthetic).images
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
