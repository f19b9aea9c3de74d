"""Methods of balancing side by side on the real generator.

For each set of attributes, number of labels and seed, every method makes a sampler from the same
labels, draws n images, and is measured: KL to the uniform target with its floor, purity, Frechet
distance and coverage against a balanced reference made by rejection, generator calls per image,
seconds to fit and to draw. Done parts are kept under --work and skipped in the next run.

    python benchmarks/methods.py --pool 100000 --sets smiling+skin_tone --seeds 0    (a first look)
    python benchmarks/methods.py                                                     (hours)

Features of images: the mean colours of 12x12 areas, projected to 48 fixed orthogonal directions.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from equipoise.classifiers import Panel, open_panel
from equipoise.classifiers.resize import resize
from equipoise.collection import collect
from equipoise.distances import frechet_distance, moments
from equipoise.drawing import exact_counts, verified
from equipoise.generators import Generator, generate, open_generator
from equipoise.groups import Groups
from equipoise.labels import Labels, concatenate
from equipoise.measure.representation import divergence, noise_floor
from equipoise.methods import Ground, label_directions, shift_sampler, tilt_sampler
from equipoise.mixture import MixtureSource, fit_mixture
from equipoise.sampler import Origin, Sampler
from equipoise.settings import Settings
from equipoise.store import write_json
from equipoise.targets import Target
from equipoise.versions import versions
from equipoise.workers import batches, ordered_map

ATTRIBUTES = ("gender", "smiling", "skin_tone")
SETS = (
    *("smiling+skin_tone", "gender+skin_tone", "gender+smiling+skin_tone"),
    *("smiling", "skin_tone", "gender"),
)
POOL_SEED = 900
RESULTS = Path(__file__).parent / "results"
_PROJECTION = np.linalg.qr(np.random.default_rng(0).standard_normal((432, 48)))[0]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pictures:
    """What is measured of a set of images: features, shape (n, 48), and labels."""

    features: Floats
    labels: Labels


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a method delivers.

    Attributes
    ----------
    codes : numpy.ndarray, shape (n, dim)
    requested : numpy.ndarray, shape (n,), or None where nothing is requested
    calls : float
        Generator calls per delivered image.
    fit, draw : float
        Seconds to fit, and per 1,000 draws of codes.
    note : str
    """

    codes: NDArray[np.float32]
    requested: NDArray[np.int64] | None
    calls: float
    fit: float
    draw: float
    note: str = ""


def restrict(labels: Labels, groups: Groups) -> Labels:
    """Return the labels of the attributes of `groups` alone."""
    columns = [labels.groups.attribute(name) for name in groups.names]
    probabilities = tuple(labels.probabilities[a] for a in columns)
    return Labels(groups, labels.levels[:, columns], probabilities, labels.scores[:, columns])


def see(generator: Generator, panel: Panel, codes: NDArray[np.float32]) -> Pictures:
    """Generate, label and featurise codes."""

    def one(bounds: tuple[int, int]) -> tuple[Labels, Floats]:
        images = generate(generator, codes[slice(*bounds)])
        areas = resize(images, 12).numpy().reshape(len(images), -1) / 255
        return panel.read(images), np.asarray(areas @ _PROJECTION, np.float64)

    parts = list(ordered_map(one, batches(0, len(codes), generator.batch_size)))
    return Pictures(np.concatenate([f for _, f in parts]), concatenate([x for x, _ in parts]))


@dataclass(frozen=True, eq=False)
class Pool:
    """Many labelled codes of the prior, from which balanced references are taken by rejection."""

    generator: Generator
    panel: Panel
    labels: Labels
    n: int

    def balanced(self, groups: Groups, number: int) -> tuple[NDArray[np.int64], float]:
        """Return indices of the reference `number` (0 or 1), and calls per image to make it."""
        cells = restrict(self.labels, groups).cells
        own = [np.flatnonzero(cells == k) for k in range(groups.size)]
        each = min(self.n // groups.size, min(map(len, own)) // 2)
        chosen = [rows[number * each : (number + 1) * each] for rows in own]
        calls = len(cells) / min(map(len, own)) / groups.size
        return np.concatenate(chosen), calls

    def codes(self, index: NDArray[np.int64]) -> NDArray[np.float32]:
        """Make codes of the pool again."""
        rows = [self.generator.prior.codes(POOL_SEED, int(i), int(i) + 1) for i in np.sort(index)]
        return np.concatenate(rows)


@dataclass(frozen=True, eq=False)
class Case:
    """One set of attributes at one number of labels and one seed."""

    pool: Pool
    panel: Panel
    labels: Labels
    seed: int
    n: int
    work: Path

    @property
    def generator(self) -> Generator:
        """The generator under test."""
        return self.pool.generator

    @property
    def groups(self) -> Groups:
        """The cells."""
        return self.labels.groups

    @cached_property
    def target(self) -> Target:
        """Uniform."""
        return Target.uniform(self.groups)

    @cached_property
    def codes(self) -> NDArray[np.float32]:
        """The labelled codes."""
        return self.generator.prior.codes(self.seed, 0, len(self.labels))

    @cached_property
    def ground(self) -> Ground:
        """What the library's methods start from."""
        settings = Settings(attributes=self.groups.names, n=len(self.labels), seed=self.seed)
        directions = label_directions(self.generator, self.labels, settings)

        def folder(digest: str) -> Path:
            return self.work / f"draws-{digest[:12]}"

        return Ground(
            self.generator, self.panel, self.labels, directions, self.target, settings, folder
        )

    @cached_property
    def tilt(self) -> tuple[Sampler, float]:
        """The tilted sampler and the seconds that it took: half of the labels are directed."""
        began = time.perf_counter()
        of_prior = self.labels.take(slice(0, self.ground.settings.prior_n))
        made = tilt_sampler(replace(self.ground, labels=of_prior))
        return made.sampler, time.perf_counter() - began

    @cached_property
    def verified_codes(self) -> tuple[list[NDArray[np.float32]], float, float]:
        """Codes of each cell that came out as requested, calls per image, seconds."""
        began = time.perf_counter()
        counts = exact_counts(self.target, self.n)
        drawn = list(verified(self.tilt[0], self.generator, self.panel, counts, self.seed))
        codes = np.concatenate([d.draws.codes for d in drawn])
        cells = np.concatenate([d.draws.requested for d in drawn])
        calls = sum(d.calls for d in drawn) / self.n
        own = [codes[cells == k] for k in range(self.groups.size)]
        return own, calls, time.perf_counter() - began

    def from_sampler(self, sampler: Sampler, fit: float, note: str = "") -> Outcome:
        """Draw n codes one-shot."""
        began = time.perf_counter()
        draws = sampler.draw(self.n, self.seed + 1)
        seconds = (time.perf_counter() - began) * 1000 / self.n
        return Outcome(draws.codes, draws.requested, 1.0, fit, seconds, note)

    def from_mixtures(self, codes: list[NDArray[np.float32]], components: int | str) -> Sampler:
        """Fit a mixture to the codes of each cell."""
        source = MixtureSource(tuple(fit_mixture(c, components, seed=self.seed) for c in codes))
        return Sampler(Origin.of(self.generator), self.target, self.target.shares, source)


def prior(case: Case) -> Outcome:
    """Draw from the generator as it is."""
    began = time.perf_counter()
    codes = case.generator.prior.codes(case.seed + 10_000, 0, case.n)
    seconds = (time.perf_counter() - began) * 1000 / case.n
    return Outcome(codes, None, 1.0, 0.0, seconds)


def rejection(case: Case) -> Outcome:
    """Wait in the prior's draws until every cell is full: the second balanced reference."""
    index, calls = case.pool.balanced(case.groups, 1)
    return Outcome(case.pool.codes(index), None, calls, 0.0, np.nan)


def importance_resampling(case: Case) -> Outcome:
    """Draw labelled codes again with the weights of the target over the cells' shares."""
    cells = case.labels.cells
    weights = case.target.shares[cells] / np.bincount(cells, minlength=case.groups.size)[cells]
    weights /= weights.sum()
    rng = np.random.default_rng(case.seed)
    began = time.perf_counter()
    rows = rng.choice(len(cells), size=case.n, p=weights)
    seconds = (time.perf_counter() - began) * 1000 / case.n
    effective = 1 / np.square(weights).sum()
    return Outcome(
        case.codes[rows], None, 1.0, 0.0, seconds, f"effective sample size {effective:.0f}"
    )


def paper(distance: float, components: int) -> Callable[[Case], Outcome]:
    """Return the paper's recipe at one shift distance and number of components."""

    def run(case: Case) -> Outcome:
        settings = replace(case.ground.settings, distance=distance, components=components)
        began = time.perf_counter()
        made = shift_sampler(replace(case.ground, settings=settings))
        return case.from_sampler(made.sampler, time.perf_counter() - began)

    return run


def gaussian_per_cell(case: Case) -> Outcome:
    """Fit one Gaussian to the labelled codes of each cell, shrunk by a unit of variance in ten."""
    began = time.perf_counter()
    cells = case.labels.cells
    mixtures = [
        fit_mixture(case.codes[cells == k], 1, regularisation=0.1, seed=case.seed)
        for k in range(case.groups.size)
    ]
    source = MixtureSource(tuple(mixtures))
    sampler = Sampler(Origin.of(case.generator), case.target, case.target.shares, source)
    return case.from_sampler(sampler, time.perf_counter() - began)


def mixture_on_verified(case: Case) -> Outcome:
    """Fit the paper's mixture to verified tilted codes."""
    codes, _, seconds = case.verified_codes
    began = time.perf_counter()
    sampler = case.from_mixtures(codes, "bic")
    fit = case.tilt[1] + seconds + time.perf_counter() - began
    return case.from_sampler(sampler, fit)


def tilt_one_shot(case: Case) -> Outcome:
    """Tilt, calibrate, draw once."""
    sampler, fit = case.tilt
    beta = getattr(sampler.source, "beta", np.nan)
    return case.from_sampler(sampler, fit, f"beta {beta:g}")


def tilt_of_prior(case: Case) -> Outcome:
    """Tilt by what as many labels of the prior alone teach."""
    settings = replace(case.ground.settings, directed=0.0)
    began = time.perf_counter()
    made = tilt_sampler(replace(case.ground, settings=settings))
    return case.from_sampler(made.sampler, time.perf_counter() - began)


def tilt_verified(case: Case) -> Outcome:
    """Tilt, classify each image, keep those of the requested cell."""
    codes, calls, seconds = case.verified_codes
    requested = np.repeat(np.arange(case.groups.size), [len(c) for c in codes])
    per_thousand = seconds * 1000 / case.n
    return Outcome(np.concatenate(codes), requested, calls, case.tilt[1], per_thousand)


METHODS: dict[str, Callable[[Case], Outcome]] = {
    "prior": prior,
    "rejection": rejection,
    "importance resampling": importance_resampling,
    **{
        f"paper, shift {distance:g}, {components} component{'s' * (components > 1)}": paper(
            distance, components
        )
        for distance, components in ((0.75, 1), (1.5, 1), (3.0, 1), (1.5, 4))
    },
    "Gaussian per labelled cell": gaussian_per_cell,
    "mixture on verified codes": mixture_on_verified,
    "tilt, labels of the prior alone": tilt_of_prior,
    "tilt, one-shot": tilt_one_shot,
    "tilt, verified": tilt_verified,
}


def coverage(reference: Floats, drawn: Floats, nearest: int = 5) -> float:
    """Return the share of reference images with a drawn one nearer than their k-th neighbour.

    Naeem et al. 2020, arXiv 2002.09797, equation 8. In [0, 1], higher is better.
    """
    if len(drawn) == 0 or len(reference) <= nearest:
        return float("nan")
    neighbours = NearestNeighbors(n_neighbors=nearest + 1).fit(reference)
    reach = neighbours.kneighbors(reference)[0][:, -1]
    to_drawn = NearestNeighbors(n_neighbors=1).fit(drawn).kneighbors(reference)[0][:, 0]
    return float((to_drawn <= reach).mean())


def measure(case: Case, outcome: Outcome, gold: Pictures, other: Pictures) -> dict[str, Any]:
    """Measure what a method delivered against the balanced references."""
    pictures = see(case.generator, case.panel, outcome.codes)
    cells, n = pictures.labels.cells, len(outcome.codes)
    shares = np.bincount(cells, minlength=case.groups.size) / n
    reference = moments(gold.features)
    distance = frechet_distance(moments(pictures.features), reference)
    floor = frechet_distance(moments(other.features), reference)
    covered = [
        coverage(gold.features[gold.labels.cells == k], pictures.features[cells == k])
        for k in range(case.groups.size)
    ]
    purity = None
    if outcome.requested is not None:
        hits = outcome.requested == cells
        purity = [float(hits[outcome.requested == k].mean()) for k in range(case.groups.size)]
    return {
        "n": n,
        "kl": divergence(shares, case.target.shares),
        "kl_floor": noise_floor(case.target.shares, n),
        "shares": shares.tolist(),
        "purity": purity,
        "frechet": distance,
        "frechet_floor": floor,
        "frechet_ratio": distance / floor,
        "coverage": covered,
        "calls": outcome.calls,
        "calls_verified": outcome.calls if purity is None else _verified_calls(outcome, purity),
        "fit_seconds": outcome.fit,
        "draw_seconds_per_1000": outcome.draw,
        "note": outcome.note,
    }


def _verified_calls(outcome: Outcome, purity: list[float]) -> float:
    """Return calls per verified image of a uniform target: the mean of 1 / purity."""
    if outcome.calls > 1:
        return outcome.calls
    return float(np.mean([1 / p if p else np.inf for p in purity]))


def cases(arguments: argparse.Namespace, pool: Pool) -> Iterator[tuple[str, int, int, Case]]:
    """Yield every case, its labels collected."""
    for labels in arguments.labels:
        for seed in arguments.seeds:
            folder = arguments.work / f"labels-{seed}"
            table = collect(pool.generator, pool.panel, labels, seed, folder)
            for name in arguments.sets:
                panel = open_panel(name.split("+"), pool.generator)
                known = restrict(table.labels(), panel.groups)
                work = arguments.work / f"{name}-{labels}-{seed}"
                yield name, labels, seed, Case(pool, panel, known, seed, arguments.n, work)


def run_case(case: Case) -> None:
    """Measure every method that has no result yet."""
    left = [m for m in METHODS if not _result(case.work, m).exists()]
    if not left:
        return
    gold, other = (
        see(case.generator, case.panel, case.pool.codes(case.pool.balanced(case.groups, i)[0]))
        for i in (0, 1)
    )
    case.work.mkdir(parents=True, exist_ok=True)
    for method in left:
        began = time.perf_counter()
        try:
            found = measure(case, METHODS[method](case), gold, other)
        except ValueError as error:
            found = {"not applicable": str(error)}
        _result(case.work, method).write_text(json.dumps(found))
        print(f"{case.work.name}: {method}: {_line(found)} ({time.perf_counter() - began:.0f} s)")


def _result(work: Path, method: str) -> Path:
    return work / f"{method.replace(' ', '_').replace(',', '')}.json"


def _line(found: dict[str, Any]) -> str:
    if "kl" not in found:
        return "not applicable"
    return (
        f"KL {found['kl']:.4f}, Frechet x{found['frechet_ratio']:.1f}, "
        f"calls {found['calls_verified']:.2f}"
    )


def summarise(work: Path, command: str) -> None:
    """Write all results so far as JSON and Markdown, beside the command that made them."""
    rows: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for path in sorted(work.glob("*/*.json")):
        name = path.parent.name.rpartition("-")[0]
        rows.setdefault(name, {}).setdefault(path.stem, []).append(json.loads(path.read_text()))
    RESULTS.mkdir(exist_ok=True)
    record = {"results": rows, "versions": versions()}
    write_json(RESULTS / "methods.json", record)
    lines = [
        "# Methods side by side",
        "",
        f"`{command}`",
        "",
        "Means over the seeds that have run. KL is to the uniform target. Frechet is a ratio to",
        "the distance between two balanced references made by rejection; coverage is the mean over",
        "cells. Calls are per verified image where cells are requested, else per delivered image.",
        "Importance resampling repeats labelled codes: it has no more images than its effective",
        "sample size.",
    ]
    for name, methods in rows.items():
        lines += ["", f"## {name} labels", ""]
        columns = ("method", "seeds", "KL (floor)", "Frechet", "coverage", "calls", "fit, s")
        lines += [f"| {' | '.join((*columns, 'draw, s / 1,000'))} |"]
        lines += ["|---|---|---|---|---|---|---|---|"]
        order = {_result(Path(), m).stem: m for m in METHODS}
        for stem, method in order.items():
            found = [r for r in methods.get(stem, []) if "kl" in r]
            if found:
                mean = {
                    key: float(np.mean([r[key] for r in found]))
                    for key in (
                        *("kl", "kl_floor", "frechet_ratio", "calls_verified"),
                        *("fit_seconds", "draw_seconds_per_1000"),
                    )
                }
                covered = float(np.nanmean([r["coverage"] for r in found]))
                lines.append(
                    f"| {method} | {len(found)} | {mean['kl']:.4f} ({mean['kl_floor']:.4f}) | "
                    f"{mean['frechet_ratio']:.1f} | {covered:.2f} | "
                    f"{_shown(mean['calls_verified'])} | "
                    f"{mean['fit_seconds']:.0f} | {_shown(mean['draw_seconds_per_1000'])} |"
                )
    (RESULTS / "methods.md").write_text("\n".join(lines) + "\n")


def _shown(value: float) -> str:
    """Write a number, or "-" where there is none, as for a cell that is never requested."""
    return f"{value:.2f}" if np.isfinite(value) else "-"


def main() -> None:
    """Run what is missing, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS)
    parser.add_argument("--labels", nargs="+", type=int, default=[2500, 10_000, 40_000])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--n", type=int, default=6000, help="draws of each method")
    parser.add_argument("--pool", type=int, default=320_000, help="codes to take references from")
    parser.add_argument("--work", type=Path, default=Path("runs/bench"))
    arguments = parser.parse_args()
    generator = open_generator("digiface-dcgan")
    panel = open_panel(ATTRIBUTES, generator)
    table = collect(generator, panel, arguments.pool, POOL_SEED, arguments.work / "pool")
    pool = Pool(generator, panel, table.labels(), arguments.n)
    for name, labels, seed, case in cases(arguments, pool):
        print(f"{name}, {labels:,} labels, seed {seed}")
        run_case(case)
        summarise(arguments.work, " ".join(["python benchmarks/methods.py", *sys.argv[1:]]))


if __name__ == "__main__":
    main()
