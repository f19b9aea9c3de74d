"""Bodies of requests and answers of the HTTP API; OpenAPI is made of them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from equipoise.view.folder import Kind

_TARGET = Field(max_length=32_768, description="uniform, prior, marginals: ... or cells: ...")
_SEED = Field(0, ge=0, lt=2**63)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Progress(BaseModel):
    """How far one part of a run is."""

    part: str
    rows: int
    total: int
    seconds_left: float | None
    finished: float = Field(description="When the last shard was done, in seconds since 1970.")


class Run(BaseModel):
    """One line of the list."""

    name: str
    kind: Kind
    title: str
    words: str = Field(description="The verdict; of a damaged record, why.")
    changed: float = Field(description="Seconds since 1970.")


class Runs(BaseModel):
    """A part of the list, the newest first."""

    total: int
    runs: list[Run]


class Axis(BaseModel):
    """An attribute with its levels, in order."""

    name: str
    levels: list[str]


class Cell(BaseModel):
    """A cell of a run, with its measured share."""

    name: str
    target: float
    prior: float | None
    share: float | None
    low: float | None
    high: float | None


class RunDetail(Run):
    """An entry; what is of finished runs alone is empty for others."""

    progress: list[Progress] = []
    target: str = ""
    attributes: list[Axis] = []
    cells: list[Cell] = []
    modes: list[str] = Field([], description="Modes of verified draws, the run's own first.")


class PlanBody(_Strict):
    """Where to steer, and what the command that repeats it would draw."""

    target: str = _TARGET
    faithful: str | None = Field(None, max_length=20)
    n: int = Field(60, ge=1, le=2000)
    seed: int = _SEED
    verified: bool = True
    cell: str | None = Field(None, max_length=500)


class Interval(BaseModel):
    """A number with its 95 % interval; null where it is not known."""

    value: float | None
    low: float | None
    high: float | None


class PlannedCell(BaseModel):
    """What draws will bring of a cell."""

    name: str
    target: float
    rate: float = Field(description="Share of the requests of one-shot draws.")
    share: Interval = Field(description="Predicted share of one-shot draws.")
    calls: Interval = Field(
        description="Generator calls per verified image where the cell is drawn alone."
    )
    faithfulness: Interval = Field(description="Of verified draws.")


class Plan(BaseModel):
    """What draws towards a target will bring."""

    cells: list[PlannedCell]
    reachable: bool
    nearest: float = Field(description="Total variation of the nearest one-shot mix.")
    distance: float = Field(
        description="Total variation of the predicted mix, which for the run's own target is that "
        "of the run's own request rates."
    )
    calls: Interval = Field(
        description="Generator calls per verified image of the target, many at a time."
    )
    mode: str
    measured: int = Field(description="Counted draws that the prediction comes from.")
    command: str
    python: str


class DrawBody(PlanBody):
    """What to draw."""

    n: int = Field(ge=1, le=2000)


class DrawName(BaseModel):
    """Names a draw of a run."""

    draw: str
    command: str
    python: str


class EarlierDraw(BaseModel):
    """A draw that the run's folder holds."""

    draw: str
    target: str
    n: int
    seed: int
    verified: bool
    faithful: str | None
    changed: float = Field(description="Seconds since 1970.")
    command: str
    python: str


class Picture(BaseModel):
    """A drawn image."""

    number: int
    seed: int
    index: int
    requested: str
    achieved: str
    weight: float
    probabilities: dict[str, float]


class DrawnShare(BaseModel):
    """What came out of a cell."""

    cell: str
    target: float
    count: int
    share: Interval = Field(
        description="Of images of known cell; of the cell unknown, of all. Simultaneous interval "
        "of one-shot draws; none of verified ones, whose counts are chosen."
    )


class DrawState(BaseModel):
    """How far a draw is, with its images from some number on."""

    state: Literal["waiting", "drawing", "done", "stopped", "failed"]
    error: str
    count: int
    images: list[Picture]
    shares: list[DrawnShare] = Field(description="By cell, in order; empty while it draws.")


class Neighbour(BaseModel):
    """A labelled code of the run near a drawn one."""

    index: int = Field(description="Its number among the labelled codes.")
    cosine: float = Field(description="Of the angle between the codes.")
    answer: str = Field(description="What the run's classifiers said of its image.")
    picture: str = Field(description="A small PNG as a data address.")


class Moved(BaseModel):
    """A drawn code, moved along a direction."""

    move: float = Field(description="In standard deviations of the labelled codes.")
    answer: str
    picture: str


class Strip(BaseModel):
    """A drawn code moved along the direction of an attribute."""

    name: str = Field(description="The attribute, or the level that the direction leads to.")
    moved: list[Moved]


class Around(BaseModel):
    """What lies around a drawn code."""

    neighbours: list[Neighbour]
    strips: list[Strip]
    missing: str = Field(description="Why there is no direction; empty where there are some.")


class SamplerBody(DrawBody):
    """What to draw from a sampler in one answer."""

    target: str | None = Field(None, max_length=32_768, description="The sampler's own by default.")  # type: ignore[assignment]
    format: Literal["npz", "tar"] = "npz"


class TaskBody(_Strict):
    """How many images people are to label."""

    per_answer: int = Field(10, ge=1, le=1000)
    seed: int = _SEED


class TaskName(BaseModel):
    """Names a task."""

    task: str


class Rater(BaseModel):
    """How far a rater is."""

    name: str
    done: int
    total: int


class Agreement(BaseModel):
    """Agreement on one attribute so far."""

    attribute: str
    rated_twice: int
    kappa: float | None
    alpha: float | None


class Asked(Axis):
    """An attribute that raters are asked for."""

    scale: str = Field(description="Name of its scale of colours; empty where there is none.")
    colours: list[str] = Field(description="One a level, as #rrggbb; empty without a scale.")


class Task(BaseModel):
    """A task for people; nothing of what the classifier said."""

    name: str
    images: int
    attributes: list[Asked]
    raters: list[Rater]
    agreement: list[Agreement]


class Question(BaseModel):
    """What a rater is asked next; null where all is answered."""

    image: int | None
    attribute: int | None
    done: int
    total: int


_RATER = Field(max_length=32)


class AnswerBody(_Strict):
    """An answer; the level null to skip."""

    rater: str = _RATER
    image: int = Field(ge=0)
    attribute: int = Field(ge=0)
    level: int | None = Field(None, ge=0)


class RaterBody(_Strict):
    """Who asks."""

    rater: str = _RATER


class Corrected(BaseModel):
    """A share as counted, and corrected by people's labels."""

    name: str
    counted: Interval
    corrected: Interval


class Correction(BaseModel):
    """Corrected shares of an attribute, or of the cells."""

    status: str
    reason: str
    shares: list[Corrected]


class Result(BaseModel):
    """What people's labels say so far."""

    judged: int
    corrections: list[Correction]
    command: str


class Refusal(BaseModel):
    """Why a request was refused: the argument, the rule, the value and the remedy."""

    detail: str


def file_of(media_type: str) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI says of an answer that is a file."""
    binary = {"schema": {"type": "string", "format": "binary"}}
    return {200: {"content": {media_type: binary}, "description": "The file."}}
