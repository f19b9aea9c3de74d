"""The record of a super-resolution audit; its fields are those of `superres.json`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from equipoise.audit.defaults import PER_CELL, TOLERANCE
from equipoise.audit.images_used import ImagesUsed
from equipoise.audit.record import Asking
from equipoise.audit.shown import ShownAudit
from equipoise.audit.superres.flips import Flips
from equipoise.core.checks import Check
from equipoise.core.estimates import Estimate
from equipoise.measure.lighting import Lighting
from equipoise.runs.record import ModelUsed
from equipoise.stats.shares import Share


@dataclass(frozen=True, kw_only=True)
class SuperresSettings:
    """Settings of a super-resolution audit.

    Attributes
    ----------
    model : str
        A name as for `open_super_resolution_model`.
    attributes : tuple of str
        Balanced attributes whose flips are counted.
    factor : int
        Factor by which the originals are reduced and restored.
    per_cell : int
        Largest number of images per cell, at least 1.
    restarts : int
        Restorations per image; the one most consistent with the low-resolution image is used.
    tolerance : float
        Largest gap, rate of flips beyond JPEG's, or change of a share that is tolerated, in [0, 1).
    ignore : tuple of str
        `check_id`s of checks to ignore.
    descriptors : str
        Where descriptors of faces come from: "module:object" or an .npz file; empty for none.
    fmr : float
        Rate of pairs of different originals that pass for one person, in (0, 1), which sets the
        threshold; NaN where the threshold was given.
    watch : tuple of str
        Names of further classifiers, whose scores may drift.
    seed : int
        Of the draws of images, the model, the bootstrap and the simulated tests, in [0, 2**63).
    """

    model: str
    attributes: tuple[str, ...]
    factor: int = 4
    per_cell: int = PER_CELL
    restarts: int = 1
    tolerance: float = TOLERANCE
    ignore: tuple[str, ...] = ()
    descriptors: str = ""
    fmr: float = 0.001
    watch: tuple[str, ...] = ()
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class CellIdentity:
    """Whether the restored faces of one cell are still those of the originals.

    Attributes
    ----------
    name : str
    n : int
        Images whose original and restored image have a descriptor.
    distance : Estimate
        Mean cosine distance of restored images from their originals, in [0, 2]; 0 is equal.
    reencoded : Estimate
        That of originals after JPEG; missing where descriptors come from a file.
    other : Share
        Restored images that do not match their original at the threshold.
    failure : Share
        Restored images without a descriptor, among those whose original has one.
    """

    name: str
    n: int
    distance: Estimate
    reencoded: Estimate
    other: Share
    failure: Share


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Whether restored faces are still those of the originals, by their descriptors.

    Attributes
    ----------
    model : str
        What described the faces.
    threshold : float
        Cosine similarity from which on two faces match.
    overall : CellIdentity
    cells : tuple of CellIdentity
    """

    model: str
    threshold: float
    overall: CellIdentity
    cells: tuple[CellIdentity, ...]


@dataclass(frozen=True, kw_only=True)
class CellDrift:
    """The drift of one attribute in one cell.

    Attributes
    ----------
    name : str
    n : int
        Images with both scores.
    change : Estimate
        Mean score of restored images less that of their originals, in the score's unit.
    size : Estimate
        Mean size of the change.
    """

    name: str
    n: int
    change: Estimate
    size: Estimate


@dataclass(frozen=True, kw_only=True)
class AttributeDrift:
    """The drift of one attribute's score.

    Attributes
    ----------
    attribute : str
    deviation : float
        Standard deviation of the originals' scores, in which checks measure.
    overall : CellDrift
    cells : tuple of CellDrift
    """

    attribute: str
    deviation: float
    overall: CellDrift
    cells: tuple[CellDrift, ...]


@dataclass(frozen=True, kw_only=True)
class Fidelity:
    """Fidelity of the restored images of one cell: means over images.

    Attributes
    ----------
    name : str
    n : int
    psnr : Estimate
        In decibels; higher is closer.
    ssim : Estimate
        In [-1, 1]; 1 is equal.
    inconsistency : Estimate
        Root mean square difference from the low-resolution image after reduction, in [0, 255].
    diversity : Estimate
        Mean root mean square difference between two restorations, in [0, 255]; NaN for one.
    """

    name: str
    n: int
    psnr: Estimate
    ssim: Estimate
    inconsistency: Estimate
    diversity: Estimate


@dataclass(frozen=True, kw_only=True)
class RestorationSheet:
    """Images of one cell, each as original, low-resolution and restored; flipped ones first.

    Attributes
    ----------
    cell : str
    count, n : int
        Flipped images, among those whose restored level is known.
    picture : str
        File in `pictures/`; flipped restored images have a frame.
    became : tuple of str
        Cell of each restored image that is shown, from left to right; empty where it is not known.
        Older records have none at all.
    """

    cell: str
    count: int
    n: int
    picture: str
    became: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SuperresAudit(ShownAudit):
    """The result of a super-resolution audit.

    Attributes
    ----------
    format : int
        Version of the layout.
    verdict : str
        The outcomes of all checks, in a sentence.
    settings : SuperresSettings
    n : int
        Images.
    filter : str
        The filter by which they were reduced.
    models : tuple of ModelUsed
        The audited model, and those of the reference panel.
    checks : tuple of Check
        The most severe outcome first.
    flips : tuple of Flips
        Between cells, then of each attribute.
    fidelity : tuple of Fidelity
        By cell.
    triplets : tuple of RestorationSheet
        The highest rate of flips first.
    drift : tuple of AttributeDrift
        Of each attribute that has a score. Older records have none.
    identity : Identity or None
        None without descriptors.
    caveats : tuple of str
        Limitations of the numbers, as full sentences.
    costs : tuple of Asking
    versions : dict of str to str
        Of Python and the libraries that determine numbers.
    images : ImagesUsed or None
        What was audited. Older records have none.
    lighting : Lighting or None
        None where images are not grouped by an attribute of skin.
    pixels : int
        Of each side of the originals; 0 in older records.
    """

    format: Literal[1] = 1
    verdict: str
    settings: SuperresSettings
    n: int
    filter: str
    models: tuple[ModelUsed, ...]
    checks: tuple[Check, ...]
    flips: tuple[Flips, ...]
    fidelity: tuple[Fidelity, ...]
    triplets: tuple[RestorationSheet, ...]
    caveats: tuple[str, ...]
    costs: tuple[Asking, ...]
    versions: dict[str, str]
    images: ImagesUsed | None = None
    lighting: Lighting | None = None
    drift: tuple[AttributeDrift, ...] = ()
    identity: Identity | None = None
    pixels: int = 0

    @property
    def plotted(self) -> tuple[Flips, ...]:
        """The parts that have a plot."""
        return self.flips

    def shares(self) -> Iterator[tuple[str, str, str, Share]]:
        """Yield what groups are by, the group, the rate, and its numbers, for all rates."""
        for flips in self.flips:
            for group in flips.groups:
                yield flips.where, group.name, "flips", group.flips
                yield flips.where, group.name, "flips under JPEG", group.reencoded
