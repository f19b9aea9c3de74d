"""Recorded answers: what they say is what was planted, and what is wrong in them is named."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from equipoise.audit.answer_rows import name_of
from equipoise.audit.answers_file import read_answers
from equipoise.audit.blind_set import write_blind_set
from equipoise.audit.classifier import audit_classifier
from equipoise.audit.images import AuditImages
from equipoise.audit.record import AuditSettings
from equipoise.classifiers.base import FAILED, NO_FACE
from equipoise.core.errors import EquipoiseError, FileFormatError, InputError
from equipoise.samplers.sampler import Sampler

SMILING = AuditSettings(attribute="smiling", by=("smiling", "skin_tone"), reference="label")
LEVELS = ("no", "yes")
Rows = list[dict[str, Any]]


def rows_of(material: AuditImages) -> Rows:
    """Return right answers, by the names of the blind set."""
    return [
        {"file_name": name_of(digest), "label": LEVELS[levels[0]]}
        for digest, levels in zip(material.digests, material.levels, strict=True)
    ]


def write(path: Path, rows: Rows) -> Path:
    """Write rows in the format of the suffix."""
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return path


def test_an_audit_of_another_model_is_not_written_over(
    material: AuditImages, tmp_path: Path
) -> None:
    for name in ("first.csv", "second.csv"):
        write(tmp_path / name, rows_of(material))
    first, second = (read_answers(tmp_path / f"{n}.csv", "smiling") for n in ("first", "second"))
    audit_classifier(first, material, tmp_path / "audit", SMILING)
    kept = (tmp_path / "audit" / "audit.json").read_text()
    with pytest.raises(InputError, match=r"no audit of another model than second\.csv, got first"):
        audit_classifier(second, material, tmp_path / "audit", SMILING)
    assert (tmp_path / "audit" / "audit.json").read_text() == kept
    audit_classifier(first, material, tmp_path / "audit", SMILING)


def test_answers_to_other_images_are_as_often_wrong_as_guesses_and_that_is_said(
    material: AuditImages, tmp_path: Path
) -> None:
    rows = rows_of(material)
    labels = np.random.default_rng(0).permutation([row["label"] for row in rows])
    mixed = [{**row, "label": str(label)} for row, label in zip(rows, labels, strict=True)]
    for name, given, warned in (("right", rows, False), ("mixed", mixed, True)):
        file = read_answers(write(tmp_path / f"{name}.csv", given), "smiling", LEVELS)
        found = audit_classifier(file, material, tmp_path / name, SMILING)
        assert any("may only guess" in caveat for caveat in found.caveats) is warned


def test_the_audited_attribute_is_not_compared_with_itself(
    material: AuditImages, tmp_path: Path
) -> None:
    """That smiling faces are called smiling more often is no gap."""
    file = read_answers(write(tmp_path / "answers.csv", rows_of(material)), "smiling", LEVELS)
    found = audit_classifier(file, material, tmp_path / "audit", SMILING)
    ids = {check.check_id for check in found.checks if check.check_id.startswith("answer_gap")}
    assert ids == {"answer_gap:skin_tone:yes"}


def test_a_record_names_the_images(
    material: AuditImages, toy_sampler: Sampler, tmp_path: Path
) -> None:
    file = read_answers(write(tmp_path / "answers.csv", rows_of(material)), "smiling", LEVELS)
    used = audit_classifier(file, material, tmp_path / "audit", SMILING).images
    assert used is not None
    assert (used.n, used.marked, len(used.digest)) == (240, 240, 64)
    drawn = json.loads(material.draws)
    assert used.sampler == drawn["sampler"]
    assert (used.sampler_file, used.faithful) == (toy_sampler.digest, "")
    assert used.digest in (tmp_path / "audit" / "audit.html").read_text()


@pytest.mark.parametrize(
    ("values", "rule"),
    [((0.9, 0.9), "sum to at most 1"), ((0.0, 0.0), "not to 0"), ((0.6, 0.5), "")],
)
def test_probabilities_are_of_one_answer(
    material: AuditImages, tmp_path: Path, values: tuple[float, float], rule: str
) -> None:
    rows = [
        {"file_name": row["file_name"], "p.no": values[0], "p.yes": values[1]}
        for row in rows_of(material)
    ]
    file = write(tmp_path / "answers.csv", rows)
    if not rule:
        assert {one.level for one in read_answers(file, "smiling").answers} == {0}
        return
    with pytest.raises(FileFormatError, match=rule):
        read_answers(file, "smiling")


def test_words_of_the_map_need_not_occur(material: AuditImages, tmp_path: Path) -> None:
    rows = [{**row, "label": "happy"} for row in rows_of(material)]
    file = write(tmp_path / "answers.csv", rows)
    found = read_answers(file, "smiling", (), words=("happy", "sad"))
    assert found.attributes[0].levels == ("happy", "sad")


def test_a_column_of_lists_is_refused(material: AuditImages, tmp_path: Path) -> None:
    rows = [{**row, "label": [row["label"]]} for row in rows_of(material)]
    with pytest.raises(FileFormatError, match=r"column label .* must have numbers, or texts"):
        read_answers(write(tmp_path / "answers.parquet", rows), "smiling")


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_right_answers_have_no_error_in_any_format(
    material: AuditImages, tmp_path: Path, suffix: str
) -> None:
    file = write(tmp_path / f"answers{suffix}", rows_of(material))
    found = audit_classifier(
        read_answers(file, "smiling", LEVELS), material, tmp_path / "audit", SMILING
    )
    assert [group.error.count for group in found.breakdowns[0].groups] == [0] * 6
    assert [group.failure.count for group in found.breakdowns[0].groups] == [0] * 6
    assert (found.costs[0].asked, found.costs[0].kept) == (0, 240)


def test_planted_errors_failures_and_delays_are_found_and_no_others(
    material: AuditImages, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    rows = rows_of(material)
    dark = material.levels[:, 1] == 0
    for row, level, is_dark in zip(rows, material.levels[:, 0], dark, strict=True):
        row["label"] = ("sad", "happy")[level]
        row["seconds"] = rng.normal(0.3 if is_dark else 0.2, 0.01)
        if is_dark and rng.random() < 0.4:
            row["label"] = ""
    file = write(tmp_path / "answers.csv", rows)
    settings = AuditSettings(
        attribute="smiling", by=("skin_tone",), reference="label", map="happy=yes,sad=no"
    )
    answers = read_answers(file, "smiling", LEVELS)
    found = audit_classifier(answers, material, tmp_path / "audit", settings)
    failed, others = found.breakdowns[0].groups[0], found.breakdowns[0].groups[1:]
    assert failed.failure.low < 0.4 < failed.failure.high
    assert [group.failure.count for group in others] == [0, 0]
    gaps = {named.check_id: named for named in found.breakdowns[0].gaps}
    assert gaps["failure_gap:cells"].p_value < 0.001
    delay = gaps["seconds_gap:cells"].gap
    truth = 0.1 / (0.7 / 3)
    assert delay.highest == "skin_tone=dark"
    assert delay.pair.low < truth < delay.pair.high
    outcomes = {check.check_id: check.outcome for check in found.checks}
    assert outcomes["failure_gap:cells"] == "issue"
    assert outcomes["error_gap:cells"] == "tip"
    assert "seconds" in (tmp_path / "audit" / "audit.html").read_text()


def test_a_row_without_an_answer_and_a_missing_row_count_as_failures(
    material: AuditImages, tmp_path: Path
) -> None:
    rows = rows_of(material)[:200]
    rows[0]["label"], rows[1]["label"], rows[2]["label"] = "", "unknown", "No_Face"
    file = write(tmp_path / "answers.csv", rows)
    found = read_answers(file, "smiling", LEVELS).predictions(material)
    assert found.failed == 42
    assert found.levels[:3, 0].tolist() == [FAILED, -1, NO_FACE]
    assert (found.levels[200:, 0] == FAILED).all()


def test_images_may_be_named_by_number_and_answered_by_probabilities(
    material: AuditImages, tmp_path: Path
) -> None:
    smiles = material.levels[:, 0]
    rows = [
        {"index": i, "p.no": 0.9 - 0.8 * smile, "p.yes": 0.1 + 0.8 * smile}
        for i, smile in enumerate(smiles)
    ]
    file = write(tmp_path / "answers.parquet", rows)
    found = read_answers(file, "smiling", LEVELS).predictions(material)
    assert (found.levels[:, 0] == smiles).all()
    assert found.confidence[:, 0] == pytest.approx(0.9)


def test_answers_by_number_say_which_set_they_are_of(material: AuditImages, tmp_path: Path) -> None:
    """Another set of as many images has the same numbers."""
    rows = [{"index": i, "label": LEVELS[levels[0]]} for i, levels in enumerate(material.levels)]
    bound = [{**row, "set_digest": material.digest[:16].upper()} for row in rows]
    by_file = [
        {"file_name": file, "label": row["label"]}
        for file, row in zip(material.files, rows, strict=True)
    ]
    exported = read_answers(write(tmp_path / "exported.csv", by_file), "smiling", LEVELS)
    assert any(
        "name their image by a number" in one for one in exported.predictions(material).caveats
    )
    for name, given, warned in (("loose", rows, True), ("bound", bound, False)):
        file = read_answers(write(tmp_path / f"{name}.csv", given), "smiling", LEVELS)
        found = audit_classifier(file, material, tmp_path / name, SMILING)
        said = "240 of 240 rows of loose.csv name their image by a number"
        assert any(said in caveat for caveat in found.caveats) is warned
    other = material.take(range(len(material) - 1, -1, -1))
    with pytest.raises(FileFormatError, match=rf"must be of the set {other.digest[:16]}, got"):
        read_answers(tmp_path / "bound.csv", "smiling", LEVELS).predictions(other)


def test_a_score_at_a_threshold_has_the_upper_level(material: AuditImages, tmp_path: Path) -> None:
    rows = [
        {"file_name": name, "score": score}
        for name, score in zip(material.files[:3], (29.9, 30, 80), strict=True)
    ]
    file = write(tmp_path / "answers.jsonl", rows)
    answers = read_answers(file, "age", ("young", "middle", "old"), (30, 45))
    assert answers.predictions(material).levels[:3, 0].tolist() == [0, 1, 2]
    with pytest.raises(InputError, match="must be one less than the levels"):
        read_answers(file, "age", ("young", "middle", "old"), (30,))


def _strange(rows: Rows) -> None:
    rows[3]["file_name"] = "elsewhere.png"


def _doubled(rows: Rows) -> None:
    rows[5]["file_name"] = rows[2]["file_name"]


def _too_sure(rows: Rows) -> None:
    rows[0]["confidence"] = 1.5


def _nameless(rows: Rows) -> None:
    rows[1]["file_name"] = ""


def _too_short(rows: Rows) -> None:
    for row in rows:
        row["set_digest"] = "ab12"


def _numbers(rows: Rows) -> None:
    for i, row in enumerate(rows):
        row["label"] = str(i)


def _no_column(rows: Rows) -> None:
    for row in rows:
        row["answer"] = row.pop("label")


@pytest.mark.parametrize(
    ("break_rows", "says"),
    [
        (_strange, "must name an image of the set.*1 of 240 rows"),
        (_doubled, "must name an image that row 4 does not"),
        (_too_sure, "number of 0 to 1 in confidence"),
        (_nameless, "must name an image, as file_name or index"),
        (_too_short, "a digest, or at least 8 digits of it"),
        (_numbers, "at most 100 labels"),
        (_no_column, "must have file_name or index, and label"),
    ],
)
def test_bad_answers_are_named(
    material: AuditImages, tmp_path: Path, break_rows: Callable[[Rows], None], says: str
) -> None:
    rows = [{**row, "confidence": 0.5} for row in rows_of(material)]
    break_rows(rows)
    file = write(tmp_path / "answers.csv", rows)
    with pytest.raises(FileFormatError, match=says):
        read_answers(file, "smiling", LEVELS).predictions(material)


def test_words_that_mean_no_level_ask_for_a_map(material: AuditImages, tmp_path: Path) -> None:
    rows = rows_of(material)
    rows[7]["label"] = "grinning"
    answers = read_answers(write(tmp_path / "answers.csv", rows), "smiling", LEVELS)
    with pytest.raises(InputError, match="grinning=no"):
        audit_classifier(answers, material, tmp_path / "audit", SMILING)


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".csv", ".pkl"])
def test_foreign_files_end_in_an_error_that_names_them(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"answers{suffix}"
    with pytest.raises(InputError):
        read_answers(file, "smiling", LEVELS)
    for content in (b"", b"PAR1\x00\xff", b'{"file_name": ', b"[1, 2]\n"):
        file.write_bytes(content)
        with pytest.raises(EquipoiseError, match="answers"):
            read_answers(file, "smiling", LEVELS)


def test_long_texts_of_parquet_are_measured_before_they_are_copied(tmp_path: Path) -> None:
    file = tmp_path / "answers.parquet"
    words = pa.array(["no", "x" * 2**13]).dictionary_encode()
    rows = pa.DictionaryArray.from_arrays(np.ones(400, np.int32), words.dictionary)
    pq.write_table(pa.table({"index": np.arange(400), "label": rows}), file)
    assert file.stat().st_size < 2**16
    with pytest.raises(FileFormatError, match="texts of at most"):
        read_answers(file, "smiling", LEVELS)


def test_the_blind_set_holds_every_image_once_and_says_nothing_of_cells(
    material: AuditImages, tmp_path: Path
) -> None:
    out = tmp_path / "set"
    write_blind_set(material, out)
    written = sorted(path.name for path in (out / "images").iterdir())
    assert written == sorted(map(name_of, material.digests))
    by_name = {name_of(d): cell for d, cell in zip(material.digests, material.cells, strict=True)}
    order = np.array([by_name[name] for name in written])
    changes = (np.diff(order) != 0).mean()
    assert changes == pytest.approx(5 / 6, abs=0.08)
    assert material.digest[:16] in (out / "README.txt").read_text()
    table = (out / "answers.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in table[1:]] == written
    (out / "images" / written[0]).unlink()
    filled = (out / "answers.csv").read_text().replace(",,,", ",yes,,", 1)
    (out / "answers.csv").write_text(filled)
    write_blind_set(material, out)
    assert (out / "images" / written[0]).is_file()
    assert (out / "answers.csv").read_text() == filled
    (out / "secret.txt").write_text("")
    with pytest.raises(InputError, match=r"secret\.txt"):
        write_blind_set(material, out)
