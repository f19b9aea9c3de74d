"""Errors of age on photographs beside those on generated images, where a difference is planted."""

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from equipoise.audit.age.ages import Ages
from equipoise.audit.age.rates import AgesVsReference, break_down_ages
from equipoise.audit.age.record import AgeAudit, AgeBreakdown, AgeRates, AgeSettings
from equipoise.audit.age.run import audit_age
from equipoise.audit.images import AuditImages
from equipoise.audit.labelled_photographs import read_aged
from equipoise.audit.photographs.age_record import AgePhotographsAudit, AgePhotographsSettings
from equipoise.audit.photographs.ages import (
    agreement_check,
    agreements_of_ages,
    audit_age_photographs,
)
from equipoise.audit.photographs.agreement import farthest
from equipoise.audit.photographs.grid import grid_of
from equipoise.audit.record import Asking
from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.estimates import Estimate
from equipoise.core.records import read_record, to_json
from equipoise.stats.means import mean_difference
from equipoise.stats.rank_agreement import rank_agreement_of_means
from equipoise.stats.shares import Share
from tests.builders.command_line import Done
from tests.builders.schemas import assert_valid

BY = ("smiling", "skin_tone")
SETTINGS = AgePhotographsSettings(by=BY, side=32)
AGE_SETTINGS = AgeSettings(by=BY, reference="truth")
HARD = 3


def ages(name: str, role: str, years: np.ndarray) -> Ages:
    cost = Asking(role=role, name=name, asked=1, kept=0, failed=0, seconds=0.0)
    return Ages(name, name[0] * 64, np.clip(years, 0, 130), cost)


def erring(material: AuditImages, bias: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return estimates, which err by a bias in one cell, and true ages."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(20, 60, len(material))
    return truth + bias * (material.cells == HARD) + rng.normal(0, 3, len(material)), truth


def aged(material: AuditImages, folder: Path, bias: float, seed: int) -> AgeAudit:
    """Audit an estimator that errs by a bias in one cell."""
    estimates, truth = erring(material, bias, seed)
    of_model, of_truth = ages("model", "model", estimates), ages("truth", "reference", truth)
    return audit_age(of_model, of_truth, material, folder, AGE_SETTINGS)


@pytest.fixture
def photographs(material: AuditImages, tmp_path: Path) -> Path:
    """The toy's faces with the ages of people."""
    rng = np.random.default_rng(5)
    table = tmp_path / "labels.csv"
    with table.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file_name", *material.grid.names, "years"])
        for name, levels in zip(material.files, material.levels, strict=True):
            words = [a.levels[k] for a, k in zip(material.grid.attributes, levels, strict=True)]
            rows.writerow([name, *words, f"{rng.uniform(20, 60):.1f}"])
    return table


def test_a_cell_that_photographs_do_not_bear_out_is_named(
    material: AuditImages, photographs: Path, tmp_path: Path
) -> None:
    synthetic = aged(material, tmp_path / "synthetic", 8.0, seed=1)
    assert grid_of(synthetic).names == BY
    images, truth = read_aged(material.folder, photographs, grid_of(synthetic), 32)
    assert len(images) == len(material)
    noise = np.random.default_rng(2).normal(0, 3, len(images))
    estimates = ages("model", "model", truth.years + noise)
    found = audit_age_photographs(synthetic, estimates, truth, images, tmp_path / "out", SETTINGS)

    checks = {check.check_id: check for check in found.checks}
    bias = checks["agreement:mean_error:cells"]
    assert bias.outcome == "issue"
    assert material.grid.cells[HARD] in bias.words
    parts = {(part.what, part.where): part for part in found.agreements}
    assert set(parts) == {
        (what, where) for what in ("mean absolute error", "mean error") for where in ("cells", *BY)
    }
    pairs = {pair.name: pair for pair in parts["mean error", "cells"].pairs}
    assert pairs[material.grid.cells[HARD]].difference.value == pytest.approx(-8, abs=2)
    stored = read_record(tmp_path / "out" / "photographs-age.json", AgePhotographsAudit, "")
    assert to_json(stored) == to_json(found)
    assert_valid(tmp_path / "out" / "photographs-age.json", "photographs-age")
    page = (tmp_path / "out" / "photographs-age.html").read_text()
    assert "years on photographs" in page
    assert found.verdict in page
    other = ages("other", "model", truth.years)
    with pytest.raises(InputError, match="must be that of the stored audit, model"):
        audit_age_photographs(synthetic, other, truth, images, tmp_path / "out", SETTINGS)
    table = replace(other, recorded=True)
    audit_age_photographs(synthetic, table, truth, images, tmp_path / "table", SETTINGS)


def test_equal_errors_agree_and_intervals_cover(material: AuditImages) -> None:
    def parts(bias: float, seed: int) -> tuple[AgeBreakdown, ...]:
        estimates, truth = erring(material, bias, seed)
        compared = AgesVsReference(estimates, truth, np.ones(len(truth)))
        return break_down_ages(compared, material.grid, material.levels, AGE_SETTINGS)

    covered = total = issues = 0
    for seed in range(40):
        one, other = parts(6.0, 2 * seed), parts(0.0, 2 * seed + 1)
        for part in agreements_of_ages(one, other, seed=seed):
            if (part.what, part.where) == ("mean error", "cells"):
                true = [-6.0 * (k == HARD) for k in range(len(part.pairs))]
                for pair, value in zip(part.pairs, true, strict=True):
                    covered += pair.difference.low <= value <= pair.difference.high
                    total += 1
        found = agreements_of_ages(one, parts(6.0, 1000 + seed), seed=seed)
        issues += any(pair.p_value < 0.05 for part in found for pair in part.pairs)
    assert covered / total >= 0.93
    assert issues <= 5


def test_the_group_that_is_named_is_one_whose_test_rejects() -> None:
    def breakdown(*means: Estimate) -> tuple[AgeBreakdown, ...]:
        groups = tuple(
            AgeRates(
                name=name, n=9, compared=9, failure=Share.of(name, 0, 9), reference=mean,
                absolute=mean, signed=mean, deviation=mean, rules=(),
            )
            for name, mean in zip("ab", means, strict=True)
        )  # fmt: skip
        return (AgeBreakdown(where="cells", groups=groups, gaps=()),)

    synthetic = breakdown(Estimate(3.0, 2.5, 3.5), Estimate(3.0, 2.7, 3.3))
    real = breakdown(Estimate(8.0, -2.0, 18.0), Estimate(7.0, 6.7, 7.3))
    part = agreements_of_ages(synthetic, real)[0]
    named, p_value = farthest(part.pairs)
    assert named.name == "b"
    assert p_value == named.p_value < 0.001
    words = agreement_check(part, 2.0).words
    assert words.startswith("No: in b it is 7.0 years on photographs and 3.0 years on generated")
    assert "The difference is 4.0 years (3.6 years to 4.4 years)" in words


def test_ages_that_are_none_are_named(
    material: AuditImages, photographs: Path, tmp_path: Path
) -> None:
    lines = photographs.read_text().splitlines()
    wrong = ",".join([*lines[1].split(",")[:-1], "old"])
    photographs.write_text("\n".join([lines[0], wrong, *lines[2:]]))
    with pytest.raises(FileFormatError, match=r"years of .* must be an age from 0 to 130, got old"):
        read_aged(material.folder, photographs, material.grid, 32)


def test_the_command_compares_an_audit_of_age(
    material: AuditImages, photographs: Path, cli: Callable[..., Done], tmp_path: Path
) -> None:
    aged(material, tmp_path / "age", 0.0, seed=1)
    answers = tmp_path / "answers.csv"
    rows = list(csv.DictReader(photographs.read_text().splitlines()))
    answers.write_text(
        "file_name,age\n" + "".join(f"{row['file_name']},{row['years']}\n" for row in rows)
    )
    flags = [f"--labels={photographs}", f"--beside={tmp_path / 'age'}", f"--model={answers}"]
    table = tmp_path / "rates.csv"
    out = f"--out={tmp_path / 'out'}"
    done = cli(
        *("audit", "photographs", material.folder, *flags, "--side", 32, out, f"--table={table}")
    )
    assert "Mean absolute error of age in years by cell:" in done.stdout
    assert (tmp_path / "out" / "photographs-age.html").is_file()
    kept = list(csv.DictReader(table.read_text().splitlines()))
    assert {row["what"].partition(",")[0] for row in kept} == {"mean absolute error", "mean error"}


def test_differences_and_ranks_of_means() -> None:
    missing = Estimate.missing("none")
    found, p_value = mean_difference(missing, Estimate(1.0, 0.0, 2.0))
    assert np.isnan(found.value) and np.isnan(p_value)
    means = [Estimate(m, m - 0.1, m + 0.1) for m in (1.0, 2.0, 3.0, 4.0)]
    assert rank_agreement_of_means(means, means).value == 1
    assert rank_agreement_of_means(means, means[::-1]).high < 0
    assert np.isnan(rank_agreement_of_means(means[:2], means[:2]).value)
    assert np.isnan(rank_agreement_of_means([means[0]] * 4, means).value)
