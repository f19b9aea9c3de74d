"""What a classifier that nothing was tuned on says of verified draws: face-api's share of smiles.

Draws of every mode are set beside the generator's own images of each cell, which rejection found
among labelled codes of the prior. If draws are faithful, any classifier has the same answers on
both. Needs Node 18, a sampler of smiling x skin tone, and as many labelled codes as hold enough
images of the rarest cell.

    python benchmarks/second_opinion.py --sampler runs/demo/sampler.safetensors
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers import open_panel
from equipoise.classifiers.models import Models
from equipoise.classifiers.remote import RemoteClassifier, open_remote
from equipoise.cli.console import bars
from equipoise.core.estimates import Estimate
from equipoise.core.files import write_text
from equipoise.core.numbers import percent
from equipoise.core.parallel import batches
from equipoise.core.progress import Execution
from equipoise.core.records import write_record
from equipoise.core.versions import versions, versions_line
from equipoise.generators import open_generator
from equipoise.generators.base import Generator, generate
from equipoise.labelling.collect import collect
from equipoise.samplers.file import load_sampler
from equipoise.samplers.verified import verified
from equipoise.stats.intervals import share_difference
from equipoise.stats.shares import Share

ROOT = Path(__file__).parents[1]
if not TYPE_CHECKING:
    sys.path.insert(0, str(ROOT / "examples"))
from node_server import node_server  # noqa: E402

FACE_API = ROOT / "examples" / "face-api"
RESULTS = Path(__file__).parent / "results"
WORK = Path("runs/bench")
PANEL = ("gender", "age", "smiling", "skin_tone")
MODES = ("exact", "0.9", "typical")
POOL_SEED, DRAW_SEED = 900, 7
YES = 1

Drawn = tuple[NDArray[np.float32], NDArray[np.float64]]
"""Codes and weights of a cell's images."""


def own_codes(generator: Generator, names: tuple[str, ...], pool: int, most: int) -> list[Drawn]:
    """Return codes of the generator's own images of each cell, by rejection."""
    everything = open_panel(PANEL, generator)
    with bars() as progress:
        execution = Execution(progress=progress)
        models = Models(generator, everything)
        table = collect(models, pool, POOL_SEED, WORK / "pool", execution=execution)
    panel = open_panel(names, generator)
    cells = table.labels().restricted(panel.grid).cells
    codes = generator.prior.codes(POOL_SEED, 0, pool)
    rows = [np.flatnonzero(cells == k)[:most] for k in range(panel.grid.size)]
    return [(codes[own], np.ones(len(own))) for own in rows]


def drawn_codes(models: Models, sampler_file: Path, mode: str, per_cell: int) -> list[Drawn]:
    """Return codes and weights of verified draws of each cell."""
    sampler = load_sampler(sampler_file, models.generator)
    counts = np.full(sampler.grid.size, per_cell)
    with bars() as progress:
        drawn = [
            batch.latents
            for batch in verified(
                sampler,
                models,
                counts,
                DRAW_SEED,
                faithful=mode,
                execution=Execution(progress=progress),
            )
        ]
    codes = np.concatenate([part.codes for part in drawn])
    cells = np.concatenate([part.requested for part in drawn])
    weights = np.concatenate([part.weights for part in drawn])
    return [(codes[cells == k], weights[cells == k]) for k in range(sampler.grid.size)]


def smiles(model: RemoteClassifier, generator: Generator, drawn: Drawn) -> Share:
    """Return the share of smiles that face-api sees among images, weighted."""
    codes, weights = drawn
    place = [attribute.name for attribute in model.attributes].index("smiling")
    parts = [
        model.predict(generate(generator, codes[i:j]))[place].levels
        for i, j in batches(0, len(codes), generator.batch_size)
    ]
    levels = np.concatenate(parts)
    return Share.among("smiles", levels == YES, levels >= 0, weights)


def compared(mode: Share, own: Share) -> Estimate:
    """Return the difference of two shares, with effective images for weighted ones."""
    counted = (mode.share * mode.effective, mode.effective)
    return share_difference(*counted, own.share * own.effective, own.effective)


def rows(cells: tuple[str, ...], shares: dict[str, list[Share]]) -> Iterator[str]:
    """Yield the rows of the table."""
    for k, cell in enumerate(cells):
        own = shares["own"][k]
        columns = [cell, f"{percent(own.share)} of {own.n}"]
        for mode in MODES:
            found = compared(shares[mode][k], own)
            points = [f"{100 * value:+.1f}" for value in (found.value, found.low, found.high)]
            columns.append(f"{points[0]} ({points[1]} to {points[2]})")
        yield f"| {' | '.join(columns)} |"


def main() -> None:
    """Draw, ask face-api, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sampler", type=Path, default=Path("runs/demo/sampler.safetensors"))
    parser.add_argument("--per-cell", type=int, default=1000, help="images of each cell and mode")
    parser.add_argument("--pool", type=int, default=100_000, help="labelled codes for rejection")
    arguments = parser.parse_args()
    generator = open_generator("digiface-dcgan")
    names = load_sampler(arguments.sampler, generator).grid.names
    models = Models(generator, open_panel(names, generator))
    drawn = {"own": own_codes(generator, names, arguments.pool, arguments.per_cell)}
    for mode in MODES:
        drawn[mode] = drawn_codes(models, arguments.sampler, mode, arguments.per_cell)
    shares: dict[str, list[Share]] = {}
    with node_server(FACE_API) as origin:
        model = open_remote(FACE_API / "face-api.toml", origin=origin)
        for name, parts in drawn.items():
            shares[name] = [smiles(model, generator, part) for part in parts]
    command = " ".join(["python benchmarks/second_opinion.py", *sys.argv[1:]])
    modes = " | ".join(f"`--faithful {mode}`" for mode in MODES)
    head = f"""# A second opinion

Written by `{command}`. Share of smiles that face-api sees among
the generator's own images of each cell, found by rejection, and the difference of it among verified
draws of each mode, in percentage points with Newcombe's interval at 95 %; `exact` is weighted.
face-api was used for nothing else: neither to label, nor to fit, nor to choose a setting.

| cell | own images | {modes} |
|---|---|{"---|" * len(MODES)}"""
    table = rows(models.panel.grid.cells, shares)
    page = "\n".join([head, *table, "", versions_line(), ""])
    write_text(RESULTS / "second_opinion.md", page)
    write_record(RESULTS / "second_opinion.json", {"shares": shares, "versions": versions()})


if __name__ == "__main__":
    main()
