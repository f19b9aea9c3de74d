"""Audits of face verification, where the excess of one cell is planted."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from equipoise.audit.images import AuditImages
from equipoise.audit.verification.describers import DescriberAddress
from equipoise.audit.verification.descriptors import (
    Descriptors,
    compute_descriptors,
    read_descriptors,
)
from equipoise.audit.verification.rates import Faces, discrepancy, garbe
from equipoise.audit.verification.record import VerificationAudit, VerificationSettings
from equipoise.audit.verification.run import audit_verification
from equipoise.audit.verification.spread import rates_together, spread_of
from equipoise.audit.verification.tables import match_tables
from equipoise.core.errors import FileFormatError, InputError, ModelOutputError
from equipoise.core.records import read_record, to_json
from equipoise.stats.shares import Share
from tests.builders.schemas import assert_valid

SETTINGS = VerificationSettings(by=("smiling", "skin_tone"), fmr=0.01)


def planted(material: AuditImages, seed: int, excess: float) -> NDArray[np.float32]:
    """Return vectors whose cell 3 lies nearer together than the others."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(len(material), 12))
    vectors[material.cells == 3] += excess * np.eye(12)[0]
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def test_the_planted_cell_is_found_and_in_its_absence_none(
    material: AuditImages, tmp_path: Path
) -> None:
    named = false = 0
    for seed in range(5):
        audits = [
            audit_verification(
                Descriptors("mine", "0" * 64, planted(material, seed, excess)),
                material,
                tmp_path / str(excess),
                SETTINGS,
            )
            for excess in (4.0, 0.0)
        ]
        outcomes = [{c.check_id: c.outcome for c in audit.checks} for audit in audits]
        gap = audits[0].tables[0].gap
        assert gap is not None
        named += (
            outcomes[0]["false_match_gap:cells"] == "issue"
            and gap.gap.highest == material.grid.cells[3]
        )
        false += "issue" in outcomes[1].values()
    assert named == 5
    assert false <= 1
    found = audits[0]
    stored = read_record(tmp_path / "4.0" / "verification.json", VerificationAudit, "")
    assert "false matches" in stored.plot(1)._repr_svg_()
    assert stored.verdict in stored._repr_html_()
    assert to_json(stored) == to_json(found)
    assert_valid(tmp_path / "4.0" / "verification.json", "verification")
    assert found.verdict in (tmp_path / "4.0" / "verification.html").read_text()
    assert found.overall.share == pytest.approx(0.01, abs=0.001)
    tables = [table.where for table in found.tables]
    assert tables == ["cells", "smiling", "skin_tone", "pairs of cells"]
    assert [len(table.rates) for table in found.tables] == [6, 2, 3, 15]


def test_faces_without_a_descriptor_are_failures_of_their_cell(
    material: AuditImages, tmp_path: Path
) -> None:
    vectors = planted(material, 0, 0.0)
    vectors[np.flatnonzero(material.cells == 2)[:20]] = np.nan
    found = audit_verification(Descriptors("mine", "0" * 64, vectors), material, tmp_path, SETTINGS)
    assert [share.count for share in found.failures] == [0, 0, 20, 0, 0, 0]
    assert {c.check_id: c.outcome for c in found.checks}["failure_gap:cells"] == "issue"


def test_a_rate_that_the_pairs_cannot_show_is_refused(
    material: AuditImages, tmp_path: Path
) -> None:
    settings = VerificationSettings(by=("skin_tone",), fmr=1e-5)
    descriptors = Descriptors("mine", "0" * 64, planted(material, 0, 0.0))
    with pytest.raises(InputError, match=r"must be at least 0\.00035 with 240 faces"):
        audit_verification(descriptors, material, tmp_path, settings)


def test_descriptors_come_from_a_file_or_a_function(
    material: AuditImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "embed.py").write_text(
        "import numpy as np\n"
        "def embed(images):\n"
        "    return images[:, :, ::8, ::8].reshape(len(images), -1).astype(np.float32)\n"
        "def wrong(images):\n"
        "    return np.ones(len(images))\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    computed = compute_descriptors(DescriberAddress("embed:embed"), material, tmp_path / "kept")
    assert np.linalg.norm(computed.vectors, axis=1) == pytest.approx(1, abs=1e-5)
    with pytest.raises(ModelOutputError, match="must be numbers of shape"):
        compute_descriptors(DescriberAddress("embed:wrong"), material, tmp_path / "kept")
    file = tmp_path / "vectors.npz"
    order = np.random.default_rng(0).permutation(len(material))[:200]
    names = np.array(material.files)[order]
    np.savez(file, file_name=names, descriptor=computed.vectors[order] * 5)
    read = read_descriptors(file, material)
    assert read.found.sum() == 200
    assert read.vectors[order] == pytest.approx(computed.vectors[order], abs=1e-6)


def test_foreign_descriptor_files_end_in_an_error(material: AuditImages, tmp_path: Path) -> None:
    file = tmp_path / "vectors.npz"
    with pytest.raises(FileFormatError):
        read_descriptors(file, material)
    names, vectors = np.array(material.files[:2]), np.ones((2, 3))
    for arrays in (
        {"file_name": names},
        {"file_name": names, "descriptor": vectors[:1]},
        {"file_name": names.astype(object), "descriptor": vectors},
        {"file_name": np.array(["a.png", "b.png"]), "descriptor": vectors},
        {"file_name": names[[0, 0]], "descriptor": vectors},
    ):
        np.savez(file, **arrays)
        with pytest.raises(FileFormatError):
            read_descriptors(file, material)
    file.write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(FileFormatError):
        read_descriptors(file, material)


def test_the_indices_of_equal_and_of_extreme_rates() -> None:
    assert (garbe([0.02, 0.02]), discrepancy([0.02, 0.02])) == (0.0, 1.0)
    assert discrepancy([0.0, 0.3]) == pytest.approx(0.7)
    assert np.isnan(garbe([0.0, 0.0]))


def test_a_rate_of_nothing_is_refused(material: AuditImages, tmp_path: Path) -> None:
    settings = VerificationSettings(by=("skin_tone",), fmr=0.0)
    descriptors = Descriptors("mine", "0" * 64, planted(material, 0, 0.0))
    with pytest.raises(InputError, match=r"fmr must be above 0 and below 1, got 0\.0"):
        audit_verification(descriptors, material, tmp_path, settings)


def test_the_pair_of_cells_with_the_excess_is_named(material: AuditImages) -> None:
    """benchmarks/audits.py has 200 seeds of it."""
    by, levels = material.restricted(SETTINGS.by)
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(len(material), 12))
    alike = np.isin(material.cells, (1, 4)) & (rng.random(len(material)) < 0.5)
    vectors[alike] = 4 * rng.normal(size=(5, 12))[rng.integers(0, 5, alike.sum())]
    vectors += 0.1 * rng.normal(size=vectors.shape)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    faces = Faces.of_vectors(by.cells, material.cells, vectors.astype(np.float32), material.weights)
    tables, failed = match_tables(faces, by, levels, 0.9, 1.0)
    gap = tables[-1].gap
    assert failed is None
    assert gap is not None
    assert gap.gap.highest == f"{by.cells[1]} with {by.cells[4]}"
    assert gap.p_value < 0.05


@pytest.mark.parametrize(
    ("true", "pairs"),
    [
        ((0.01,) * 6, 2000),
        ((0.005, 0.01, 0.02, 0.04), 3000),
        ((0.001,) * 5 + (0.004,), 2000),
        ((0.001,) * 5 + (0.004,), 10_000),
        ((0.05,) + (0.02,) * 5, 1000),
    ],
)
def test_intervals_of_garbe_and_the_discrepancy_cover(true: tuple[float, ...], pairs: int) -> None:
    rng, covered = np.random.default_rng(0), []
    for _ in range(100):
        rates = [
            Share.of(f"group={k}", int(count), pairs)
            for k, count in enumerate(rng.binomial(pairs, true))
        ]
        for measure in (garbe, discrepancy):
            found = spread_of(measure, rates, *rates_together(rates))
            covered.append(np.isnan(found.value) or found.low <= measure(true) <= found.high)
    assert np.mean(covered) >= 0.95, np.mean(covered)


def test_descriptors_that_say_nothing_are_refused(material: AuditImages, tmp_path: Path) -> None:
    same = np.ones((len(material), 4), np.float32)
    np.savez(tmp_path / "same.npz", file_name=np.array(material.files), descriptor=same)
    found = read_descriptors(tmp_path / "same.npz", material)
    settings = VerificationSettings(by=("skin_tone",), fmr=0.01)
    with pytest.raises(InputError, match="and differ, got the same of all faces"):
        audit_verification(found, material, tmp_path / "audit", settings)
