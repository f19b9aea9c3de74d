"""Steering: a finished run's sampler towards another target, without any new label.

Which mix requests bring was counted when the run was measured, and what verified draws of a cell
are does not depend on how often it is requested. So another target needs other request rates alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.estimates import Estimate
from equipoise.core.targets import Target, parse_target
from equipoise.methods.calibration import REACHED, Calibration, calibrate, expect, posterior
from equipoise.runs.folder import RunFolder
from equipoise.runs.record import Result, RunRecord
from equipoise.samplers.file import load_sampler
from equipoise.samplers.sampler import Sampler
from equipoise.samplers.statements import CellStatement, ModeStatement

_DRAWS = 1000
"""Draws of the confusion that intervals come from: 36 cells in some 30 ms."""


@dataclass(frozen=True, eq=False)
class Course:
    """What draws towards a target will bring.

    Attributes
    ----------
    target : Target
    calibration : Calibration
        Request rates of one-shot draws, and the shares that they will show. Towards the run's own
        target, its own rates.
    nearest : float
        Total variation of the nearest mix that any rates bring.
    statements : dict of str to CellStatement
        By cell, what its verified draws are; empty where nothing is stated.
    calls : Estimate
        Generator calls per verified image at this mix; see `ModeStatement.towards`.
    """

    target: Target
    calibration: Calibration
    nearest: float
    statements: dict[str, CellStatement]
    calls: Estimate

    @property
    def reachable(self) -> bool:
        """Whether some rates bring the target."""
        return self.nearest < REACHED


@dataclass(frozen=True, eq=False)
class Steering:
    """A run's sampler with the counts that steer it.

    Parameters
    ----------
    sampler : Sampler
    record : RunRecord
        Of the run that made it.

    Raises
    ------
    FileFormatError
        When sampler and record are not of one run.
    """

    sampler: Sampler
    record: RunRecord

    def __post_init__(self) -> None:
        if self.sampler.grid != self.record.grid:
            raise FileFormatError(
                "sampler", "must have the cells of its run's record", "others", "Run it again."
            )

    @classmethod
    def of(cls, run: RunFolder) -> Steering:
        """Return the steering of a run folder.

        Raises
        ------
        FileFormatError
            When record or sampler is missing, damaged, or of another run.
        """
        return cls(load_sampler(run.sampler), run.read_record())

    @property
    def result(self) -> Result:
        """What the run measured of its own sampler."""
        return self.record.results[0]

    @property
    def prior(self) -> NDArray[np.float64]:
        """Shares of the generator's own images, shape (K,)."""
        return np.array([cell.share for cell in self.record.prior.cells])

    @cached_property
    def _posterior(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return posterior(self.result.confusion.counts, self.record.settings.seed, _DRAWS)

    def target(self, text: str) -> Target:
        """Return the target of a text; "prior" is the generator's own mix."""
        if text.strip() == "prior":
            return Target(self.sampler.grid, self.prior, text)
        return parse_target(text, self.sampler.grid).resolve(self.prior)

    def course(self, target: Target, faithful: str | None = None) -> Course:
        """Return what draws towards a target will bring.

        Parameters
        ----------
        target : Target
        faithful : str, optional
            Mode of verified draws; the run's own by default.

        Raises
        ------
        InputError
            When there is no such mode, or the target wants a cell that the run never requested.
        """
        counts = self.result.confusion.counts
        measured = int(counts.sum())
        calibration = calibrate(*self._posterior, target, measured)
        nearest = calibration.distance
        if target.equals(self.sampler.target):
            calibration = expect(self.sampler.weights, *self._posterior, target, measured)
        mode = self.mode(faithful)
        stated = {cell.cell: cell for cell in mode.cells} if mode else {}
        calls = Estimate(calibration.calls_per_verified_image)
        if mode is not None:
            calls = mode.towards(target, self.sampler.target).calls
        return Course(target, calibration, nearest, stated, calls)

    def mode(self, faithful: str | None) -> ModeStatement | None:
        """Return the statement of a mode; None where the sampler states nothing.

        Raises
        ------
        InputError
            When there is no such mode.
        """
        found = self.sampler.statement(faithful)
        if faithful is not None and found is None:
            modes = self.sampler.statements
            raise InputError(
                "faithful",
                f"must be one of {', '.join(m.faithful for m in modes) or 'none'}",
                faithful,
                "Leave it out.",
            )
        return found

    def steered(self, target: Target) -> Sampler:
        """Return the sampler of another target, itself for its own; raises as `course`."""
        if target.equals(self.sampler.target):
            return self.sampler
        weights = self.course(target).calibration.weights
        own = self.sampler.target
        statements = tuple(mode.towards(target, own) for mode in self.sampler.statements)
        return replace(self.sampler, target=target, weights=weights, statements=statements)
