"""Do the stated intervals of faithfulness and purity hold the truth? On the toy, where it is known.

For each seed: labels of the prior, a latent classifier, the statement that follows from held-out
labels, and the true figures on 100,000 fresh codes. Seeds that the file of results holds already
are not run again.

    python -m benchmarks.statements --seeds 200 --workers 16
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.by_seed import rows_by_seed
from equipoise.classifiers import open_panel
from equipoise.core.files import write_text
from equipoise.core.labels import LabelledCodes
from equipoise.core.versions import versions_line
from equipoise.generators.toy import ToyGenerator
from equipoise.methods.tilt.fit_latent import FOLDS, MEMBERS, fit_latent
from equipoise.methods.tilt.held_out import HeldOut
from equipoise.samplers.acceptance import AcceptanceRule
from equipoise.samplers.latent_classifier import LatentClassifier
from equipoise.samplers.statements import CellStatement

TOY = ToyGenerator(curvature=0.6)
"""Attributes that bend in the code, so that P(cell | code) is learnt with errors."""

FRESH = 100_000
RESULTS = Path(__file__).parent / "results" / "statements.md"
_LEAST_FULL = 0.05


def label_toy(seed: int, start: int, stop: int, toy: ToyGenerator = TOY) -> LabelledCodes:
    """Return codes of the toy's prior with their true cells, smiling x skin tone."""
    panel = open_panel(["smiling", "skin_tone"], toy)
    codes = toy.prior.codes(seed, start, stop)
    return LabelledCodes.of_prior(codes, panel.predict(toy.images(codes)))


def rules_of(held: HeldOut) -> dict[str, AcceptanceRule]:
    """Return a threshold, a square root with a floor, and a rule that favours clear members."""
    cells = held.grid.size
    full = held.quantiles(0.9)
    return {
        "0.9": AcceptanceRule.thresholds(held.quantiles(0.095)),
        "exact": AcceptanceRule(full, np.full(cells, 0.5), np.full(cells, _LEAST_FULL)),
        "typical": AcceptanceRule(full, np.full(cells, 4.0), np.zeros(cells)),
    }


def compare(
    stated: Iterable[CellStatement],
    accepted: NDArray[np.float64],
    cells: NDArray[np.int64],
    folds: NDArray[np.int64],
    *,
    weighted: bool,
) -> list[dict[str, Any]]:
    """Set statements beside the true figures of fresh codes of the prior.

    Parameters
    ----------
    stated : iterable of CellStatement
    accepted : numpy.ndarray, shape (n, K), float64
        Probability that each cell accepts each code, read by its fold.
    cells, folds : numpy.ndarray, shape (n,), int64
        The true cells, and the folds that read.
    weighted : bool
        Whether draws carry weights.
    """
    rows = []
    for k, statement in enumerate(stated):
        of_own, own_folds = accepted[cells == k, k], folds[cells == k]
        by_fold = [of_own[own_folds == fold] for fold in np.unique(folds)]
        if weighted:
            faithful = float((of_own > 0).mean())
        else:
            apart = [np.abs(a / a.mean() - 1).mean() / 2 for a in by_fold]
            faithful = 1 - float(np.mean(apart))
        truth = {
            "faithfulness": faithful,
            "purity": float(of_own.sum() / accepted[:, k].sum()),
        }
        for figure, value in truth.items():
            said = getattr(statement, figure)
            if not np.isnan(said.value):
                stated_as = {"value": said.value, "low": said.low, "high": said.high}
                rows.append({"cell": statement.cell, "figure": figure, "truth": value} | stated_as)
    return rows


def holds(row: dict[str, Any]) -> bool:
    """Return whether the interval holds the truth, up to the noise of the fresh codes."""
    return bool(row["low"] - 1e-3 <= row["truth"] <= row["high"] + 1e-3)


def rows_of_seed(
    seed: int, n: int, folds: int = FOLDS, members: int = MEMBERS, fresh: int = FRESH
) -> list[dict[str, Any]]:
    """Return statements and truth of one seed, for each rule and cell."""
    labelled = label_toy(seed, 0, n)
    fit = fit_latent(TOY.stem, labelled, seed=seed, folds=folds, members=members)
    held = HeldOut.of(fit, labelled, seed)
    codes = TOY.prior.codes(seed, n, n + fresh)
    reader = np.arange(fresh) % folds
    cells = _true_cells(codes, held)
    log_h = _read(fit.classifier, codes, reader)
    rows = []
    for name, rule in rules_of(held).items():
        accepted = np.exp(rule.log_acceptance(held.log_h))
        weighted = name == "exact"
        stated = held.statements(
            accepted,
            accepted,
            weighted=weighted,
            stage_calls=np.zeros(held.grid.size),
            wanted=np.ones(held.grid.size, bool),
        )
        chances = np.exp(rule.log_acceptance(log_h))
        found = compare(stated, chances, cells, reader, weighted=weighted)
        rows += [{"seed": seed, "n": n, "mode": name} | row for row in found]
    return rows


def _true_cells(codes: NDArray[np.float32], held: HeldOut) -> NDArray[np.int64]:
    columns = [TOY.grid.attribute(name) for name in held.grid.names]
    return held.grid.cell_of(TOY.levels(codes)[:, columns])


def _read(
    classifier: LatentClassifier, codes: NDArray[np.float32], folds: NDArray[np.int64]
) -> NDArray[np.float32]:
    parts = range(0, len(codes), 5000)
    rows = [slice(low, low + 5000) for low in parts]
    return np.concatenate(
        [classifier.log_probabilities(TOY.stem(codes[row]), folds[row]) for row in rows]
    )


def main() -> None:
    """Run the seeds that are missing, and store how often intervals hold the truth."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--n", type=int, default=2000, help="labels of each seed")
    parser.add_argument("--workers", type=int, default=1, help="processes, a thread each [1]")
    out = Path("runs/benchmarks/statements.jsonl")
    parser.add_argument("--out", type=Path, default=out, help="rows, for one number of labels")
    given = parser.parse_args()
    run = partial(rows_of_seed, n=given.n)
    rows = rows_by_seed(run, given.seeds, given.out, given.workers)
    lines = [
        "# Stated intervals and the truth",
        "",
        f"`python -m benchmarks.statements --seeds {given.seeds}`: the toy generator, {given.n:,} "
        f"labels for each of {given.seeds} seeds, six cells, and the truth on {FRESH:,} fresh "
        "codes of each. Intervals are of 95%.",
        "",
        "| mode | figure | cells x seeds | intervals that hold | truth less what is stated |",
        "|---|---|---|---|---|",
    ]
    for mode, figure in sorted({(row["mode"], row["figure"]) for row in rows}):
        chosen = [row for row in rows if (row["mode"], row["figure"]) == (mode, figure)]
        held = np.mean([holds(row) for row in chosen])
        off = np.mean([row["truth"] - row["value"] for row in chosen])
        lines.append(f"| `{mode}` | {figure} | {len(chosen):,} | {held:.1%} | {off:+.4f} |")
    text = "\n".join([*lines, "", versions_line(), ""])
    print(text)
    write_text(RESULTS, text)


if __name__ == "__main__":
    main()
