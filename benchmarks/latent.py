"""What each part of the latent classifier and of directed labelling is worth.

One part at a time is changed; calls are those of thresholds that accept 0.9 of the members of each
cell, on fresh labelled codes, and of the square root with weights. Results that the file holds are
not computed again; the page is written at the end.

    python benchmarks/latent.py --seeds 3
    python benchmarks/latent.py --attributes gender+skin_tone --variants "as shipped" ...
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from equipoise.cli.console import bars
from equipoise.core.files import write_text
from equipoise.core.labels import LabelledCodes, Labels
from equipoise.core.parallel import batches
from equipoise.core.progress import Execution
from equipoise.core.settings import Settings
from equipoise.core.targets import Target
from equipoise.labelling.collect import collect
from equipoise.methods.tilt import fit_latent as fitting
from equipoise.methods.tilt.directed_labels import label_adaptively
from equipoise.pipeline import open_models
from equipoise.samplers.latent_classifier import LatentClassifier

RESULTS = Path(__file__).parent / "results"
WORK = Path("runs/benchmarks")
ATTRIBUTES = "smiling+skin_tone"
RECALL = 0.9
_LEAST = 1e-6


@dataclass(frozen=True)
class Variant:
    """One change: shares of directed labels, members, and constants of the fit."""

    directed: float = 0.6
    members: int = fitting.MEMBERS
    folds: int = fitting.FOLDS
    constants: tuple[tuple[str, Any], ...] = ()


def _no_intervals(labels: Labels, scores: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.zeros((sum(labels.grid.shape), 2), np.float32)


_NO_CHANNELS, _NO_HIDDEN = ("_DROPPED_CHANNELS", 0.0), ("_DROPPED_HIDDEN", 0.0)
_RATE = ("_SPATIAL_RATE", 2e-3)
SHIPPED = "as shipped"
VARIANTS = {
    SHIPPED: Variant(),
    "no dropout of channels": Variant(constants=(_NO_CHANNELS,)),
    "no dropout of hidden values": Variant(constants=(_NO_HIDDEN,)),
    "no dropout": Variant(constants=(_NO_CHANNELS, _NO_HIDDEN)),
    "0.3 of the channels dropped": Variant(constants=(("_DROPPED_CHANNELS", 0.3),)),
    "one member": Variant(members=1),
    "three members": Variant(members=3),
    "three folds": Variant(folds=3),
    "levels not as intervals of scores": Variant(constants=(("score_bounds", _no_intervals),)),
    "12 epochs": Variant(constants=(("_EPOCHS", 12),)),
    "32 channels": Variant(constants=(("_CHANNELS", 32),)),
    "32 channels, 12 epochs, 0.3 of them dropped, rate 0.002": Variant(
        constants=(("_CHANNELS", 32), ("_EPOCHS", 12), ("_DROPPED_CHANNELS", 0.3), _RATE)
    ),
    "weight decay 0.1": Variant(constants=(("_WEIGHT_DECAY", 0.1),)),
    "0.8 of the labels directed": Variant(directed=0.8),
    "no directed labels": Variant(directed=0.0),
}


def measure(
    classifier: LatentClassifier,
    stage: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    codes: NDArray[np.float32],
    cells: NDArray[np.int64],
) -> dict[str, Any]:
    """Return log-likelihood and calls on fresh codes, read by the folds in turn like candidates."""
    folds = np.arange(len(codes)) % classifier.folds
    log_h = np.concatenate(
        [
            classifier.log_probabilities(stage(codes[i:j]), folds[i:j])
            for i, j in batches(0, len(codes), 2048)
        ]
    )
    h, known = np.exp(log_h.astype(np.float64)), cells >= 0
    calls, effective = [], []
    for k in range(classifier.grid.size):
        own = h[cells == k, k]
        accepted = h[:, k] >= np.quantile(own, 1 - RECALL)
        calls.append(float(accepted.sum() / (accepted & (cells == k)).sum()))
        root = np.sqrt(np.maximum(h[:, k], _LEAST))
        share = (cells == k).mean()
        effective.append(float(root.mean() / share * (1 / root[cells == k]).mean()))
    loss = -log_h[np.flatnonzero(known), cells[known]].mean()
    return {"loss": float(loss), "calls": calls, "effective": effective}


def run(
    variant: Variant,
    attributes: str,
    seed: int,
    fresh: tuple[NDArray[np.float32], Labels],
    execution: Execution,
) -> dict[str, Any]:
    """Label, fit and measure one variant."""
    settings = Settings(
        attributes=tuple(attributes.split("+")), seed=seed, directed=variant.directed
    )
    models = open_models(settings)
    grid = models.panel.grid
    name = "" if attributes == ATTRIBUTES else f"{attributes}-"
    folder = WORK / "latent" / f"{name}{seed}-{variant.directed:g}"
    n = settings.prior_n
    labels = collect(models, n, seed, folder / "labels", execution=execution).labels()
    labelled = label_adaptively(
        models,
        LabelledCodes.of_prior(models.generator.prior.codes(seed, 0, n), labels),
        Target.uniform(grid),
        settings.directed_n,
        seed=seed,
        draws_folder=lambda digest, stage: folder / f"{stage}-{digest[:16]}",
        execution=execution,
    )
    began = time.process_time()
    with ExitStack() as stack:
        for constant, value in variant.constants:
            stack.enter_context(mock.patch.object(fitting, constant, value))
        fit = fitting.fit_latent(
            models.generator.stem,
            labelled.codes,
            seed=seed,
            folds=variant.folds,
            members=variant.members,
            execution=execution,
        )
    seconds = time.process_time() - began
    codes, all_labels = fresh
    cells = all_labels.restricted(grid).cells
    return {"seconds": seconds, **measure(fit.classifier, models.generator.stem, codes, cells)}


def page(results: list[dict[str, Any]]) -> str:
    """Return the results as Markdown: means over seeds, by set of attributes."""
    lines = [
        "# The latent classifier, part by part",
        "",
        "Written by `python benchmarks/latent.py --seeds 3`; results in `latent.jsonl`. The DCGAN,",
        "10,000 classified images. Loss in nats on fresh codes; calls per verified image at a",
        f"recall of {RECALL:g}, and per effective image by the square root: means over cells;",
        "seconds of processor time of the fit. Stages of candidates are not counted. Differences",
        "are to what is shipped, with the same labels: mean over seeds, and its standard error.",
    ]
    for attributes in dict.fromkeys(one["attributes"] for one in results):
        of = [one for one in results if one["attributes"] == attributes]
        lines += ["", f"## {attributes.replace('+', ' x ')}", "", *_table(of)]
    return "\n".join([*lines, ""])


def _table(results: list[dict[str, Any]]) -> list[str]:
    lines = [
        "| variant | seeds | loss | difference | calls | difference | calls per effective image "
        "| difference | seconds |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    base = {one["seed"]: one for one in results if one["variant"] == SHIPPED}
    for name in VARIANTS:
        own = [one for one in results if one["variant"] == name]
        if not own:
            continue
        cells = [name, str(len(own))]
        for key, digits in (("loss", 4), ("calls", 2), ("effective", 2)):
            found = np.array([np.mean(one[key]) for one in own])
            less = found - [np.mean(base[one["seed"]][key]) for one in own]
            error = f" ± {less.std(ddof=1) / len(own) ** 0.5:.{digits}f}" if len(own) > 1 else ""
            cells += [f"{found.mean():.{digits}f}", f"{less.mean():+.{digits}f}{error}"]
        cells += [f"{np.mean([one['seconds'] for one in own]):.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def main() -> None:
    """Run what is missing, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attributes", default=ATTRIBUTES)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=VARIANTS)
    arguments = parser.parse_args()
    path = RESULTS / "latent.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    results = [json.loads(line) for line in lines]
    done = {(one["attributes"], one["variant"], one["seed"]) for one in results}
    with bars() as progress:
        execution = Execution(progress=progress)
        models = open_models(Settings(attributes=("gender", "age", "smiling", "skin_tone")))
        table = collect(models, 50_000, 1001, WORK / "faithful" / "fresh", execution=execution)
        fresh = models.generator.prior.codes(1001, 0, 50_000), table.labels()
        for seed in range(arguments.seeds):
            for name in arguments.variants:
                if (arguments.attributes, name, seed) not in done:
                    found = run(VARIANTS[name], arguments.attributes, seed, fresh, execution)
                    named = {"attributes": arguments.attributes, "variant": name, "seed": seed}
                    results.append({**named, **found})
                    write_text(path, "".join(json.dumps(one) + "\n" for one in results))
    write_text(RESULTS / "latent.md", page(results))


if __name__ == "__main__":
    main()
