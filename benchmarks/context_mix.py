"""The mix within every prompt of the text-to-image toy, as it is and by calibrated edits.

Labels of the edits, rates solved for, and the shares that they truly bring, which the toy knows.
Draws of a folder's size are measured too, by the panel.

    python benchmarks/context_mix.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers import open_panel
from equipoise.classifiers.models import Models
from equipoise.compare.context_methods import BEST_OF, CLEAR, drawn, uncalibrated
from equipoise.core.files import write_text
from equipoise.core.targets import Target
from equipoise.core.versions import versions_line
from equipoise.generators.toy_text import ToyTextGenerator
from equipoise.measure.contexts import deviation_ratio
from equipoise.measure.representation import divergence
from equipoise.methods.context_proposals import (
    ContextRequests,
    label_variants,
    request_edits,
    request_prompts,
)
from equipoise.methods.context_rates import calibrate_contexts
from equipoise.methods.context_refusal import EarlyRefusal, fit_refusal, passing_share

RESULTS = Path(__file__).parent / "results" / "context_mix.md"
LABELS, IMAGES, SEEDS, LEAKS = 20_000, 250, 2, (0.1, 0.2)
FRESH = 1000
STAGE, STEPS = 6, ToyTextGenerator().steps

_HEAD = f"""# The mix within every prompt

Written by `python benchmarks/context_mix.py`. The generator `toy-text`: 40 prompts, 6 cells, the
uniform target within each. {LABELS:,} labels of edits in all, {SEEDS} seeds together, one-shot and
verified draws of {IMAGES} images a prompt. "True" is by the toy's own shares; "drawn" by what was
drawn, where a perfect generator has the KL and the deviation ratio in the row of that name. Calls
are those per delivered image. Labels are those that a row needs, once, and come on top: {LABELS:,}
are 0.5 an image where 1,000 images a prompt are drawn.

Baselines: edits alone request every cell equally often, without labels. Best of n keeps, for a
wanted cell, the first of n images of the prompt that the classifier sees as that cell, or else the
first of them. "Prompts and edits" draws by the prompt where .05 of its labelled images are of the
cell (`--proposals both`), one seed; refused half-way after {STAGE} of {STEPS} steps, which cost
{STAGE} / {STEPS} of a call. "Without calibration" is the same latent classifier, and a candidate
goes on where the probability of some missing cell is {CLEAR} or more. Faithfulness there is that
of {FRESH:,} fresh images of each prompt, cells as they are wanted. "Perfect" is the cost where no
candidate went on in vain, and none was lost.

| leak of edits | draws | labels | KL, mean | KL, worst | deviation ratio, mean | worst | calls |\
 prompts out of reach |
|---|---|---|---|---|---|---|---|---|"""


def row(
    leak: str,
    name: str,
    shares: list[NDArray[np.float64]],
    calls: str,
    far: str = "",
    labels: int = LABELS,
) -> str:
    """Return a row of the table for shares of contexts, each of shape (C, K)."""
    found = np.concatenate(shares)
    uniform = np.full(found.shape[1], 1 / found.shape[1])
    kl = [divergence(one, uniform) for one in found]
    ratios = deviation_ratio(found, uniform)
    return (
        f"| {leak} | {name} | {labels:,} | {np.mean(kl):.5f} | {max(kl):.4f} | {ratios.mean():.3f} "
        f"| {ratios.max():.3f} | {calls} | {far} |"
    )


def best_of(n: int, own: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the shares of the best of n images by a classifier that errs never, shape (C, K).

    Parameters
    ----------
    n : int
    own : numpy.ndarray, shape (C, K)
        Shares of the prompts as they are.
    """
    size = own.shape[1]
    missed = (1 - own) ** (n - 1)
    # Of no wanted image among n, the first is any other cell's: (1 - p)^n p_j / (1 - p).
    others = (missed.sum(axis=1, keepdims=True) - missed) * own
    return np.asarray((1 - missed * (1 - own) + others) / size)


def drawn_shares(
    models: Models, requests: ContextRequests, seed: int, refusal: EarlyRefusal | None = None
) -> tuple[NDArray[np.float64], float]:
    """Return the shares of what is drawn, shape (C, K), and the calls."""
    contexts, labels, calls = drawn(models, requests, seed, refusal)
    found = np.zeros(requests.counts.shape)
    np.add.at(found, (contexts, labels.cells), 1)
    return found / IMAGES, calls


def by_prompts(models: Models, target: Target, leak: float) -> list[str]:
    """Return the rows of draws by prompts and edits."""
    toy = models.generator
    assert isinstance(toy, ToyTextGenerator)
    with tempfile.TemporaryDirectory() as folder:
        labels = label_variants(models, LABELS, 0, folder, "both")
    requests = request_prompts(labels, toy.contexts, target, IMAGES, "both")
    refusal = fit_refusal(toy, labels, requests)
    assert refusal is not None
    true = refusal.faithfulness
    bare = uncalibrated(refusal, requests)
    with tempfile.TemporaryDirectory() as folder:
        fresh = label_variants(models, FRESH * len(toy.contexts), 1001, folder, "prompt")

    def passing(used: EarlyRefusal) -> str:
        return f"{passing_share(used, toy, fresh, requests).value:.3f}"

    part = f"{requests.by_prompt.mean():.0%} of cells by prompts"
    found, each = [], []
    for name, used in (
        (f"prompts and edits, verified, drawn; {part}, faithfulness 1", None),
        (
            f"the same, refused half-way; faithfulness {true.value:.3f} "
            f"({true.low:.3f} to {true.high:.3f}), of fresh images "
            f"{passing(refusal)}",
            refusal,
        ),
        (
            "the same, refused half-way without calibration; faithfulness of fresh images "
            f"{passing(bare)}",
            bare,
        ),
    ):
        shares, calls = drawn_shares(models, requests, 0, used)
        each.append(calls / shares.shape[0] / IMAGES)
        found.append(row(f"{leak}", name, [shares], f"{each[-1]:.2f}"))
    perfect = 1 + (each[0] - 1) * STAGE / STEPS
    found.append(row(f"{leak}", "the same, refused perfectly", [shares], f"{perfect:.2f}"))
    return found


def rows(leak: float) -> list[str]:
    """Return the rows of one leak."""
    toy = ToyTextGenerator(leak=leak, stem=STAGE)
    models = Models(toy, open_panel([one.name for one in toy.grid.attributes], toy))
    target = Target.uniform(toy.grid)
    kept: dict[str, list[NDArray[np.float64]]] = {"true": [], "one-shot": [], "verified": []}
    calls, far = {"one-shot": 0.0, "verified": 0.0}, 0
    for seed in range(SEEDS):
        with tempfile.TemporaryDirectory() as folder:
            counts = label_variants(models, LABELS, seed, folder).of_edits()
        rates = calibrate_contexts(counts, target, seed)
        far += len(rates.unreachable)
        weights = np.array([one.weights for one in rates.contexts])
        kept["true"].append(np.einsum("ck,ckj->cj", weights, toy.cell_shares[:, 1:]))
        for name in calls:
            requests = request_edits(rates, target, IMAGES, verified=name == "verified")
            shares, cost = drawn_shares(models, requests, seed)
            calls[name] += cost
            kept[name].append(shares)
    rng = np.random.default_rng(0)
    perfect = [rng.multinomial(IMAGES, target.shares, len(toy.contexts)) / IMAGES]
    images = SEEDS * len(toy.contexts) * IMAGES
    own = [toy.cell_shares[:, 0]]
    per = {name: f"{made / images:.2f}" for name, made in calls.items()}
    return [
        row(f"{leak}", "the prompts as they are, true", own, "1", labels=0),
        *(
            row(
                f"{leak}",
                f"best of {n} by classifier, true",
                [best_of(n, own[0])],
                f"{n}",
                labels=0,
            )
            for n in BEST_OF
        ),
        row(f"{leak}", "edits alone, true", [toy.cell_shares[:, 1:].mean(axis=1)], "1", labels=0),
        row(f"{leak}", "one-shot, true", kept["true"], "1", f"{far / SEEDS:g}"),
        row(f"{leak}", "one-shot, drawn", kept["one-shot"], per["one-shot"]),
        row(f"{leak}", "verified, drawn", kept["verified"], per["verified"]),
        *by_prompts(models, target, leak),
        row(f"{leak}", "a perfect generator, drawn", perfect, "1", labels=0),
    ]


def main() -> None:
    """Write the table."""
    table = [line for leak in LEAKS for line in rows(leak)]
    write_text(RESULTS, "\n".join([_HEAD, *table, "", versions_line(), ""]))


if __name__ == "__main__":
    main()
