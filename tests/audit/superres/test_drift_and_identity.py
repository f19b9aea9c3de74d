"""Drift of scores and of identity, planted in one cell where no level changes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from equipoise.audit.images import AuditImages
from equipoise.audit.record import Asking
from equipoise.audit.superres.drift import find_drift
from equipoise.audit.superres.identity import DescribedFaces, compare_identity
from equipoise.audit.superres.record import SuperresSettings
from equipoise.audit.superres.run import audit_superres
from equipoise.audit.verification.descriptors import Descriptors
from equipoise.classifiers import ClassifierPanel
from equipoise.core.errors import FileFormatError, InputError
from equipoise.stats.group_gaps import holm
from tests.audit.superres.conftest import Oracle
from tests.builders.schemas import assert_valid

CELLS = np.repeat(np.arange(6), 60)
NAMES = tuple("abcdef")
SAME = np.ones(len(CELLS))
BAD = 3
COST = Asking(role="descriptors", name="planted", asked=0, kept=0, failed=0, seconds=0.0)


def corrected(checks: list) -> dict[str, str]:
    """Outcomes of checks, with p-values corrected over them alone."""
    made = [
        make(p) for (_, make), p in zip(checks, holm([p for p, _ in checks]).tolist(), strict=True)
    ]
    return {check.check_id: check.outcome for check in made}


def test_a_drift_in_one_cell_is_found_its_interval_covers_and_none_is_none() -> None:
    found = covered = false = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        before = rng.normal(35, 10, len(CELLS))
        for years in (5.0, 0.0):
            after = before + rng.normal(0, 3, len(CELLS)) + years * (CELLS == BAD)
            drifts, checks = find_drift({"age": before}, {"age": after}, NAMES, CELLS, SAME)
            outcomes = corrected(checks)
            if years:
                (drift,) = drifts
                moved = drift.cells[BAD].change
                found += outcomes["drift_gap:age"] == "issue"
                covered += moved.low <= years <= moved.high
                assert drift.deviation == pytest.approx(10, rel=0.2)
            else:
                false += "issue" in outcomes.values()
    assert (found, false) == (60, 0)
    assert covered >= 53


def described(rng: np.random.Generator, chance: float) -> DescribedFaces:
    """Faces of which those of one cell become another person's with a chance."""

    def unit(rows: NDArray[np.float64]) -> Descriptors:
        length = np.linalg.norm(rows, axis=1, keepdims=True)
        return Descriptors("planted", "0" * 64, (rows / length).astype(np.float32))

    one = rng.normal(size=(len(CELLS), 16))
    other = one + 0.2 * rng.normal(size=one.shape)
    swapped = (CELLS == BAD) & (rng.random(len(CELLS)) < chance)
    other[swapped] = rng.normal(size=(int(swapped.sum()), 16))
    return DescribedFaces(unit(one), unit(other), None, COST)


def test_faces_that_became_others_in_one_cell_are_found_and_their_rate_covered() -> None:
    found = covered = false = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        for chance in (0.3, 0.0):
            identity, checks = compare_identity(
                described(rng, chance),
                NAMES,
                CELLS,
                SAME,
                fmr=0.001,
                threshold=None,
                tolerance=0.05,
                seed=seed,
            )
            issues = {name for name, outcome in corrected(checks).items() if outcome == "issue"}
            if chance:
                other = identity.cells[BAD].other
                found += {"identity_gap:cells", "identity_distance_gap:cells"} <= issues
                covered += other.low <= chance <= other.high
                assert 0.5 < identity.threshold < 0.9
            else:
                false += bool(issues)
                assert identity.overall.other.count == 0
    assert (found, false) == (40, 0)
    assert covered >= 36


class Drifting(Oracle):
    """Restores faces of one cell as another face of that cell: the level stays, the person not."""

    def restore(self, low: NDArray[np.uint8], seed: int, index: NDArray[np.int64]) -> np.ndarray:
        found = super().restore(low, seed, index)
        for row, small in enumerate(low):
            if self._known[small.tobytes()][1] == BAD:
                found[row] = self._other
        return found


EMBED = """
import numpy as np

def embed(images):
    small = images[:, :, ::4, ::4].reshape(len(images), -1).astype(np.float32)
    return small - small.mean(axis=1, keepdims=True)
"""


def test_an_audit_finds_what_no_flip_shows_by_a_function_and_by_a_file(
    material: AuditImages,
    toy_panel: ClassifierPanel,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "embedded.py").write_text(EMBED)
    monkeypatch.syspath_prepend(str(tmp_path))
    settings = SuperresSettings(
        model="drifting",
        attributes=("smiling", "skin_tone"),
        factor=2,
        descriptors="embedded:embed",
        fmr=0.01,
    )
    found = audit_superres(Drifting(material, {}, BAD), material, toy_panel, folder, settings)
    assert all(group.flips.count == 0 for group in found.flips[0].groups)
    outcomes = {check.check_id: check.outcome for check in found.checks}
    assert outcomes["identity_gap:cells"] == "issue"
    assert found.identity is not None
    shares = [cell.other.share for cell in found.identity.cells]
    assert shares[BAD] > 0.5
    assert shares[:BAD] + shares[BAD + 1 :] == [0.0] * 5
    assert found.identity.cells[0].reencoded.value > 0
    assert [drift.attribute for drift in found.drift] == ["smiling", "skin_tone"]
    assert found.drift[0].cells[0].change.value == 0
    assert found.drift[0].cells[BAD].size.value > 0
    assert_valid(folder / "superres.json", "superres")
    report = (folder / "superres.html").read_text()
    assert "The same person?" in report
    assert "Drift of attributes" in report

    from embedded import embed  # type: ignore[import-not-found]

    from equipoise.labelling.picture import read_image

    files = sorted((folder / "restored").rglob("*.png"))
    names = [*material.files, *(file.relative_to(folder).as_posix() for file in files)]
    pictures = np.concatenate(
        [material.images(range(len(material))), np.stack([read_image(file) for file in files])]
    )
    vectors = tmp_path / "vectors.npz"
    np.savez(vectors, file_name=np.array(names), descriptor=embed(pictures))
    changed = dataclasses.replace(settings, descriptors=str(vectors))
    again = audit_superres(Drifting(material, {}, BAD), material, toy_panel, folder, changed)
    assert again.identity is not None
    assert [c.other for c in again.identity.cells] == [c.other for c in found.identity.cells]
    assert np.isnan(again.identity.overall.reencoded.value)
    costs = [(cost.asked, cost.kept) for cost in (found.costs[-1], again.costs[-1])]
    assert costs == [(681, 0), (0, 480)], "240, 201 different restored ones, 240; of a file nobody"

    np.savez(vectors, file_name=np.array(material.files), descriptor=embed(pictures[:240]))
    with pytest.raises(InputError, match="240 originals and 0 restored images"):
        audit_superres(Drifting(material, {}, BAD), material, toy_panel, folder, changed)
    np.savez(vectors, file_name=np.array(["other.png"]), descriptor=np.ones((1, 2)))
    with pytest.raises(FileFormatError, match="must be images of the set"):
        audit_superres(Drifting(material, {}, BAD), material, toy_panel, folder, changed)
    with pytest.raises(InputError, match="threshold must be in"):
        audit_superres(
            Drifting(material, {}, BAD), material, toy_panel, folder, changed, threshold=2.0
        )
