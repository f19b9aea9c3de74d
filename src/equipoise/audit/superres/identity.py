"""Is a restored face still that of its original? Distances of descriptors, by cell."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.audit.answer_rows import digests_by_name
from equipoise.audit.images import AuditImages
from equipoise.audit.named_gaps import gap_of_shares, mean_gap
from equipoise.audit.record import Asking
from equipoise.audit.superres.checks import Pending, pending_gap
from equipoise.audit.superres.images import JPEG_QUALITY
from equipoise.audit.superres.record import CellIdentity, Identity
from equipoise.audit.verification.describers import DescriberAddress
from equipoise.audit.verification.descriptors import (
    Descriptors,
    compute_descriptors,
    read_named_descriptors,
)
from equipoise.audit.verification.rates import Faces, threshold_of
from equipoise.core.errors import InputError
from equipoise.core.estimates import Estimate
from equipoise.core.numbers import number, percent
from equipoise.core.progress import Execution
from equipoise.labelling.image_files import PictureFiles
from equipoise.stats.means import mean_estimate
from equipoise.stats.shares import Share

DESCRIBED = "descriptors"
"""Role, among the costs, of what describes faces."""


@dataclass(frozen=True, eq=False)
class DescribedFaces:
    """Descriptors of n originals, and of what became of them.

    Attributes
    ----------
    original, restored : Descriptors
    reencoded : Descriptors or None
        Of originals after JPEG; None where descriptors come from a file.
    cost : Asking
    """

    original: Descriptors
    restored: Descriptors
    reencoded: Descriptors | None
    cost: Asking


def describe_faces(
    source: str,
    originals: AuditImages,
    restored: PictureFiles,
    folder: Path,
    execution: Execution = Execution(),
) -> DescribedFaces:
    """Return descriptors of originals and restored images.

    Parameters
    ----------
    source : str
        As of `DescriberAddress`; or an .npz file, as for `read_descriptors`, which names originals
        as in the set, and restored images relative to `folder`.
    originals : AuditImages
        n images.
    restored : PictureFiles
        Of each original, within `folder`.
    folder : Path
        Of the audit.
    execution : Execution
        Threads, engine and progress.

    Raises
    ------
    InputError
        When no original, or no restored image, has a descriptor.
    FileFormatError, ModelOutputError
        As `read_descriptors` and `compute_descriptors`.
    """
    began = time.perf_counter()
    n, encoded = len(originals), None
    if source.endswith(".npz"):
        files = [path.relative_to(folder).as_posix() for path in restored.files]
        known = digests_by_name(originals) | {name: name for name in files}
        both = read_named_descriptors(Path(source), known, [*originals.digests, *files])
        own, made = (replace(both, vectors=part) for part in (both.vectors[:n], both.vectors[n:]))
        asked = [both]
    else:
        pictures = originals.pictures
        own, made, encoded = (
            compute_descriptors(DescriberAddress(source), some, folder / "descriptors", execution)
            for some in (pictures, restored, pictures.reencoded(JPEG_QUALITY))
        )
        asked = [own, made, encoded]
    if not (own.found & made.found).any():
        raise InputError(
            "descriptors",
            "must describe an original and its restored image",
            f"{int(own.found.sum())} originals and {int(made.found.sum())} restored images",
            f"Restored images are in {folder / 'restored'} after an audit without descriptors.",
        )
    cost = Asking(
        role=DESCRIBED,
        name=own.name,
        asked=sum(part.asked for part in asked),
        kept=sum(part.kept for part in asked),
        failed=sum(int((~part.found).sum()) for part in asked),
        seconds=time.perf_counter() - began,
    )
    return DescribedFaces(own, made, encoded, cost)


def compare_identity(
    faces: DescribedFaces,
    names: Sequence[str],
    cells: NDArray[np.int64],
    weights: NDArray[np.float64],
    *,
    fmr: float,
    threshold: float | None,
    tolerance: float,
    seed: int = 0,
) -> tuple[Identity, list[Pending]]:
    """Return whether restored faces match their originals, by cell, and the checks of the gaps.

    Parameters
    ----------
    faces : DescribedFaces
        Of n images.
    names : sequence of str
        The K cells.
    cells : numpy.ndarray, shape (n,), int64
        Of each original.
    weights : numpy.ndarray, shape (n,), float64
        Above 0.
    fmr : float
        Rate of pairs of different originals that match, which sets the threshold.
    threshold : float or None
        Cosine similarity from which on faces match, in place of `fmr`.
    tolerance : float
        Largest gap that is tolerated, of distances as of shares.
    seed : int
        Of the simulated tests, in [0, 2**63).

    Raises
    ------
    InputError
        When there are too few pairs for the rate.
    """
    described = faces.original.found
    if threshold is None:
        together = np.zeros(int(described.sum()), np.int64)
        pairs = Faces.of_vectors(
            ("all",), together, faces.original.vectors[described], weights[described]
        )
        threshold = threshold_of(pairs, fmr)
    limit = threshold
    similar = _similarity(faces.original, faces.restored)
    encoded = None if faces.reencoded is None else _similarity(faces.original, faces.reencoded)

    def of(name: str, rows: NDArray[np.bool_]) -> CellIdentity:
        known = rows & np.isfinite(similar)
        jpeg = Estimate.missing("descriptors come from a file")
        if encoded is not None:
            own = rows & np.isfinite(encoded)
            jpeg = mean_estimate(1 - encoded[own], weights[own])
        return CellIdentity(
            name=name,
            n=int(known.sum()),
            distance=mean_estimate(1 - similar[known], weights[known]),
            reencoded=jpeg,
            other=Share.among(name, similar < limit, known, weights),
            failure=Share.among(name, ~faces.restored.found, rows & described, weights),
        )

    groups = np.unique(cells).tolist()
    by_cell = tuple(of(names[k], cells == k) for k in groups)
    identity = Identity(
        model=faces.original.name,
        threshold=limit,
        overall=of("all", np.ones(len(cells), bool)),
        cells=by_cell,
    )
    gaps = [
        mean_gap(
            "identity_distance_gap:cells",
            "mean distance from the original face",
            [names[k] for k in groups],
            1 - similar,
            cells,
            weights,
            True,
        ),
        gap_of_shares(
            "identity_gap:cells",
            "rate of faces that became another's",
            [cell.other for cell in by_cell],
            seed=seed,
        ),
    ]
    if any(cell.failure.count for cell in by_cell):
        shares = [cell.failure for cell in by_cell]
        gaps.append(
            gap_of_shares("descriptor_failure_gap:cells", "rate of faces lost", shares, seed=seed)
        )
    writes = (number, percent, percent)
    checks = [
        pending_gap(gap, tolerance, len(groups), write)
        for gap, write in zip(gaps, writes, strict=False)
        if gap is not None
    ]
    return identity, checks


def _similarity(one: Descriptors, other: Descriptors) -> NDArray[np.float64]:
    """Return the cosine of each pair, shape (n,); NaN where one has no descriptor."""
    found: NDArray[np.float64] = np.einsum(
        "nd,nd->n", one.vectors.astype(np.float64), other.vectors.astype(np.float64)
    )
    return found
