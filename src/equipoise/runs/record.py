"""Every number of a run as one record, which is also the layout of `record.json`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Protocol

from equipoise.classifiers.base import HasModelInfo
from equipoise.core.attributes import AttributeGrid
from equipoise.core.settings import Settings
from equipoise.core.targets import Target
from equipoise.measure.people.judgement import AnnotationResult
from equipoise.measure.quality import Quality
from equipoise.measure.representation import Confusion, Representation
from equipoise.methods import TiltInfo
from equipoise.methods.shift.hyperplanes import Directions
from equipoise.methods.shift.shift import ShiftInfo
from equipoise.runtimes import zoo
from equipoise.samplers.sampler import GeneratorRef


@dataclass(frozen=True, kw_only=True)
class ModelUsed:
    """A model that took part.

    Attributes
    ----------
    role, name : str
    digest : str
        SHA-256 of all that decides its answers.
    licence : str
        Empty where it is not known.
    citation : str
        Its source; empty where it is not known.
    preprocessing : str
        What is done to an image before the model sees it, where the model tells.
    """

    role: str
    name: str
    digest: str
    licence: str = ""
    citation: str = ""
    preprocessing: str = ""


class Model(Protocol):
    """Any model that takes part in a run."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def digest(self) -> str: ...  # noqa: D102
    @property
    def pinned(self) -> tuple[str, ...]: ...  # noqa: D102


def model_used(role: str, part: Model) -> tuple[ModelUsed, ...]:
    """Name the models that a part runs: the pinned ones, else itself."""
    pinned = [zoo.model(name) for name in part.pinned]
    found = [
        ModelUsed(role=role, name=m.name, digest=m.sha256, licence=m.licence, citation=m.citation)
        for m in pinned
    ]
    if found:
        return tuple(found)
    own = ModelUsed(role=role, name=part.name, digest=part.digest)
    if isinstance(part, HasModelInfo):
        own = replace(own, licence=part.licence, preprocessing=part.preprocessing)
    return (own,)


@dataclass(frozen=True, eq=False, kw_only=True)
class Result:
    """What a method achieved, measured on fresh draws.

    Attributes
    ----------
    method : str
    representation : Representation
        Shares of the draws against the target.
    confusion : Confusion
        Requested against achieved.
    calls_per_image : float
        Generator calls per delivered image.
    moved : tuple of (Moved or None), or None
        Shift: how far the codes of each cell moved; None for a cell of target 0.
    tilt : TiltInfo or None
        Tilt: latent classifier, frontier and calibration.
    """

    method: str
    representation: Representation
    confusion: Confusion
    calls_per_image: float
    shift: tuple[ShiftInfo | None, ...] | None
    tilt: TiltInfo | None


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What the run cost.

    Attributes
    ----------
    labels : int
        Labelled codes, one generator call and one reading each, directed rounds included.
    labels_computed : int
        Labels of the prior that this run computed; the rest were on disk.
    seconds_labelling, seconds_fitting, seconds_measuring : float
        Wall time of the stages in this run.
    """

    labels: int
    labels_computed: int
    seconds_labelling: float
    seconds_fitting: float
    seconds_measuring: float


@dataclass(frozen=True, kw_only=True)
class HyperplaneInfo:
    """How well one hyperplane separates held-out codes."""

    attribute: str
    positive: tuple[str, ...]
    accuracy: float
    auc: float
    fraction: float
    fitted: int
    held_out: int


@dataclass(frozen=True, eq=False, kw_only=True)
class DirectionsInfo:
    """Quality of all hyperplanes, and cosines between their normals.

    `note` says why there are none, where a level had too few labels; else it is empty.
    """

    planes: tuple[HyperplaneInfo, ...]
    normals: tuple[str, ...]
    cosines: tuple[tuple[float, ...], ...]
    note: str = ""


def directions_info(directions: Directions) -> DirectionsInfo:
    """Return what reports tell of directions."""
    planes = tuple(
        HyperplaneInfo(
            attribute=direction.attribute.name,
            positive=plane.positive,
            accuracy=plane.accuracy,
            auc=plane.auc,
            fraction=plane.fraction,
            fitted=plane.fitted,
            held_out=plane.held_out,
        )
        for direction in directions.directions
        for plane in direction.planes
    )
    return DirectionsInfo(
        planes=planes,
        normals=directions.normal_names,
        cosines=tuple(map(tuple, directions.cosines.tolist())),
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class RunRecord:
    """All that a report shows in numbers and words.

    Attributes
    ----------
    format : int
        Of this layout.
    settings : Settings
        The resolved ones.
    generator : GeneratorRef
    models : tuple of ModelUsed
    caveats : tuple of str
    grid : AttributeGrid
    target : Target
    prior : Representation
        The generator's own mix against the target.
    directions : DirectionsInfo
    results : tuple of Result
        One for each method, the chosen one first.
    cost : Cost
    versions : dict
        Of Python and the libraries that numbers depend on.
    """

    format: Literal[1] = 1
    settings: Settings
    generator: GeneratorRef
    models: tuple[ModelUsed, ...]
    caveats: tuple[str, ...]
    grid: AttributeGrid
    target: Target
    prior: Representation
    directions: DirectionsInfo
    results: tuple[Result, ...]
    cost: Cost
    versions: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class SamplerQuality:
    """The layout of `quality.json`: quality that was measured after a run.

    Attributes
    ----------
    sampler : str
        Digest of the sampler that it was measured of.
    quality : Quality
    """

    sampler: str
    quality: Quality


@dataclass(frozen=True, kw_only=True)
class SamplerAnnotation:
    """The layout of `corrected.json`: what people's labels gave after a run.

    Attributes
    ----------
    sampler : str
        Digest of the sampler whose images they labelled.
    annotation : AnnotationResult
    """

    sampler: str
    annotation: AnnotationResult


@dataclass(frozen=True, kw_only=True)
class Later:
    """What was measured after a run; None where it was not.

    Attributes
    ----------
    quality : Quality or None
    annotation : AnnotationResult or None
    """

    quality: Quality | None
    annotation: AnnotationResult | None
