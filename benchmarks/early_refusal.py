"""What it saves to refuse candidates half-way, on the text-to-image toy, whose truth is known.

A latent classifier reads the guess at the clean latent after some steps, and the prompt. Within
each context and cell, candidates pass from a threshold on. It is set from the classifier's own
probabilities so that a given share of the members should pass. What truly passes, and what that
costs, is counted on fresh codes. Every candidate is a code of its own, so draws are independent.

    python benchmarks/early_refusal.py
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers import open_panel
from equipoise.core.files import write_text
from equipoise.core.labels import LabelledCodes
from equipoise.core.versions import versions_line
from equipoise.generators.toy_text import LATENT, ToyTextGenerator
from equipoise.methods.tilt.fit_latent import fit_latent

RESULTS = Path(__file__).parent / "results" / "early_refusal.md"
LABELS, SETTING, FRESH, FRESH_SEED = 10_000, 20_000, 100_000, 1001
STAGES = (0, 1, 2, 4, 6, 8, 12)
CASCADES = ((1, 4), (2, 6), (4, 8))
RECALLS = (0.9, 0.99)
_LEAST_SHARE = 0.01
_STEPS = ToyTextGenerator().steps

_HEAD = f"""# Early refusal

Written by `python benchmarks/early_refusal.py`. The generator `toy-text`: 40 prompts, 6 cells,
{_STEPS} steps. {LABELS:,} labels of the prior; thresholds from {SETTING:,} codes without labels;
{FRESH:,} fresh codes. Cost is in calls, where {_STEPS} steps are one call and the rest of an image
is free, for as many verified images of each cell in each context; cells of under
{_LEAST_SHARE:.0%} of a context are left out. Without a stage, images of the prompt are classified
until one is of the cell. Faithfulness is 1 less the total variation to the generator's own images
of the cell, which for a threshold is the share of its members that pass: mean, and lowest tenth.

| refused after steps | members to pass | loss, nats | faithfulness | purity |\
 cost, state carried on | of that without stages | cost, images begun again |
|---|---|---|---|---|---|---|---|"""

Numbers = NDArray[np.int64]
Passed = NDArray[np.bool_]


class Reader:
    """A latent classifier after some steps, on codes to set thresholds by and on fresh ones."""

    def __init__(self, steps: int, labelled: LabelledCodes) -> None:
        toy = ToyTextGenerator(stem=steps)
        fitted = fit_latent(toy.stem, labelled).classifier

        def read(seed: int, n: int) -> NDArray[np.float32]:
            stems = toy.stem(toy.prior.codes(seed, 0, n))
            return np.exp(fitted.log_probabilities(stems, np.arange(n) % fitted.folds))

        self.setting, self.fresh = read(FRESH_SEED + 1, SETTING), read(FRESH_SEED, FRESH)


def passing(reader: Reader, recall: float, setting: Numbers, fresh: Numbers) -> Passed:
    """Return which fresh codes pass for each cell, shape (FRESH, K), by thresholds per context."""
    found = np.zeros(reader.fresh.shape, bool)
    for context in np.unique(fresh):
        rows = reader.setting[setting == context]
        for k in range(rows.shape[1]):
            ordered = np.sort(rows[:, k])[::-1]
            members = np.cumsum(ordered)
            least = ordered[np.searchsorted(members, recall * members[-1])]
            found[fresh == context, k] = reader.fresh[fresh == context, k] >= least
    return found


def grouped(of: Passed, contexts: Numbers) -> NDArray[np.float64]:
    """Return the shares of codes within each context, shape (C, K)."""
    return np.array([of[contexts == c].mean(axis=0) for c in np.unique(contexts)])


def row(
    stages: Sequence[int],
    passed: Sequence[Passed],
    contexts: Numbers,
    cells: Numbers,
    about: Sequence[str],
) -> str:
    """Return a row of the table, for candidates that must pass every stage."""
    member = np.eye(6, dtype=bool)[cells]
    shares = grouped(member, contexts)
    counted = shares >= _LEAST_SHARE
    spent, anew, alive = np.zeros_like(shares), np.zeros_like(shares), np.ones_like(member)
    before = 0
    for steps, of in zip(stages, passed, strict=True):
        spent += grouped(alive, contexts) * (steps - before) / _STEPS
        alive, before = alive & of, steps
    accepted, kept = grouped(alive, contexts), grouped(alive & member, contexts)
    anew = spent + accepted
    spent = spent + accepted * (_STEPS - before) / _STEPS
    faithful = (kept / np.maximum(shares, 1e-9))[counted]
    purity = (kept / np.maximum(accepted, 1e-9))[counted]
    cost = [float((one[counted] / np.maximum(kept[counted], 1e-9)).mean()) for one in (spent, anew)]
    plain = float((1 / shares[counted]).mean())
    return (
        f"| {' and '.join(map(str, stages))} | {about[0]} | {about[1]} "
        f"| {faithful.mean():.3f}, {np.quantile(faithful, 0.1):.3f} | {purity.mean():.3f} "
        f"| {cost[0]:.2f} | {cost[0] / plain:.3f} | {cost[1]:.2f} |"
    )


def main() -> None:
    """Fit at each stage, count what passes, and write the table."""
    toy = ToyTextGenerator()
    codes = toy.prior.codes(0, 0, LABELS)
    panel = open_panel([one.name for one in toy.grid.attributes], toy)
    labelled = LabelledCodes.of_prior(codes, panel.predict(toy.images(codes)))
    fresh = toy.prior.codes(FRESH_SEED, 0, FRESH)
    cells = toy.grid.cell_of(toy.levels(fresh))
    contexts = fresh[:, LATENT].astype(int)
    setting = toy.prior.codes(FRESH_SEED + 1, 0, SETTING)[:, LATENT].astype(int)
    readers = {steps: Reader(steps, labelled) for steps in STAGES}
    everything = np.ones((FRESH, 6), bool)
    rows = [row([0], [everything], contexts, cells, ("all", ""))]
    rows[0] = rows[0].replace("| 0 |", "| none |", 1)
    for steps, reader in readers.items():
        loss = -np.log(np.maximum(reader.fresh[np.arange(FRESH), cells], 1e-9)).mean()
        for recall in RECALLS:
            alone = passing(reader, recall, setting, contexts)
            rows.append(row([steps], [alone], contexts, cells, (f"{recall}", f"{loss:.3f}")))
    for first, second in CASCADES:
        for recall in RECALLS:
            # Half of what may be lost is lost at each stage.
            each = recall**0.5
            passed = [passing(readers[s], each, setting, contexts) for s in (first, second)]
            rows.append(row([first, second], passed, contexts, cells, (f"{recall}", "")))
    write_text(RESULTS, "\n".join([_HEAD, *rows, "", versions_line(), ""]))


if __name__ == "__main__":
    main()
