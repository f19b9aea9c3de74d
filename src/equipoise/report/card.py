"""The card of a run: JSON for programs, and Markdown for the page of a model or data set.

docs/card.md describes the fields. A card is made from the run folder alone.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from equipoise.core.attributes import Attribute
from equipoise.core.files import write_text
from equipoise.core.records import write_record
from equipoise.core.settings import Settings
from equipoise.core.targets import Target
from equipoise.measure.correction import Correction
from equipoise.measure.error_matrix import ErrorMatrix
from equipoise.measure.lighting import lighting_checks
from equipoise.measure.quality import Quality
from equipoise.measure.representation import MixShare, Representation
from equipoise.measure.verdict import Verdict
from equipoise.report.html import consistent, environment, record_of
from equipoise.report.run_page import METHOD_NAMES
from equipoise.runs.folder import RunFolder
from equipoise.runs.record import Cost, Later, ModelUsed, RunRecord
from equipoise.samplers.sampler import GeneratorRef
from equipoise.samplers.statements import ModeStatement
from equipoise.stats.shares import Share


@dataclass(frozen=True, kw_only=True)
class CardClassifier(ModelUsed):
    """A classifier of a card.

    Attributes
    ----------
    known_errors : tuple of ErrorMatrix, or None
        Measured with people's labels, of each attribute and then of the cells; None where not
        measured.
    """

    known_errors: tuple[ErrorMatrix, ...] | None


@dataclass(frozen=True, kw_only=True)
class CardMethod:
    """The method of a card.

    Attributes
    ----------
    name : str
    faithful : float, str or None
        Wanted faithfulness of the verified draws of a tilt: a number, exact or typical.
    verified : tuple of ModeStatement
        What verified draws of each cell are, by mode; empty for other methods.
    calls_per_image : float
        Generator calls per delivered image.
    """

    name: str
    faithful: float | str | None
    verified: tuple[ModeStatement, ...]
    calls_per_image: float


@dataclass(frozen=True, kw_only=True)
class Mix:
    """The fields of a `Representation` that a card has."""

    n: int
    unknown: int
    cells: tuple[MixShare, ...]
    kl: float | None
    kl_floor: float | None
    kl_corrected: float | None
    total_variation: float | None
    l2: float | None
    ratio: float | None
    verdict: Verdict

    @classmethod
    def of(cls, representation: Representation) -> Mix:
        """Return the fields of a representation that a card has."""
        return cls(**{field.name: getattr(representation, field.name) for field in fields(cls)})


@dataclass(frozen=True, eq=False, kw_only=True)
class Card:
    """The numbers of a run for the page of a model or a data set; the layout of `card.json`.

    Attributes
    ----------
    format : int
        Version of the layout.
    generator : GeneratorRef
    classifiers : tuple of CardClassifier
    attributes : tuple of Attribute
    target : Target
    method : CardMethod
    before, after : Mix
        The generator's own mix and the balanced one.
    purity : tuple of Share
        For each requested cell, the share of its images whose achieved cell is the same.
    corrected : tuple of Correction, or None
        For each attribute, then for the cells, shares corrected with people's labels.
    quality : Quality or None
    cost : Cost
    seed : int
    settings : Settings
    versions : dict of str to str
    caveats : tuple of str
    """

    format: Literal[1] = 1
    generator: GeneratorRef
    classifiers: tuple[CardClassifier, ...]
    attributes: tuple[Attribute, ...]
    target: Target
    method: CardMethod
    before: Mix
    after: Mix
    purity: tuple[Share, ...]
    corrected: tuple[Correction, ...] | None
    quality: Quality | None
    cost: Cost
    seed: int
    settings: Settings
    versions: dict[str, str]
    caveats: tuple[str, ...]


def write_card(run: RunFolder) -> Path:
    """Write card.json and card.md of a run, and return the path of the Markdown.

    Raises
    ------
    FileFormatError
        When the record of the run is missing or damaged.
    StorageError
        When the card cannot be written.
    """
    record, later = run.read_record(), run.read_later()
    with consistent(*record_of(run)):
        card = make_card(record, later)
        text = to_markdown(card)
    write_record(run.path / "card.json", card)
    write_text(run.path / "card.md", text)
    return run.path / "card.md"


def make_card(record: RunRecord, later: Later) -> Card:
    """Return the card of a run.

    Parameters
    ----------
    record : RunRecord
    later : Later
        Records of later measurements.
    """
    result, people = record.results[0], later.annotation
    return Card(
        generator=record.generator,
        classifiers=tuple(
            CardClassifier(**vars(model), known_errors=people.errors if people else None)
            for model in record.models
            if model.role == "classifier"
        ),
        attributes=record.grid.attributes,
        target=record.target,
        method=CardMethod(
            name=result.method,
            faithful=result.tilt.faithful if result.tilt else None,
            verified=result.tilt.verified if result.tilt else (),
            calls_per_image=result.calls_per_image,
        ),
        before=Mix.of(record.prior),
        after=Mix.of(result.representation),
        purity=result.confusion.purity,
        corrected=people.corrections if people else None,
        quality=later.quality,
        cost=record.cost,
        seed=record.settings.seed,
        settings=record.settings,
        versions=record.versions,
        caveats=(
            *record.caveats,
            *(
                f"{check.title} {check.words}"
                for check in lighting_checks(record.lighting)
                if check.outcome != "passed"
            ),
        ),
    )


def to_markdown(card: Card) -> str:
    """Return a card as Markdown, for the page of a model or a data set."""
    found = environment(
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
        finalize=_no_markup,
        keep_trailing_newline=True,
    )
    found.filters["cell"] = _in_table
    return found.get_template("card.md.jinja").render(card=card, names=METHOD_NAMES)


def _no_markup(value: object) -> object:
    """Escape characters that Markdown would interpret as HTML."""
    if not isinstance(value, str):
        return value
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _in_table(text: str) -> str:
    """Escape characters that would break a Markdown table."""
    return text.replace("|", "\\|").replace("\n", " ")
