"""The record of an audit of super-resolution, which is also the layout of its `superres.json`."""

from __future__ import annotations

from dataclasses import dataclass

from equipoise.audit.record import Asking
from equipoise.audit.superres.flips import Flips
from equipoise.core.checks import Check
from equipoise.core.estimates import Estimate
from equipoise.runs.record import ModelUsed

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class SuperresSettings:
    """What is audited, and how.

    Attributes
    ----------
    model : str
        As `open_super_resolution_model` takes it.
    attributes : tuple of str
        Balanced attributes by which flips are told.
    factor : int
        By which the originals are reduced, and restored.
    per_cell : int
        Images of each cell at most, at least 1.
    restarts : int
        Tries an image; the one that agrees best with the low image counts.
    tolerance : float
        Gap, flips beyond re-encoding, or change of a share that is tolerated, in [0, 1).
    ignore : tuple of str
        Codes of checks to ignore.
    seed : int
        Of the images' draws, the model's chance, the bootstrap and the simulated tests.
    """

    model: str
    attributes: tuple[str, ...]
    factor: int = 4
    per_cell: int = 40
    restarts: int = 1
    tolerance: float = 0.05
    ignore: tuple[str, ...] = ()
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Fidelity:
    """How near the restored images of one cell are to their originals: means over images.

    Attributes
    ----------
    name : str
    n : int
    psnr : Estimate
        Decibels; more is nearer.
    ssim : Estimate
        In [-1, 1]; 1 is equal.
    inconsistency : Estimate
        Root mean square difference from the low image after reduction, in [0, 255].
    diversity : Estimate
        Mean root mean square difference between two tries, in [0, 255]; NaN of one try.
    """

    name: str
    n: int
    psnr: Estimate
    ssim: Estimate
    inconsistency: Estimate
    diversity: Estimate


@dataclass(frozen=True, kw_only=True)
class RestorationSheet:
    """Some images of one cell, each as original, low and restored; flipped ones first.

    Attributes
    ----------
    cell : str
    count, n : int
        FlippedSheet, among those whose restored level is known.
    picture : str
        A file in `pictures/`; flipped restored images are framed.
    """

    cell: str
    count: int
    n: int
    picture: str


@dataclass(frozen=True, kw_only=True)
class SuperresAudit:
    """What was found out about a super-resolution model.

    Attributes
    ----------
    format : int
    verdict : str
        What came of all checks, as a sentence.
    settings : SuperresSettings
    n : int
        Images.
    filter : str
        By which they were reduced.
    models : tuple of ModelUsed
        The audited model, and those of the reference panel.
    checks : tuple of Check
        The one to read first in front.
    flips : tuple of Flips
        Between cells, then of each attribute.
    fidelity : tuple of Fidelity
        By cell.
    triplets : tuple of RestorationSheet
        The highest rate of flips first.
    caveats : tuple of str
    costs : tuple of Asking
    versions : dict of str to str
    """

    format: int
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
