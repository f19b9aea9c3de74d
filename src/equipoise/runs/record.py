"""The record of a run: every number of its report; its fields are those of `record.json`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Protocol

from equipoise.classifiers.base import HasModelInfo
from equipoise.core.attributes import AttributeGrid
from equipoise.core.errors import InputError
from equipoise.core.settings import Settings
from equipoise.core.targets import Target
from equipoise.measure.lighting import Lighting
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
    """A model that was used.

    Attributes
    ----------
    role : str
        "generator", "classifier", or its role in an audit.
    name : str
    digest : str
        SHA-256 of everything that determines its output.
    licence : str
        Empty where it is not known.
    citation : str
        Its source; empty where it is not known.
    preprocessing : str
        Preprocessing of its images; empty where it is not known.
    """

    role: str
    name: str
    digest: str
    licence: str = ""
    citation: str = ""
    preprocessing: str = ""


class Model(Protocol):
    """Any model that a run uses."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def digest(self) -> str: ...  # noqa: D102
    @property
    def pinned(self) -> tuple[str, ...]: ...  # noqa: D102


def model_used(role: str, part: Model) -> tuple[ModelUsed, ...]:
    """Return the models that a part consists of: its pinned models, or itself if it has none."""
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
    """The result of a method, measured on new draws.

    Attributes
    ----------
    method : str
        "tilt", "mixture" or "shift".
    representation : Representation
        Shares of the draws, compared with the target.
    confusion : Confusion
        Requested and achieved cells.
    calls_per_image : float
        Generator calls per delivered image.
    shift : tuple of (ShiftInfo or None), or None
        Only for shift: displacement of the codes of each cell, None for a cell of target 0.
    tilt : TiltInfo or None
        Only for methods that tilt: latent classifier, frontier and calibration.
    """

    method: str
    representation: Representation
    confusion: Confusion
    calls_per_image: float
    shift: tuple[ShiftInfo | None, ...] | None
    tilt: TiltInfo | None


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Cost of a run.

    Attributes
    ----------
    labels : int
        Labelled codes, directed ones included; each takes one generator call and one
        classification.
    labels_computed : int
        Labels of the prior that this run computed; the others were stored.
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
    """Quality of one hyperplane, on held-out codes.

    Attributes
    ----------
    attribute : str
    positive : tuple of str
        Levels on its positive side.
    accuracy, auc : float
        Balanced accuracy, and area under the ROC curve, in [0, 1].
    fraction : float
        Share of the most confident codes that it was fitted to.
    fitted, held_out : int
        Codes that it was fitted to, and codes for these numbers.
    """

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

    Attributes
    ----------
    planes : tuple of HyperplaneInfo
    normals : tuple of str
        Names of the N normals.
    cosines : tuple of tuple of float
        Between the normals, shape (N, N).
    note : str
        Why there are none, for example because a level has too few labels; else empty.
    """

    planes: tuple[HyperplaneInfo, ...]
    normals: tuple[str, ...]
    cosines: tuple[tuple[float, ...], ...]
    note: str = ""


def directions_info(directions: Directions) -> DirectionsInfo:
    """Return the part of directions that reports show."""
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
    """All numbers of a run.

    Attributes
    ----------
    format : int
        Version of the layout.
    settings : Settings
        All settings, defaults included.
    generator : GeneratorRef
    models : tuple of ModelUsed
    caveats : tuple of str
        Limitations of the numbers, as full sentences.
    grid : AttributeGrid
    target : Target
    prior : Representation
        The generator's own mix, compared with the target.
    directions : DirectionsInfo
    results : tuple of Result
        One for each method, the chosen method first.
    cost : Cost
    versions : dict of str to str
        Of Python and the libraries that determine numbers.
    lighting : Lighting or None
        What lighting explains of the skin tone of the sampler's draws; None where no attribute is
        one of skin, or draws are too few or of one level. Older records have none.
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
    lighting: Lighting | None = None

    def __post_init__(self) -> None:
        mixes = [self.prior, *(one.representation for one in self.results)]
        sizes = [len(mix.cells) for mix in mixes]
        if not self.results or set(sizes) != {self.grid.size}:
            raise InputError(
                "results",
                f"must be one or more, of {self.grid.size} cells",
                sizes[1:],
                "Run again.",
            )


@dataclass(frozen=True, kw_only=True)
class SamplerQuality:
    """Quality of a sampler's images, measured after its run; the layout of `quality.json`.

    Attributes
    ----------
    sampler : str
        Digest of the sampler.
    quality : Quality
    """

    sampler: str
    quality: Quality


@dataclass(frozen=True, kw_only=True)
class SamplerAnnotation:
    """Results of people's labels of a sampler's images; the layout of `corrected.json`.

    Attributes
    ----------
    sampler : str
        Digest of the sampler.
    annotation : AnnotationResult
    """

    sampler: str
    annotation: AnnotationResult


@dataclass(frozen=True, kw_only=True)
class Later:
    """Measurements after a run; None for those not made.

    Attributes
    ----------
    quality : Quality or None
    annotation : AnnotationResult or None
    """

    quality: Quality | None
    annotation: AnnotationResult | None
