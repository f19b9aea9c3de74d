"""The comparison of ways to a wanted mix within every context; stored results are reused."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from equipoise.compare.context_methods import METHODS, WITH_EDITS, ContextCase, ContextOutcome
from equipoise.compare.page import markdown_table
from equipoise.compare.stored import Refused, StoredResults
from equipoise.core.context_targets import parse_context_targets
from equipoise.core.errors import InsufficientLabelsError
from equipoise.core.estimates import Estimate
from equipoise.core.files import write_text
from equipoise.core.numbers import decimals, estimate
from equipoise.core.progress import Execution, Progress
from equipoise.core.settings import Settings
from equipoise.measure.contexts import measure_contexts
from equipoise.methods.context_proposals import check_prompted
from equipoise.pipeline import open_models

IMAGES = 250
"""Images of each context that a method delivers by default; as `balance-contexts`."""

EXPLANATION = """\
Every method may learn from the same number of labels, and delivers as many images of every context.

- Mean deviation ratio is that of the contexts, with its interval. Few images a context make it too
  large: what a perfect generator has is stated below the table. Verified draws are exact.
- Worst context is the one with the largest deviation ratio; its interval holds together with those
  of all contexts of the row.
- KL is the mean divergence from the target within contexts, in nats.
- Labels are those that the method learns from; the others do without.
- Calls are generator calls for an image delivered, those of refused candidates included. With
  labels are calls for an image where the labels, and at most all their states that early refusal
  makes again, are paid by these images alone.
- Faithfulness is that of the cells that come of the prompts themselves, as classifiers see cells: 1
  where the classifier alone chooses among images of the prompt, and with early refusal the part of
  fresh images that pass. It is not defined for edits, which change what the model means.

Edits alone request every cell in the target's shares, without labels. Best of n keeps, for a
wanted cell, the first of n images of the prompt that the classifier sees as that cell, or else the
first of them. Early refusal without calibration is the same latent classifier, where a candidate of
a prompt goes on from a probability of .5 of some missing cell.
"""


@dataclass(frozen=True, kw_only=True)
class ContextScore:
    """The mix within contexts that one method brings, and its cost.

    Attributes
    ----------
    n : int
        Images, over all contexts.
    contexts, meets : int
        Contexts, and those of them whose mix meets the target.
    mean : Estimate
        Mean deviation ratio of the contexts.
    floor : float
        That of a perfect generator at these numbers of images.
    worst : str
        The context whose deviation ratio is the largest; empty without a known image.
    worst_deviation : Estimate
        Its deviation ratio, with an interval that holds together with those of all contexts.
    kl, kl_floor : float
        Mean over contexts of KL(achieved || target) in nats, and the same for a perfect generator.
    labels : int
        Labelled images that the method learnt from.
    calls, calls_with_labels : float
        Generator calls per image; and where these images pay for the labels too, and for the states
        of all labelled images where early refusal makes them again.
    faithfulness : Estimate
        Of the cells that come of the prompts themselves, as classifiers see cells: 1 less the total
        variation to the generator's own images of the cell; missing where none comes so.
    """

    n: int
    contexts: int
    meets: int
    mean: Estimate
    floor: float
    worst: str
    worst_deviation: Estimate
    kl: float
    kl_floor: float
    labels: int
    calls: float
    calls_with_labels: float
    faithfulness: Estimate


ContextResult = ContextScore | Refused
"""What is stored of a method."""


def images_of(settings: Settings, contexts: int) -> int:
    """Return the images of each context: `measure_n`, evenly spread, or `IMAGES`.

    Raises
    ------
    InsufficientLabelsError
        When `measure_n` is less than one for each context.
    """
    if settings.measure_n is None:
        return IMAGES
    if settings.measure_n < contexts:
        rule = f"must be at least one for each of {contexts:,} contexts"
        raise InsufficientLabelsError(
            "measure_n", rule, settings.measure_n, "Raise --measure-n: 250 times that is usual."
        )
    return settings.measure_n // contexts


def compare_contexts(
    settings: Settings,
    folder: Path,
    progress: Progress,
    on_result: Callable[[str, ContextResult], None] = lambda method, result: None,
) -> dict[str, ContextResult]:
    """Compare all methods on a generator with contexts.

    Parameters
    ----------
    settings : Settings
        `n` is the number of labels that each method may learn from, `measure_n` that of its images
        over all contexts, and `target` holds within every context.
    folder : Path
        Stores labels and results; an interrupted comparison is resumed from it.
    progress : Progress
    on_result : callable
        Called with each new method and its result.

    Raises
    ------
    InputError
        When the generator has no contexts, there are fewer labels than a method needs at least, or
        the folder holds another comparison.
    InsufficientLabelsError
        When `measure_n` is too small.
    """
    models = open_models(settings)
    generator, _ = check_prompted(models.generator, models.panel.grid, "prompt")
    case = ContextCase(
        models,
        parse_context_targets(settings.target, models.panel.grid),
        settings.n,
        images_of(settings, len(generator.contexts)),
        settings.seed,
        folder,
        Execution(settings.workers, progress),
    )
    return run_contexts(case, folder / "results", progress, on_result)


def run_contexts(
    case: ContextCase,
    folder: Path,
    progress: Progress,
    on_result: Callable[[str, ContextResult], None] = lambda method, result: None,
) -> dict[str, ContextResult]:
    """Measure every method on a case, and return all results by method."""

    def measure(method: str) -> ContextScore:
        if method in WITH_EDITS and not case.edited:
            raise InsufficientLabelsError(
                "edits of the generator", "must be one for each cell", "fewer", "Add some."
            )
        return _score(case, METHODS[method](case))

    return _stored(folder).fill(_identity(case), lambda: measure, progress, on_result)


def read_context_results(folder: Path) -> dict[str, ContextResult]:
    """Return the results in a folder, in the order of the methods.

    Raises
    ------
    FileFormatError
        When a result cannot be read.
    """
    return _stored(folder).read()


def _stored(folder: Path) -> StoredResults[ContextScore]:
    return StoredResults(folder, tuple(METHODS), ContextScore)


def _identity(case: ContextCase) -> str:
    targets = [target.shares.tolist() for target in case.targets]
    mine = {"n": case.n, "images": case.images, "seed": case.seed, "targets": targets}
    return json.dumps({**case.models.identity, **mine}, sort_keys=True)


def _score(case: ContextCase, outcome: ContextOutcome) -> ContextScore:
    names = [case.generator.contexts[c] for c in outcome.contexts]
    mix = measure_contexts(outcome.labels, names, case.wanted)
    worst, n = mix.contexts[0], len(names)
    return ContextScore(
        n=n,
        contexts=len(mix.contexts),
        meets=mix.with_verdict("meets"),
        mean=mix.mean,
        floor=mix.floor,
        worst=worst.name if worst.farthest else "",
        worst_deviation=worst.deviation,
        kl=mix.kl,
        kl_floor=mix.kl_floor,
        labels=outcome.learnt,
        calls=outcome.calls / n,
        calls_with_labels=(outcome.calls + outcome.learnt + outcome.states) / n,
        faithfulness=outcome.faithfulness,
    )


def table(
    results: Mapping[str, ContextResult],
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the headings and one row of text per method that applies."""
    rows: list[tuple[str, ...]] = [
        (
            method,
            estimate(found.mean, decimals),
            estimate(found.worst_deviation, decimals),
            decimals(found.kl, 4),
            f"{found.labels:,}",
            decimals(found.calls),
            decimals(found.calls_with_labels),
            estimate(found.faithfulness, decimals, missing="-"),
        )
        for method, found in results.items()
        if isinstance(found, ContextScore)
    ]
    ratios = ("mean deviation ratio", "worst context", "KL")
    costs = ("labels", "calls", "calls with labels", "faithfulness")
    return ("method", *ratios, *costs), rows


def remarks(results: Mapping[str, ContextResult]) -> list[str]:
    """Return what a reader of the table must know: the floor, and methods that do not apply."""
    known = [found for found in results.values() if isinstance(found, ContextScore)]
    lines = [
        f"A perfect generator has a mean deviation ratio of {known[0].floor:.2f} and a KL of "
        f"{known[0].kl_floor:.4f} at {known[0].n:,} images of {known[0].contexts:,} contexts."
    ][: len(known)]
    return lines + [
        f"Not applicable: {method}. {found.refused}"
        for method, found in results.items()
        if isinstance(found, Refused)
    ]


def write_contexts_page(path: Path, command: str, results: Mapping[str, ContextResult]) -> None:
    """Write the table as a Markdown page.

    Parameters
    ----------
    path : Path
    command : str
        The command that made the results.
    results : mapping of str to ContextScore or Refused
    """
    head = ["# Ways to a mix within every context", "", f"`{command}`", "", EXPLANATION]
    notes = [line for remark in remarks(results) for line in (remark, "")]
    write_text(path, "\n".join([*head, *markdown_table(*table(results)), "", *notes]))
