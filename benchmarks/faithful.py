"""What the tilt states of its draws before any draw, beside what is true, and the mix.

The tilt gets 10,000 classified images. What it states is compared with 50,000 fresh labelled codes;
the mix is that of 6,000 one-shot draws. `benchmarks/methods.py` compares it with other methods.
Results that the file holds already are not computed again; the page is written at
the end.

    python benchmarks/faithful.py --seeds 3
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers.models import Models
from equipoise.cli.console import bars
from equipoise.core.errors import InsufficientLabelsError
from equipoise.core.files import write_text
from equipoise.core.labels import Labels
from equipoise.core.numbers import decimals
from equipoise.core.parallel import batches
from equipoise.core.progress import Execution
from equipoise.core.seeds import Stream, child_seed
from equipoise.core.settings import Settings
from equipoise.core.targets import Target
from equipoise.core.versions import versions_line
from equipoise.generators.base import generate
from equipoise.generators.counting import count_stems
from equipoise.labelling.collect import collect
from equipoise.measure.representation import divergence
from equipoise.methods import FitContext, FitResult, fit
from equipoise.pipeline import open_models
from equipoise.samplers.draw import gather_latents
from equipoise.samplers.sampler import Sampler
from equipoise.samplers.statements import ModeStatement
from equipoise.samplers.tilt import TiltSource
from equipoise.samplers.verified import exact_counts, verified

RESULTS = Path(__file__).parent / "results"
WORK = Path("runs/benchmarks/faithful")

SETS = (
    ("smiling", "skin_tone"),
    ("gender", "skin_tone"),
    ("gender", "smiling", "skin_tone"),
    ("age", "smiling"),
    ("age", "skin_tone"),
    ("gender", "age"),
)
PANEL = ("gender", "age", "smiling", "skin_tone")

FRESH, FRESH_SEED = 50_000, 1001
DRAWS = 6000

_HEAD = f"""# Faithful draws

Written by `python benchmarks/faithful.py`; results in `faithful.jsonl`. The tilt gets 10,000
classified images, all counted. Calls are generator-and-classifier calls per verified image of the
uniform target, stages of refused candidates included at measured cost: as stated before any draw,
with their interval, and as {DRAWS:,} verified draws then made images and read stages for each that
they kept; "given up" where a cell keeps fewer than one in 200 images, and "-" in rows that are
older than this count. Alone: where each cell is drawn on its own, by {FRESH:,} fresh labelled
codes, mean over cells. These codes give the true total variation as well; a rare cell has some
hundred of them, and intervals hold where they do within the error of that. The mix is that of
{DRAWS:,} one-shot draws: for exact sampling its KL has a mean of (cells - 1) / (2 n).

## Verified draws

The share of directed labels, 0.6, was chosen on smiling x skin tone. Width, steps and dropout of
the latent classifier were chosen by the held-out likelihood of seed 0 of smiling x skin tone,
gender x skin tone and age x smiling. Nothing was chosen on the other sets and seeds.

| attributes | seed | rejection: calls | 0.9: calls, made, alone |\
 0.9: least faithfulness of a cell | exact: calls per effective image, made, alone |\
 typical: calls, alone | typical: total variation by cell | stated intervals that hold |
|---|---|---|---|---|---|---|---|---|"""

_ONE_SHOT = """
## One-shot draws

| attributes | seed | target within reach | KL (floor) |
|---|---|---|---|"""


def fresh_labels(execution: Execution) -> tuple[NDArray[np.float32], Labels]:
    """Return fresh codes of the prior with labels of all attributes, made once."""
    models = open_models(Settings(attributes=PANEL))
    table = collect(models, FRESH, FRESH_SEED, WORK / "fresh", execution=execution)
    return models.generator.prior.codes(FRESH_SEED, 0, FRESH), table.labels()


def run_case(
    attributes: tuple[str, ...],
    seed: int,
    fresh: tuple[NDArray[np.float32], Labels],
    execution: Execution,
) -> dict[str, Any]:
    """Fit the methods to one set of attributes and one seed, and measure them."""
    settings = Settings(attributes=attributes, seed=seed)
    models = open_models(settings)
    grid = models.panel.grid
    folder = WORK / "-".join((*attributes, str(seed)))
    table = collect(models, settings.prior_n, seed, folder / "labels", execution=execution)
    context = FitContext(
        models,
        table.labels(),
        Target.uniform(grid),
        settings,
        lambda digest, stage: folder / "draws" / f"{stage}-{digest[:16]}",
        execution,
    )
    codes, labels = fresh
    cells = labels.restricted(grid).cells
    found: dict[str, Any] = {"attributes": attributes, "seed": seed, "cells": grid.cells}
    shares = np.bincount(cells[cells >= 0], minlength=grid.size) / len(cells)
    # A drawn image serves whichever cell it is of, until the rarest is full.
    found["rejection"] = {"calls": float(1 / (grid.size * shares.min()))}
    fitted = fit("tilt", context)
    assert fitted.tilt is not None
    found["tilt"] = _one_shot(fitted.sampler, models)
    source = fitted.sampler.bound(models.generator).source
    assert isinstance(source, TiltSource)
    found["reachable"] = fitted.tilt.calibration.reachable
    found["distance"] = fitted.tilt.calibration.distance
    found["shared"] = {}
    for mode in fitted.tilt.verified:
        found[mode.faithful] = _verified(source, mode, codes, cells)
        own = {name: asdict(getattr(mode, name)) for name in ("calls", "calls_per_effective")}
        made = _made(fitted, mode, models, execution)
        found["shared"][mode.faithful] = {**own, **made}
    return found


def _made(
    fitted: FitResult, mode: ModeStatement, models: Models, execution: Execution
) -> dict[str, float | None]:
    """Return what verified draws cost per image kept, and per effective one, stages included.

    None where a cell is too rare to be drawn.
    """
    assert fitted.tilt is not None
    generator, stems = count_stems(models.generator)
    sampler = fitted.sampler.bound(generator)
    counts, seed = exact_counts(sampler.target, DRAWS), sampler.settings["seed"]
    try:
        draws, calls = gather_latents(
            verified(sampler, models, counts, seed, faithful=mode.faithful, execution=execution)
        )
    except InsufficientLabelsError:
        return {"made": None, "made_per_effective": None}
    effective = [
        own.sum() ** 2 / (own @ own) / len(own)
        for own in (draws.weights[draws.requested == k] for k in range(len(counts)))
    ]
    made = (calls + stems.codes * fitted.tilt.stage_cost) / DRAWS
    return {"made": made, "made_per_effective": float(made * (1 / np.array(effective)).mean())}


def _verified(
    source: TiltSource, mode: ModeStatement, codes: NDArray[np.float32], cells: NDArray[np.int64]
) -> list[dict[str, float]]:
    """Return what is stated of verified draws beside what fresh labels say."""
    drawn = source.for_verified(mode.faithful)
    folds = np.arange(len(codes)) % source.classifier.folds
    accepted = np.concatenate(
        [drawn.acceptances(codes[i:j], folds[i:j]) for i, j in batches(0, len(codes), 4096)]
    )
    rows = []
    for k, stated in enumerate(mode.cells):
        of_own = accepted[cells == k, k]
        mean, reached = of_own.mean(), of_own[of_own > 0]
        weighted = drawn.current.weighted
        purity = of_own.sum() / accepted[:, k].sum()
        unweighted = 1 - np.abs(of_own / mean - 1).mean() / 2
        faithful = len(reached) / len(of_own) if weighted else unweighted
        effective = len(reached) ** 2 / (of_own.sum() * (1 / reached).sum()) if weighted else 1.0
        calls = stated.calls.value * stated.purity.value / purity
        rows.append(
            {
                "members": len(of_own),
                "faithfulness": float(faithful),
                "unweighted": float(unweighted),
                "stated": stated.faithfulness.value,
                "low": stated.faithfulness.low,
                "high": stated.faithfulness.high,
                "calls": float(calls),
                "stated_calls": stated.calls.value,
                "per_effective": float(calls / effective),
                "stated_per_effective": stated.calls_per_effective.value,
            }
        )
    return rows


def _one_shot(sampler: Sampler, models: Models) -> dict[str, Any]:
    """Return the mix of fresh one-shot draws."""
    bound = sampler.bound(models.generator)
    draws = bound.draw(DRAWS, child_seed(sampler.settings["seed"], Stream.MEASURED_DRAWS))
    cells = _cells(models, draws.codes)
    counts = np.bincount(cells[cells >= 0], minlength=sampler.grid.size)
    shares = counts / counts.sum()
    return {"kl": divergence(shares, sampler.target.shares), "shares": shares.tolist()}


def _cells(models: Models, codes: NDArray[np.float32]) -> NDArray[np.int64]:
    parts = [
        models.panel.predict(generate(models.generator, codes[i:j])).cells
        for i, j in batches(0, len(codes), 256)
    ]
    return np.concatenate(parts)


def page(results: list[dict[str, Any]]) -> str:
    """Return the results as Markdown."""
    lines = [_HEAD]
    for one in results:
        modes = {name: one[name] for name in ("0.9", "exact", "typical")}
        held = [_holds(row) for rows in modes.values() for row in rows]
        least = min(row["faithfulness"] for row in modes["0.9"])
        columns = (
            " x ".join(one["attributes"]),
            one["seed"],
            f"{one['rejection']['calls']:.1f}",
            f"{_calls(one, '0.9', '')}, {_mean(modes['0.9'], 'calls'):.2f}",
            f"{least:.3f}",
            f"{_calls(one, 'exact', '_per_effective')}, "
            f"{_mean(modes['exact'], 'per_effective'):.2f}",
            f"{one['shared']['typical']['calls']['value']:.2f}, "
            f"{_mean(modes['typical'], 'calls'):.2f}",
            " / ".join(f"{1 - row['faithfulness']:.2f}" for row in modes["typical"]),
            f"{sum(held)} of {len(held)}",
        )
        lines.append(f"| {' | '.join(map(str, columns))} |")
    lines.append(_ONE_SHOT)
    for one in results:
        row = (
            " x ".join(one["attributes"]),
            one["seed"],
            "yes" if one["reachable"] else f"no, {one['distance']:.3f} away",
            f"{one['tilt']['kl']:.4f} ({(len(one['cells']) - 1) / (2 * DRAWS):.4f})",
        )
        lines.append(f"| {' | '.join(map(str, row))} |")
    return "\n".join([*lines, "", versions_line(), ""])


def _calls(result: dict[str, Any], mode: str, what: str) -> str:
    """Return stated calls with their interval, and the images made, as text."""
    own = result["shared"][mode]
    stated, made = own[f"calls{what}"], own.get(f"made{what}", np.nan)
    ended = "given up" if made is None else decimals(made, missing="-")
    return f"{stated['value']:.2f} [{stated['low']:.2f}, {stated['high']:.2f}], {ended}"


def _holds(row: dict[str, float]) -> bool:
    """Return whether a stated interval holds the true value, which has an error of its own."""
    truth, stated = row["faithfulness"], row["stated"]
    reach = row["high"] - stated if truth > stated else stated - row["low"]
    error = 1.96 * np.sqrt(truth * (1 - truth) / row["members"])
    return bool(abs(truth - stated) <= np.hypot(reach, error) + 1e-9)


def _mean(rows: list[dict[str, float]], key: str) -> float:
    return float(np.mean([row[key] for row in rows]))


def main() -> None:
    """Run what is missing, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sets", type=int, default=len(SETS), help="the first so many sets")
    arguments = parser.parse_args()
    path = RESULTS / "faithful.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    results = [json.loads(line) for line in lines]
    done = {(tuple(one["attributes"]), one["seed"]) for one in results}
    with bars() as progress:
        execution = Execution(progress=progress)
        fresh = fresh_labels(execution)
        for seed in range(arguments.seeds):
            for attributes in SETS[: arguments.sets]:
                if (attributes, seed) not in done:
                    results.append(run_case(attributes, seed, fresh, execution))
                    text = "".join(json.dumps(one) + "\n" for one in results)
                    write_text(path, text)
    order = [(attributes, seed) for attributes in SETS for seed in range(arguments.seeds)]
    results.sort(key=lambda one: order.index((tuple(one["attributes"]), one["seed"])))
    write_text(RESULTS / "faithful.md", page(results))


if __name__ == "__main__":
    main()
