"""Numbers that mislead, each shown on the real generator: the runs behind docs/measuring.md.

python benchmarks/misreadings.py
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from equipoise import Settings, balance, load_sampler
from equipoise.classifiers import open_panel
from equipoise.classifiers.models import Models
from equipoise.core.labels import Labels, concatenate
from equipoise.core.records import write_record
from equipoise.core.targets import Target
from equipoise.core.versions import versions
from equipoise.generators import open_generator
from equipoise.measure.features import open_features
from equipoise.measure.references import see_codes
from equipoise.measure.representation import represent
from equipoise.samplers.draw import one_shot
from equipoise.samplers.verified import exact_counts, verified
from equipoise.stats.distances import frechet_distance, frechet_extrapolated, moments
from equipoise.stats.shares import Share

RESULTS = Path(__file__).parent / "results"
GENERATOR = open_generator("digiface-dcgan")
PANEL = open_panel(["smiling", "skin_tone"])
SMILING, SKIN_TONE = PANEL.grid.attributes
Rows = dict[str, float]


def pooled(folder: Path, n: int) -> Rows:
    """Balance smiling alone: its own KL, and who smiles."""
    balance(Settings(attributes=("smiling",), n=n), folder)
    sampler = load_sampler(folder / "sampler.safetensors", GENERATOR)
    models = Models(GENERATOR, open_panel(["smiling"]))
    labels = concatenate(
        [PANEL.predict(d.images) for d in one_shot(sampler, models, 6000, seed=11)]
    )
    rows = {
        "KL of smiling to one half": _kl(labels.restricted(sampler.grid)),
        "KL of smiling x skin tone to uniform": _kl(labels),
    }
    for level, name in enumerate(SKIN_TONE.levels):
        smiles = labels.levels[labels.levels[:, 1] == level, 0]
        share = Share.of(name, int(smiles.sum()), len(smiles))
        rows[f"smiling among {name}, n = {share.n:,}"] = share.share
        rows[f"smiling among {name}, interval from"] = share.low
        rows[f"smiling among {name}, interval to"] = share.high
    return rows


def quota(folder: Path, n: int) -> Rows:
    """Draw exact counts, and freely, from the paper's sampler, which misses its target."""
    balance(Settings(attributes=("smiling", "skin_tone"), n=n, method="shift"), folder)
    sampler = load_sampler(folder / "sampler.safetensors", GENERATOR)
    wanted = exact_counts(sampler.target, 1200)
    exact = list(verified(sampler, Models(GENERATOR, PANEL), wanted, seed=11))
    free = concatenate(
        [d.labels for d in one_shot(sampler, Models(GENERATOR, PANEL), 6000, seed=11)]
    )
    kept = concatenate([d.labels for d in exact])
    return {
        "KL of 6,000 one-shot draws": _kl(free),
        "KL of 1,200 verified draws": _kl(kept),
        "calls per verified draw": sum(d.calls for d in exact) / len(kept),
    }


def frechet(sizes: tuple[int, ...], pairs: int) -> Rows:
    """Set images of the prior against others of the prior: a true distance of 0."""
    features = open_features("age")
    rows: Rows = {}
    for n in sizes:
        sets = [
            see_codes(
                Models(GENERATOR, PANEL), GENERATOR.prior.codes(seed, 0, n), features
            ).features
            for seed in range(100, 100 + 2 * pairs)
        ]
        both = list(zip(sets[::2], sets[1::2], strict=True))
        plain = [frechet_distance(moments(a, ddof=1), moments(b, ddof=1)) for a, b in both]
        straight = [frechet_extrapolated(a, b).value for a, b in both]
        rows[f"Frechet distance at n = {n:,}, mean of {pairs}"] = float(np.mean(plain))
        rows[f"extrapolated from n = {n:,}, least of {pairs}"] = float(np.min(straight))
        rows[f"extrapolated from n = {n:,}, most of {pairs}"] = float(np.max(straight))
    return rows


def _kl(labels: Labels) -> float:
    found = represent(labels, Target.uniform(labels.grid)).kl
    return float("nan") if found is None else found


def main() -> None:
    """Run the three, print, and store as JSON and Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--n", type=int, default=10_000, help="labels of a sampler")
    parser.add_argument("--pairs", type=int, default=6, help="pairs of sets at each n")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        parts = {
            "Smiling balanced, skin tone not": pooled(Path(name, "pooled"), arguments.n),
            "A sampler that misses its target": quota(Path(name, "quota"), arguments.n),
            "Two sets of one distribution": frechet((600, 1000, 3000), arguments.pairs),
        }
    lines = ["# Numbers that mislead", "", "`python benchmarks/misreadings.py`", ""]
    for title, rows in parts.items():
        lines += [f"## {title}", "| what | value |", "|---|---|"]
        lines += [f"| {what} | {value:.4g} |" for what, value in rows.items()] + [""]
    text = "\n".join(lines)
    print(text)
    (RESULTS / "misreadings.md").write_text(text)
    write_record(RESULTS / "misreadings.json", {"parts": parts, "versions": versions()})


if __name__ == "__main__":
    main()
