"""Targets that are not uniform, met on the real generator: one-shot and verified.

Each target is balanced from the same labels, its one-shot draws are measured, and verified draws
are made. A stopped run goes on; the page is written at the end.

    python benchmarks/targets.py
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from scipy.stats import binomtest

from equipoise.core.files import write_text
from equipoise.core.records import write_record
from equipoise.core.settings import Settings
from equipoise.core.versions import versions
from equipoise.pipeline import BalancedRun, balance, open_models
from equipoise.samplers.verified import exact_counts, verified

RESULTS = Path(__file__).parent / "results"

CENSUS = {
    "smiling=no, skin_tone=dark": 0.14,
    "smiling=no, skin_tone=medium": 0.22,
    "smiling=no, skin_tone=light": 0.26,
    "smiling=yes, skin_tone=dark": 0.08,
    "smiling=yes, skin_tone=medium": 0.13,
    "smiling=yes, skin_tone=light": 0.17,
}
"""A table as a census would give; the numbers are made up."""

NOTE = (
    "Intervals hold the sampling noise of one-shot draws alone; what calibration does not know "
    "comes on top, about half as much again. A cell of target 0 is exact in verified draws only."
)

ZERO = {**dict.fromkeys(CENSUS, 0.2), "smiling=no, skin_tone=light": 0.0}


def targets(folder: Path) -> dict[str, str]:
    """Return the targets by name, tables as files in the folder."""
    tables = {"census of 6 cells": CENSUS, "one zero cell": ZERO}
    found = {
        "75/25": "marginals: smiling=yes:3,no:1",
        "conditional": "conditional: smiling | skin_tone",
    }
    for name, table in tables.items():
        path = folder / f"{name.replace(' ', '-')}.json"
        write_record(path, table)
        found[name] = str(path)
    return found


def verified_row(done: BalancedRun, settings: Settings, n: int) -> tuple[list[int], float]:
    """Draw n verified images; return the counts of the cells and calls per image."""
    models = open_models(settings)
    counts = np.zeros(done.sampler.grid.size, np.int64)
    calls = 0
    for batch in verified(done.sampler, models, exact_counts(done.sampler.target, n), seed=7):
        counts += np.bincount(batch.labels.cells, minlength=len(counts))
        calls += batch.calls
    return counts.tolist(), calls / n


def section(name: str, done: BalancedRun, counts: list[int], calls: float) -> list[str]:
    """Return the lines of one target. Intervals are exact, at 95 % for all cells together."""
    result = done.record.results[0]
    assert result.tilt is not None
    calibration, representation = result.tilt.calibration, result.representation
    level = 1 - 0.05 / len(representation.cells)
    lines = [
        f"## {name}: {done.sampler.target.text}",
        "",
        f"One-shot n = {representation.n:,}, KL {representation.kl:.4f} "
        f"(floor {representation.kl_floor:.4f}); distance of the reachable mix from the target "
        f"{calibration.distance:.2%}. Verified n = {sum(counts):,} at {calls:.2f} calls an image.",
        "",
        "| cell | target | one-shot | 95 %, simultaneous | inside | verified |",
        "|---|---|---|---|---|---|",
    ]
    for share, count in zip(representation.cells, counts, strict=True):
        assert share.target is not None
        interval = binomtest(share.count, share.n).proportion_ci(level)
        inside = "yes" if interval.low <= share.target <= interval.high else "no"
        lines.append(
            f"| {share.name} | {share.target:.1%} | {share.share:.1%} | {interval.low:.1%} to "
            f"{interval.high:.1%} | {inside} | {count / sum(counts):.1%} |"
        )
    return [*lines, ""]


def main() -> None:
    """Run every target, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--verified", type=int, default=1200, help="verified images of each target")
    parser.add_argument("--work", type=Path, default=Path("runs/bench-targets"))
    arguments = parser.parse_args()
    lines = ["# Targets that are not uniform", ""]
    lines += [f"`{' '.join(['python benchmarks/targets.py', *sys.argv[1:]])}`", "", NOTE, ""]
    record = {}
    for name, target in targets(arguments.work).items():
        settings = Settings(target=target)
        done = balance(settings, arguments.work / "run")
        counts, calls = verified_row(done, settings, arguments.verified)
        record[name] = {"record": done.record, "verified": counts, "calls": calls}
        lines += section(name, done, counts, calls)
        print("\n".join(section(name, done, counts, calls)), flush=True)
    write_record(RESULTS / "targets.json", {"targets": record, "versions": versions()})
    write_text(RESULTS / "targets.md", "\n".join(lines))


if __name__ == "__main__":
    main()
