"""The record of balanced contexts; its fields are those of `contexts.json`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from equipoise.core.estimates import Estimate
from equipoise.core.numbers import estimate, percent
from equipoise.core.settings import Settings
from equipoise.core.tables import shown
from equipoise.measure.contexts import AbsentCell, ContextsMeasurement
from equipoise.measure.lighting import Lighting
from equipoise.methods.calibration import REACHED
from equipoise.methods.context_proposals import PROPOSALS
from equipoise.runs.record import ModelUsed
from equipoise.samplers.sampler import GeneratorRef

if TYPE_CHECKING:
    from equipoise.report.figures import Figure

ALL_EDITS = "all images come of edits, which change what the model means"

_EQUAL = 1e-9
"""Difference of shares that is none."""

_MOST_BARS = 40
"""Contexts that the plot shows."""


@dataclass(frozen=True, kw_only=True)
class ContextOptions:
    """What is wanted of every context, beside the settings.

    Attributes
    ----------
    images : int
        Of each context.
    verified : bool
        Keep only images that the classifiers see as requested.
    proposals : str
        "edits", "prompt" or "both": what candidates are.
    early_refusal : bool
        Refuse candidates half-way where the generator can stop there and that pays.
    tolerance : float
        Departure of a share that the verdict counts as met.
    """

    images: int = 250
    verified: bool = False
    proposals: str = PROPOSALS[0]
    early_refusal: bool = True
    tolerance: float = 0.02


@dataclass(frozen=True, kw_only=True)
class ContextProposals:
    """How the images of one context were proposed, cell by cell.

    Attributes
    ----------
    name : str
        The context.
    requested : tuple of int
        Images drawn for each cell.
    by_prompt : tuple of bool
        Whether the prompt itself is drawn for a cell until an image is of it; its edit otherwise.
    purity : tuple of float
        Expected share of what is drawn for a cell that is of it, by the labels.
    confusion : tuple of tuple of int
        Labelled images of the edits: rows requested, columns achieved, the last unknown. Empty
        where no edit was labelled.
    own : tuple of int
        Labelled images of the prompt itself by cell, the last unknown. Empty where it was not
        labelled.
    expected : tuple of Estimate
        Shares of the cells that one-shot draws by the solved rates are expected to show, by the
        labels; each interval at 95 % holds alone. Empty where no rates were solved for.
    distance : float or None
        Total variation between the target and the nearest mix that rates of edits give; None where
        no rates were solved for.
    faithfulness : Estimate
        Of the images that come of the prompt: 1 less the total variation to the generator's own
        images of their cells, as classifiers see cells; with early refusal on average at least
        this. Missing where all come of edits, which change what the model means.
    """

    name: str
    requested: tuple[int, ...]
    by_prompt: tuple[bool, ...]
    purity: tuple[float, ...]
    confusion: tuple[tuple[int, ...], ...]
    own: tuple[int, ...]
    expected: tuple[Estimate, ...] = ()
    distance: float | None
    faithfulness: Estimate


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """When candidates were refused.

    Attributes
    ----------
    stage, steps : int
        Steps after which a candidate was read, and all steps.
    """

    stage: int
    steps: int


@dataclass(frozen=True, kw_only=True)
class BalancedContexts:
    """Images of every context, and what they are.

    Attributes
    ----------
    format : int
        Version of the layout.
    verdict : str
        How many contexts meet the target, or that counts are exact.
    settings : Settings
        `n` is the number of labels.
    options : ContextOptions
    generator : GeneratorRef
    models : tuple of ModelUsed
    mix : ContextsMeasurement
        The mix within every context, and of all together.
    proposals : tuple of ContextProposals
        In the order of the generator's contexts.
    unseen : tuple of AbsentCell
        Wanted cells of which no labelled image of a context was.
    faithfulness : Estimate
        As of `ContextProposals`, over all contexts.
    refusal : Refusal or None
        None without early refusal.
    calls : float
        Generator calls per image, those of refused images included; labels not.
    labels : int
        Labelled images, on top.
    caveats : tuple of str
    versions : dict of str to str
    lighting : Lighting or None
        Of at most 2,000 images, evenly spaced; None where no attribute is one of skin.
    """

    format: Literal[1] = 1
    verdict: str
    settings: Settings
    options: ContextOptions
    generator: GeneratorRef
    models: tuple[ModelUsed, ...]
    mix: ContextsMeasurement
    proposals: tuple[ContextProposals, ...]
    unseen: tuple[AbsentCell, ...]
    faithfulness: Estimate
    refusal: Refusal | None
    calls: float
    labels: int
    caveats: tuple[str, ...]
    versions: dict[str, str]
    lighting: Lighting | None = None

    @property
    def exact(self) -> bool:
        """Whether every context has the images that were requested of each cell."""
        return is_exact(self.options, self.mix, self.proposals)

    @property
    def by_prompt(self) -> int:
        """Images that come of the prompts themselves."""
        pairs = ((one.requested, one.by_prompt) for one in self.proposals)
        return sum(n for counts, own in pairs for n, by in zip(counts, own, strict=True) if by)

    @property
    def faithfulness_in_words(self) -> str:
        """The faithfulness of images that come of prompts, and how many do."""
        if not self.by_prompt:
            return f"not defined: {ALL_EDITS}"
        known = "1"
        if self.refusal is not None:
            known = f"on average at least {estimate(self.faithfulness)}"
        return f"{known}, as classifiers see cells, of {self.by_prompt:,} images"

    @property
    def far(self) -> tuple[ContextProposals, ...]:
        """Contexts whose target no rates of edits give, the farthest first."""
        found = [one for one in self.proposals if (one.distance or 0) >= REACHED]
        return tuple(sorted(found, key=lambda one: -(one.distance or 0)))

    def figure(self) -> Figure:
        """Plot the deviation ratios of contexts, the largest first."""
        from equipoise.report.plots import interval_figure

        worst = self.mix.contexts[:_MOST_BARS]
        return interval_figure(
            [shown(mix.name) for mix in worst],
            [("deviation ratio", [mix.deviation for mix in worst])],
            "deviation ratio, with intervals that hold together at 95 %",
        )


def is_exact(
    options: ContextOptions, mix: ContextsMeasurement, proposals: Sequence[ContextProposals]
) -> bool:
    """Return whether every context has the images that were requested of each cell.

    Verified draws have, as classifiers see them. No interval is needed then: the counts are what
    was asked for, not a sample of what may come.
    """
    requested = {one.name: one.requested for one in proposals}
    return options.verified and all(one.counts == requested[one.name] for one in mix.contexts)


def verdict_of(mix: ContextsMeasurement, exact: bool) -> str:
    """Return how many contexts meet the target, in a sentence."""
    if exact:
        off = max(
            abs(count / max(sum(one.counts), 1) - share)
            for one in mix.contexts
            for count, share in zip(one.counts, one.target, strict=True)
        )
        words = (
            "Every context has exactly the images requested of each cell, as classifiers see them"
        )
        if off < _EQUAL:
            return f"{words}."
        return (
            f"{words}; so few do not divide by the target: shares are off by up to {percent(off)}."
        )
    return (
        f"{mix.with_verdict('meets'):,} contexts meet the target, "
        f"{mix.with_verdict('misses'):,} miss it, {mix.with_verdict('undecided'):,} are undecided."
    )
