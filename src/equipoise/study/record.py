"""A study in numbers, as in `study.json`."""

from __future__ import annotations

from dataclasses import dataclass

from equipoise.core.estimates import Estimate
from equipoise.runs.folder import RunFolder


@dataclass(frozen=True, kw_only=True)
class StudyAudit:
    """An audit of a classifier on images of a run.

    Attributes
    ----------
    name : str
        As in study.toml.
    folder : str
        Of its report, relative to the study.
    model, attribute : str
    verdict : str
    worst : str
        The cell with the highest error rate; empty where errors are not known.
    error : Estimate or None
        Its error rate.
    """

    name: str
    folder: str
    model: str
    attribute: str
    verdict: str
    worst: str
    error: Estimate | None


@dataclass(frozen=True, kw_only=True)
class StudyRun:
    """One run of a study in numbers.

    Attributes
    ----------
    generator, target : str
        Names, as in study.toml.
    folder : str
        The run folder, relative to the study.
    method : str
    rarest : float
        Smallest share of a cell in the generator's own output, among cells of positive target.
    verdict : str
        Whether new draws meet the target.
    kl, kl_floor, total_variation : float or None
        Of new draws, as of `Representation`.
    faithful : str or None
        Mode of verified draws; None where the method states none.
    faithfulness : Estimate or None
        Of that mode, the least of all cells.
    calls : float or None
        Of that mode, the calls per verified image of the target.
    audits : tuple of StudyAudit
        In the order of study.toml.
    """

    generator: str
    target: str
    folder: str
    method: str
    rarest: float
    verdict: str
    kl: float | None
    kl_floor: float | None
    total_variation: float | None
    faithful: str | None
    faithfulness: Estimate | None
    calls: float | None
    audits: tuple[StudyAudit, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Study:
    """All runs of a study; the layout of `study.json`.

    Attributes
    ----------
    runs : tuple of StudyRun
        Generator by generator, in the order of study.toml.
    """

    runs: tuple[StudyRun, ...]


def in_numbers(
    generator: str, target: str, run: RunFolder, audits: tuple[StudyAudit, ...]
) -> StudyRun:
    """Return the numbers of a run, by the names of its generator and target."""
    record = run.read_record()
    first = record.results[0]
    mix = first.representation
    mode = first.tilt.verified[0] if first.tilt else None
    return StudyRun(
        generator=generator,
        target=target,
        folder=f"{generator}/{target}",
        method=first.method,
        rarest=min(share.share for share in record.prior.cells if share.target),
        verdict=mix.verdict.words,
        kl=mix.kl,
        kl_floor=mix.kl_floor,
        total_variation=mix.total_variation,
        faithful=mode.faithful if mode else None,
        faithfulness=min((c.faithfulness for c in mode.cells), key=lambda e: e.value)
        if mode
        else None,
        calls=mode.calls.value if mode else None,
        audits=audits,
    )
