"""How an option of a generator moves the mix within its contexts: guidance above all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from equipoise.classifiers.models import Models
from equipoise.core.context_targets import ContextTargets
from equipoise.core.errors import InputError, check_count
from equipoise.core.estimates import Estimate
from equipoise.core.folders import Folder
from equipoise.core.progress import Execution
from equipoise.core.tables import shown
from equipoise.measure.contexts import measure_contexts
from equipoise.methods.context_proposals import check_prompted, label_variants

_MOST_VALUES = 100
"""Values of an option that are swept over; each opens the generator again. Chosen by hand."""


@dataclass(frozen=True, kw_only=True)
class SweepRow:
    """The mix within contexts at one value of the option; docs/contexts.md explains the numbers.

    Attributes
    ----------
    value : str
        Of the option.
    mean : Estimate
        Mean deviation ratio of the contexts.
    floor : float
        That of a perfect generator at these numbers of images.
    worst : str
        The context whose deviation ratio is the largest; empty without a known image.
    worst_deviation : Estimate
        Its deviation ratio, with an interval that holds together with those of all contexts.
    pooled : Estimate
        Deviation ratio of all images together.
    unknown : int
        Images on which a classifier abstained.
    """

    value: str
    mean: Estimate
    floor: float
    worst: str
    worst_deviation: Estimate
    pooled: Estimate
    unknown: int


@dataclass(frozen=True, kw_only=True)
class ContextSweep:
    """The mix within contexts at several values of an option.

    Attributes
    ----------
    option : str
        Of the generator.
    images : int
        Of each context at each value.
    rows : tuple of SweepRow
        One a value, in the order given.
    """

    option: str
    images: int
    rows: tuple[SweepRow, ...]


def parse_sweep(text: str) -> tuple[str, tuple[str, ...]]:
    """Return the option and the values of "guidance=1,3,5".

    Raises
    ------
    InputError
        When it is not of that form, or a value is given twice.

    Examples
    --------
    >>> parse_sweep("guidance=1,3,7.5")
    ('guidance', ('1', '3', '7.5'))
    """
    key, _, rest = text.partition("=")
    values = tuple(value.strip() for value in rest.split(","))
    if not key.strip() or not all(values) or len(set(values)) < len(values):
        rule = "must be option=value,value, each value once"
        raise InputError("sweep", rule, shown(text), "Write it like guidance=1,3,5,7.5.")
    if len(values) > _MOST_VALUES:
        rule = f"must have at most {_MOST_VALUES} values"
        raise InputError("sweep", rule, len(values), "Leave some out.")
    return key.strip(), values


def sweep_row(
    value: str,
    models: Models,
    images: int,
    seed: int,
    folder: Path | str | Folder,
    targets: ContextTargets,
    *,
    execution: Execution = Execution(),
) -> SweepRow:
    """Measure the prompts themselves, without edits, at one value of the option.

    Parameters
    ----------
    value : str
    models : Models
        A `Prompted` generator at that value, and the panel.
    images : int
        Of each context, at least 1.
    seed : int
        Of the noise, which is the same at every value: differences are less noisy than intervals.
    folder : Path, str or Folder
        Keeps the labels; a stopped call continues there.
    targets : ContextTargets
        Wanted within every context, or within each.
    execution : Execution

    Raises
    ------
    InputError
        When the generator has no contexts, or a number breaks its rule.
    """
    check_count("images", images, "Pass --images 250.")
    grid = models.panel.grid
    generator, _ = check_prompted(models.generator, grid, "prompt")
    n = images * len(generator.contexts)
    found = label_variants(models, n, seed, folder, "prompt", execution=execution)
    names = [generator.contexts[c] for c in found.contexts]
    mix = measure_contexts(found.labels, names, targets)
    worst = mix.contexts[0]
    return SweepRow(
        value=value,
        mean=mix.mean,
        floor=mix.floor,
        worst=worst.name if worst.farthest else "",
        worst_deviation=worst.deviation,
        pooled=mix.pooled_deviation,
        unknown=sum(one.unknown for one in mix.contexts),
    )
