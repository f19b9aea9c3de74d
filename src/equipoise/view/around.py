"""What lies around a drawn code: the nearest labelled codes, and the code moved along attributes.

Nearest means the smallest angle to a labelled code of the prior, in the generator's code space. A
code is moved along the unit normal of an attribute's boundary, made orthogonal to the boundaries of
the other attributes (Shen et al. 2020, arXiv 1907.10786). Moves are in standard deviations of the
labelled codes along the normal.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from equipoise.classifiers.models import Models
from equipoise.core.attributes import UNKNOWN, UNKNOWN_NAME, Attribute
from equipoise.core.errors import EquipoiseError, InputError
from equipoise.core.labels import Labels
from equipoise.core.synthetic_mark import packet
from equipoise.generators.base import Generator, Prompted, generate
from equipoise.labelling.collect import stored_labels
from equipoise.methods import label_directions
from equipoise.methods.shift.hyperplanes import level_name, read_conditional
from equipoise.runs.folder import RunFolder
from equipoise.runs.steering import Steering
from equipoise.samplers.export.metadata import answer_name
from equipoise.samplers.export.png import xmp

MOVES = (-3.0, -1.5, 0.0, 1.5, 3.0)
"""Standard deviations by which a code is moved, chosen by hand."""

NEIGHBOURS = 6

_MOST = 20_000
"""Labelled codes that are compared: 40 MB of 512 values."""

_SIDE = 160
"""Pixels of the longer side of a picture at most."""


@dataclass(frozen=True, eq=False)
class Strip:
    """One attribute's direction.

    Attributes
    ----------
    attribute : int
        Number of the attribute.
    name : str
        "smiling" where moves go to higher levels, or the level that they go to.
    normal : numpy.ndarray, shape (dim,), float64
        Unit vector.
    deviation : float
        Standard deviation of the labelled codes along it.
    """

    attribute: int
    name: str
    normal: NDArray[np.float64]
    deviation: float


@dataclass(frozen=True)
class Shown:
    """A picture with what the run's classifiers say of it.

    Attributes
    ----------
    picture : str
        A small PNG as a data address.
    answer : str
        Levels by name, as of a cell.
    place : float
        Cosine to the code of a neighbour, or the move in standard deviations.
    index : int
        Of a neighbour among the labelled codes; -1 for a moved code.
    """

    picture: str
    answer: str
    place: float
    index: int = -1


class Surroundings:
    """The labelled codes of a run, and the directions of its attributes.

    Directions are those that the run stored, or else are fitted once to its labels.

    Raises
    ------
    InputError
        When the codes hold prompts, which have no direction; or the labels are of other models.
    FileFormatError
        When the run folder lacks labels.
    """

    def __init__(self, run: RunFolder, steering: Steering, models: Models) -> None:
        settings = steering.record.settings
        if isinstance(models.generator, Prompted):
            raise InputError(
                "generator",
                "must have codes alone, because a prompt has no direction",
                models.generator.name,
                "Look at the pictures themselves.",
            )
        self._models = models
        count = min(settings.prior_n, _MOST)
        self._labels = stored_labels(models, count, settings.seed, run.labels)
        self._codes = models.generator.prior.codes(settings.seed, 0, count)
        self._lengths = np.linalg.norm(self._codes, axis=1)
        self.strips: list[Strip] = []
        self.missing = ""
        try:
            normals = _normals(run, steering, models.generator, self._labels)
        except EquipoiseError as error:
            self.missing = str(error)
        else:
            for a, (attribute, own) in enumerate(
                zip(self._labels.grid.attributes, normals, strict=True)
            ):
                for k, normal in enumerate(own):
                    deviation = float((self._codes @ normal).std())
                    self.strips.append(Strip(a, _name(attribute, own, k), normal, deviation))

    def neighbours(self, code: NDArray[np.float32]) -> list[Shown]:
        """Return the nearest labelled codes, the nearest first.

        Parameters
        ----------
        code : numpy.ndarray, shape (dim,), float32
        """
        lengths = np.maximum(self._lengths * np.linalg.norm(code), np.finfo(np.float32).tiny)
        cosines = self._codes @ code / lengths
        nearest = np.argsort(-cosines, kind="stable")[:NEIGHBOURS]
        images = generate(self._models.generator, self._codes[nearest])
        grid = self._labels.grid
        return [
            Shown(_picture(image), answer_name(grid, levels), float(cosines[row]), int(row))
            for row, image, levels in zip(
                nearest, images, self._labels.levels[nearest].tolist(), strict=True
            )
        ]

    def moved(self, code: NDArray[np.float32]) -> list[tuple[Strip, list[Shown]]]:
        """Return the pictures of the code moved along each direction, from low to high.

        Parameters
        ----------
        code : numpy.ndarray, shape (dim,), float32
        """
        if not self.strips:
            return []
        steps = np.stack([strip.deviation * strip.normal for strip in self.strips])
        codes = code + np.asarray(MOVES)[:, None] * steps[:, None, :]
        images = generate(self._models.generator, codes.reshape(-1, len(code)).astype(np.float32))
        levels = self._models.panel.predict(images).levels
        found = []
        for s, strip in enumerate(self.strips):
            rows = slice(s * len(MOVES), (s + 1) * len(MOVES))
            attribute = self._labels.grid.attributes[strip.attribute]
            shown = [
                Shown(_picture(image), _level(attribute, int(level)), move)
                for image, level, move in zip(
                    images[rows], levels[rows, strip.attribute], MOVES, strict=True
                )
            ]
            found.append((strip, shown))
        return found


def _normals(
    run: RunFolder, steering: Steering, generator: Generator, labels: Labels
) -> list[NDArray[np.float64]]:
    """Return the conditional normals of each attribute, stored or fitted."""
    if run.directions.is_file():
        found = [read_conditional(run.directions, one) for one in labels.grid.attributes]
        if any(own.shape[1] != generator.dim for own in found):
            raise InputError(
                "directions", f"must have {generator.dim} values", "others", "Run it again."
            )
        return found
    directions = label_directions(generator, labels, steering.record.settings)
    return [directions.conditional(name) for name in labels.grid.names]


def _name(attribute: Attribute, normals: NDArray[np.float64], number: int) -> str:
    return attribute.name if len(normals) == 1 else level_name(attribute, number)


def _level(attribute: Attribute, level: int) -> str:
    return UNKNOWN_NAME if level == UNKNOWN else attribute.levels[level]


def _picture(image: NDArray[np.uint8]) -> str:
    small = Image.fromarray(image.transpose(1, 2, 0))
    small.thumbnail((_SIDE, _SIDE))
    data = io.BytesIO()
    small.save(data, format="PNG", pnginfo=xmp(packet()))
    return f"data:image/png;base64,{base64.b64encode(data.getvalue()).decode()}"
