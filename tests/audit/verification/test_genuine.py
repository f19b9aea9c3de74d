"""False non-matches between photographs of one person, where their rate is planted."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from equipoise.audit.documents.document import write_document
from equipoise.audit.images import AuditImages
from equipoise.audit.labelled_photographs import read_people
from equipoise.audit.verification.descriptors import Descriptors
from equipoise.audit.verification.genuine import Genuine, false_non_matches
from equipoise.audit.verification.record import VerificationAudit, VerificationSettings
from equipoise.audit.verification.run import audit_verification
from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.records import read_record
from equipoise.stats.pairs import clustered_rate
from tests.builders.schemas import assert_valid

SETTINGS = VerificationSettings(by=("smiling", "skin_tone"), fmr=0.01)
MATCH = 0.5
SIZE = 24


def _some(rng: np.random.Generator, people: int) -> NDArray[np.int64]:
    return rng.integers(2, 6, people)


def _unequal(rng: np.random.Generator, people: int) -> NDArray[np.int64]:
    return np.maximum(2, np.exp(rng.normal(1.5, 1, people))).astype(np.int64)


def _two_have_most(rng: np.random.Generator, people: int) -> NDArray[np.int64]:
    return np.array([100, 100, *rng.integers(2, 6, people - 2)])


@pytest.mark.parametrize("photographs", [_some, _unequal, _two_have_most])
@pytest.mark.parametrize(("people", "rate", "alike"), [(40, 0.3, 0.3), (200, 0.05, 0.1)])
def test_intervals_cover_where_the_pairs_of_a_person_are_alike(
    people: int, rate: float, alike: float, photographs: Callable[..., NDArray[np.int64]]
) -> None:
    covered = naive = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        each = photographs(rng, people)
        pairs = each * (each - 1) // 2
        own = rng.beta(rate * (1 / alike - 1), (1 - rate) * (1 / alike - 1), people)
        share = clustered_rate("all", rng.binomial(pairs, own), pairs)
        covered += share.low <= rate <= share.high
        wrong = np.sqrt(share.share * (1 - share.share) / share.n) * 1.96
        naive += abs(share.share - rate) <= wrong
    assert covered >= 368
    assert naive < covered


def test_rates_of_few_people_are_not_made_sure() -> None:
    none = clustered_rate("none", np.array([], np.int64), np.array([], np.int64))
    assert np.isnan(none.share)
    one = clustered_rate("one", np.array([1]), np.array([3]))
    assert (one.low, one.high) == (0.0, 1.0)
    alike = clustered_rate("alike", np.ones(20, np.int64), np.full(20, 2))
    assert alike.effective <= 40


def _people(folder: Path, each: int, people: int = 60) -> Path:
    """Write photographs of people of two cells, and return their table."""
    folder.mkdir()
    lines = ["file_name,person,smiling,skin_tone"]
    for k in range(people * each):
        image = np.random.default_rng(k).integers(0, 255, (4, 4, 3)).astype(np.uint8)
        Image.fromarray(image).save(folder / f"{k}.png")
        tone = ("light", "dark")[k // each % 2]
        lines.append(f"{k}.png,p{k // each},yes,{tone}")
    table = folder / "people.csv"
    table.write_text("\n".join(lines))
    return table


def _vectors(people: NDArray[np.int64], hard: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return descriptors of which those of the hard people vary more."""
    rng = np.random.default_rng(0)
    faces = rng.normal(size=(people.max() + 1, SIZE))
    noise = rng.normal(size=(len(people), SIZE)) * np.where(hard, 1.3, 0.4)[:, None]
    vectors = faces[people] + noise
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def test_the_cell_whose_people_are_not_known_again_is_found(
    material: AuditImages, tmp_path: Path
) -> None:
    people = read_people(_people(tmp_path / "photos", 4), material.grid)
    hard = people.images.cells == material.grid.index("smiling=yes, skin_tone=dark")
    vectors = _vectors(people.person, hard)
    missing = np.zeros(len(vectors), bool)
    missing[:2] = True
    vectors[missing] = np.nan
    genuine = Genuine(people, Descriptors("mine", "1" * 64, vectors))

    rng = np.random.default_rng(1)
    faces = rng.normal(size=(len(material), SIZE))
    faces /= np.linalg.norm(faces, axis=1, keepdims=True)
    impostors = Descriptors("mine", "1" * 64, np.asarray(faces, np.float32))
    audit = audit_verification(impostors, material, tmp_path, SETTINGS, genuine=genuine)

    checks = {check.check_id: check for check in audit.checks}
    assert checks["false_non_match_gap:cells"].outcome == "issue"
    assert "smiling=yes, skin_tone=dark" in checks["false_non_match_gap:cells"].words
    known = audit.genuine
    assert known is not None
    assert (known.people, known.failed) == (60, 2)
    assert known.images.n == 240
    # By hand: the pairs of each person, without the two photographs that have no descriptor.
    missed = pairs = 0
    for person in range(60):
        own = vectors[(people.person == person) & ~missing]
        first, second = np.triu_indices(len(own), 1)
        missed += int(((own @ own.T)[first, second] < audit.threshold).sum())
        pairs += len(first)
    assert (known.overall.count, known.overall.n) == (missed, pairs)
    assert known.table is not None
    assert sum(rate.n for rate in known.table.rates) == pairs
    assert read_record(tmp_path / "verification.json", VerificationAudit, "").genuine == known
    assert_valid(tmp_path / "verification.json", "verification")
    page = (tmp_path / "verification.html").read_text()
    assert "False non-matches: cells of photographs" in page
    assert "240 photographs of 60 people" in page
    assert "is not measured" not in page
    rows = [row for row in audit.shares() if row[2] == "false non-matches"]
    assert [row[1] for row in rows] == [rate.name for rate in known.table.rates]

    document = write_document(tmp_path, "iso-19795-10", None, tmp_path / "iso.html")
    assert "mated" not in {field.key for field in document.open}
    (cells, _), of_false_matches = document.facts.mated, document.facts.tables
    assert cells.header[1] == "false non-matches"
    assert [row[1] for row in cells.rows] == [f"{rate.count:,}" for rate in known.table.rates]
    assert {table.header[1] for table in of_false_matches[:-1]} == {"false matches"}
    assert audit.images is not None
    assert audit.images.digest in (tmp_path / "iso.html").read_text()


def test_pairs_over_two_cells_count_in_all_alone(material: AuditImages, tmp_path: Path) -> None:
    table = _people(tmp_path / "photos", 2, people=3)
    text = table.read_text().replace("1.png,p0,yes,light", "1.png,p0,yes,dark")
    table.write_text(text)
    people = read_people(table, material.grid)
    vectors = _vectors(people.person, np.zeros(6, bool))
    overall, cells = false_non_matches(
        Genuine(people, Descriptors("mine", "", vectors)), material.grid, MATCH
    )
    assert overall.n == 3
    assert sum(share.n for share in cells) == 2


def test_descriptors_of_another_width_are_refused(material: AuditImages, tmp_path: Path) -> None:
    people = read_people(_people(tmp_path / "photos", 2, people=4), material.grid)
    vectors = _vectors(people.person, np.zeros(8, bool))
    other = Genuine(people, Descriptors("other", "", vectors[:, :5]))
    faces = np.random.default_rng(1).normal(size=(len(material), SIZE)).astype(np.float32)
    with pytest.raises(InputError, match=f"must have {SIZE} numbers, as those of the generated"):
        audit_verification(
            Descriptors("mine", "", faces), material, tmp_path, SETTINGS, genuine=other
        )


def test_tables_without_pairs_of_one_person_are_refused(
    material: AuditImages, tmp_path: Path
) -> None:
    people = read_people(_people(tmp_path / "photos", 1, people=4), material.grid)
    alone = Genuine(people, Descriptors("mine", "", _vectors(people.person, np.zeros(4, bool))))
    with pytest.raises(InputError, match="nobody on two"):
        false_non_matches(alone, material.grid, MATCH)
    table = tmp_path / "photos" / "people.csv"
    table.write_text(table.read_text().replace("person", "somebody"))
    with pytest.raises(FileFormatError, match="'person' once"):
        read_people(table, material.grid)
    table.write_text("file_name,person,smiling,skin_tone\n../a.png,p,yes,dark\n")
    with pytest.raises(FileFormatError, match="must lie in the folder"):
        read_people(table, material.grid)
