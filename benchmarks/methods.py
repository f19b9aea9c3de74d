"""Methods of balancing side by side on the real generator.

For each set of attributes, target, number of labels and seed, every method of `equipoise.compare`
makes a sampler from the same labels, draws n images, and is measured. Done parts are kept under
--work and skipped in the next run; the page and its JSON are written again after each case.

    python benchmarks/methods.py --n 3000 --seeds 0    (a first look)
    python benchmarks/methods.py                                                     (hours)
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from equipoise.classifiers import open_panel
from equipoise.classifiers.models import Models
from equipoise.compare.case import Case
from equipoise.compare.page import write_page
from equipoise.compare.reference import Pool
from equipoise.compare.run import FEATURES, make_case, open_joined, read_results, run_case
from equipoise.compare.scores import Result
from equipoise.core.records import write_record
from equipoise.core.settings import Settings
from equipoise.core.versions import versions
from equipoise.generators import open_generator
from equipoise.labelling.collect import collect

ATTRIBUTES = ("gender", "age", "smiling", "skin_tone", "expression", "skin_tone_six")
SETS = (
    *("smiling+skin_tone", "gender+skin_tone", "gender+smiling+skin_tone"),
    *("age+smiling", "age+skin_tone", "gender+age"),
    *("smiling", "skin_tone", "gender", "expression", "smiling+skin_tone_six"),
)
TARGETS = {
    "3-to-1": ("smiling+skin_tone", "marginals: smiling=yes:3,no:1"),
    "conditional": ("smiling+skin_tone", "conditional: smiling | skin_tone"),
}
"""Cases with a target that is not uniform: their attributes and the target."""
POOL_SEED = 900
RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Name:
    """Names one case: one of SETS or of TARGETS, its labels and its seed."""

    case: str
    labels: int
    seed: int

    @property
    def attributes(self) -> str:
        """The attributes, joined by +."""
        return TARGETS.get(self.case, (self.case, ""))[0]

    @property
    def target(self) -> str:
        """The target."""
        return TARGETS.get(self.case, ("", "uniform"))[1]

    @property
    def title(self) -> str:
        """What the page calls the case, all seeds together."""
        target = f", {self.target}" if self.case in TARGETS else ""
        return f"{self.attributes.replace('+', ' x ')}{target}, {self.labels:,} labels"

    def folder(self, work: Path) -> Path:
        """Where its results lie."""
        return work / f"{self.case}-{self.labels}-{self.seed}"


def _known(text: str) -> str:
    if text.partition("@")[0] not in (*SETS, *TARGETS):
        raise argparse.ArgumentTypeError(
            f"must be one of {', '.join((*SETS, *TARGETS))}, got {text}"
        )
    return text


def names(arguments: argparse.Namespace) -> Iterator[Name]:
    """Yield the cases that are asked for; seeds of a set may follow it: gender+age@0,1."""
    for labels in arguments.labels:
        for each in arguments.sets:
            case, given, seeds = each.partition("@")
            for seed in map(int, seeds.split(",")) if given else arguments.seeds:
                yield Name(case, labels, seed)


def open_case(name: Name, pool: Pool, arguments: argparse.Namespace) -> Case:
    """Collect the labels of a case, and return it."""
    generator = pool.generator
    everything = open_panel(ATTRIBUTES, generator)
    folder = arguments.work / f"labels-{name.seed}"
    table = collect(Models(generator, everything), name.labels, name.seed, folder)
    panel = open_panel(name.attributes.split("+"), generator)
    labels = table.labels().restricted(panel.grid)
    settings = Settings(
        attributes=panel.grid.names, target=name.target, n=name.labels, seed=name.seed
    )
    return make_case(pool, panel, labels, settings, name.folder(arguments.work))


def summarise(arguments: argparse.Namespace) -> None:
    """Write all results so far as JSON and as a page, beside the command that made them."""
    cases: dict[str, list[dict[str, Result]]] = {}
    for name in names(arguments):
        if results := read_results(name.folder(arguments.work)):
            cases.setdefault(name.title, []).append(results)
    command = " ".join(["python benchmarks/methods.py", *sys.argv[1:]])
    write_record(RESULTS / "methods.json", {"cases": cases, "versions": versions()})
    write_page(RESULTS / "methods.md", command, cases, Settings().directed)


def main() -> None:
    """Run what is missing, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sets", nargs="+", default=[*SETS, *TARGETS], type=_known)
    parser.add_argument("--labels", nargs="+", type=int, default=[10_000])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--n", type=int, default=6000, help="draws of each method")
    parser.add_argument("--pool", type=int, default=150_000, help="codes to take references from")
    parser.add_argument("--work", type=Path, default=Path("runs/bench"))
    arguments = parser.parse_args()
    generator = open_generator("digiface-dcgan")
    panel = open_panel(ATTRIBUTES, generator)
    table = collect(Models(generator, panel), arguments.pool, POOL_SEED, arguments.work / "pool")
    features = open_joined(FEATURES, generator)
    pool = Pool(generator, table.labels(), POOL_SEED, arguments.n, features)
    for name in names(arguments):
        print(f"{name.title}, seed {name.seed}", flush=True)
        run_case(
            open_case(name, pool, arguments),
            name.folder(arguments.work),
            on_result=lambda method, result: print(f"  {method}: {result}", flush=True),
        )
        summarise(arguments)


if __name__ == "__main__":
    main()
