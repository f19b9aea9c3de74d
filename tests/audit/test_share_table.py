"""Rows of a table are the rates of the record."""

import csv
import json
from pathlib import Path

import numpy as np

from equipoise.audit.images import AuditImages
from equipoise.audit.share_table import write_share_table
from equipoise.audit.verification.descriptors import read_descriptors
from equipoise.audit.verification.record import VerificationSettings
from equipoise.audit.verification.run import audit_verification


def test_a_table_has_every_rate_with_its_numbers(material: AuditImages, tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(len(material), 8)).astype(np.float32)
    np.savez(tmp_path / "faces.npz", file_name=np.array(material.files), descriptor=vectors)
    found = read_descriptors(tmp_path / "faces.npz", material)
    settings = VerificationSettings(by=("skin_tone",), fmr=0.01)
    audit = audit_verification(found, material, tmp_path / "audit", settings)
    write_share_table(audit, tmp_path / "rates.csv")
    with (tmp_path / "rates.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    record = json.loads((tmp_path / "audit" / "verification.json").read_text())
    rates = [rate for table in record["tables"] for rate in table["rates"]]
    assert [float(row["value"]) for row in rows] == [
        rate["estimate"]["value"] for rate in (*rates, *record["failures"])
    ]
    assert {row["rate"] for row in rows} == {"false matches", "without a descriptor"}
    for suffix, mark in ((".md", "| skin_tone=dark | false matches |"), (".tex", r"\toprule")):
        write_share_table(audit, tmp_path / f"rates{suffix}")
        assert mark in (tmp_path / f"rates{suffix}").read_text()
