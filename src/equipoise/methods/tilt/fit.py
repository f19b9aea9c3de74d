"""Fitting of a tilt: rules of acceptance for the wanted faithfulness, and what they will bring.

Nothing here makes an image. Rules are chosen on labelled codes, each read by networks that have not
seen it; the stages of fresh codes of the prior give what needs no label.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from equipoise.core.errors import InsufficientLabelsError
from equipoise.core.labels import LabelledCodes
from equipoise.core.parallel import one_thread
from equipoise.core.progress import Execution
from equipoise.core.targets import Target
from equipoise.generators.base import Generator
from equipoise.methods.calibration import Calibration, calibrate
from equipoise.methods.tilt.fit_latent import LatentFit
from equipoise.methods.tilt.held_out import HeldOut
from equipoise.methods.tilt.pilot import PILOT, PROPOSAL_PILOT, Pilot, read_pilot, reader
from equipoise.methods.tilt.proposals import ProposalSearch, search_proposals
from equipoise.methods.tilt.rules import (
    EXACT,
    FAITHFUL,
    ONE_SHOT_RECALLS,
    TYPICAL,
    FrontierPoint,
    OneShotStatement,
    directed_rule,
    exact_rule,
    frontier,
    one_shot_rule,
    one_shot_statements,
    threshold_rule,
    typical_rule,
)
from equipoise.methods.tilt.shared_calls import rates_of, shared_calls
from equipoise.samplers.acceptance import AcceptanceRule
from equipoise.samplers.latent_classifier import LatentClassifier
from equipoise.samplers.proposals import fit_margin, fit_prefilter, held_out_rows
from equipoise.samplers.statements import ModeStatement
from equipoise.samplers.tilt import ONE_SHOT, Mode, TiltSource

_LEAST_PREDICTED = 50.0
"""Accepted codes of the pilot from which on they predict what a cell's requests bring."""


@dataclass(frozen=True, eq=False, kw_only=True)
class TiltFit:
    """A tilt with what it will bring.

    Attributes
    ----------
    source : TiltSource
        Its one-shot draws, and `for_verified` the others.
    calibration : Calibration
        How often to request each cell of one-shot draws.
    verified : tuple of ModeStatement
        What verified draws are; the mode that was asked for comes first.
    stage_cost : float
        Measured cost of a candidate whose stage is read, as a share of an image and its
        classification; 0 where it is not counted.
    one_shot : tuple of OneShotStatement
    frontier : tuple of FrontierPoint
    """

    source: TiltSource
    calibration: Calibration
    verified: tuple[ModeStatement, ...]
    stage_cost: float
    one_shot: tuple[OneShotStatement, ...]
    frontier: tuple[FrontierPoint, ...]


def fit_tilt(
    generator: Generator,
    fit: LatentFit,
    labelled: LabelledCodes,
    target: Target,
    *,
    faithful: float | str = FAITHFUL,
    stage_cost: float = 0.0,
    seed: int = 0,
    execution: Execution = Execution(),
) -> TiltFit:
    """Choose the rules of acceptance, calibrate, and state what draws will be.

    Parameters
    ----------
    generator : Generator
    fit : LatentFit
        The latent classifier, and what it says of the labelled codes, held out.
    labelled : LabelledCodes
    target : Target
        Cells of target 0 cannot be requested.
    faithful : float, "exact" or "typical"
        Of verified draws: faithfulness to aim at, without weights; or weights that make averages
        those of the generator's own images; or clear members of each cell. The source has all
        three; where it is no number, that of the thresholds is `FAITHFUL`.
    stage_cost : float
        Of a candidate whose stage is read, in calls (`equipoise.methods.tilt.cost`); by default
        it is not counted. Draws do not depend on it.
    seed : int
        Of the fresh codes.
    execution : Execution

    Raises
    ------
    InsufficientLabelsError
        When no labelled code is of a wanted cell.
    """
    if not (labelled.shares() @ target.shares > 0):
        raise InsufficientLabelsError(
            "labels",
            "must have some of a cell that the target wants",
            f"none of {len(labelled):,}",
            "Raise --n, or ask for other cells.",
        )
    held, wanted = HeldOut.of(fit, labelled, seed), target.shares > 0
    pilot = read_pilot(generator, fit.classifier, seed, PILOT, execution)
    number = FAITHFUL if isinstance(faithful, str) else float(faithful)
    one_shot, recalls = one_shot_rule(held, target, min(number, ONE_SHOT_RECALLS[0]))
    rules = {
        ONE_SHOT: one_shot,
        f"{number:g}": threshold_rule(held, wanted, number),
        EXACT: exact_rule(held, pilot.log_h, wanted),
        TYPICAL: typical_rule(held, wanted),
    }
    source, reads = _assemble(
        generator, fit.classifier, rules, rules[EXACT], pilot, seed, execution
    )
    chosen = faithful if isinstance(faithful, str) else f"{number:g}"
    verified = []
    for name in sorted(rules.keys() - {ONE_SHOT}, key=lambda mode: (mode != chosen, mode)):
        source, statement = _with_statement(
            source, name, held, target.shares, pilot, (reads[name], stage_cost)
        )
        verified.append(statement)
    requests = np.exp(source.log_acceptance(held.codes, held.log_h))
    calibration = calibrate(
        *held.corrected_confusion(requests, _predicted_confusion(source, pilot)),
        target,
        len(labelled),
    )
    densities = requests / source.current.acceptance.clip(1e-300)
    return TiltFit(
        source=replace(source, verified_mode=chosen),
        calibration=calibration,
        verified=tuple(verified),
        stage_cost=stage_cost,
        one_shot=one_shot_statements(held, densities, calibration.weights, recalls, wanted),
        frontier=frontier(held, wanted),
    )


def _predicted_confusion(source: TiltSource, pilot: Pilot) -> NDArray[np.float64]:
    """Return the confusion of one-shot requests by the latent classifier's own word, (K, K).

    NaN in the rows of cells that accept too few codes of the pilot.
    """
    accepted = np.exp(source.log_acceptance(pilot.codes, pilot.log_h))
    total = accepted.sum(axis=0)
    confusion = accepted.T @ np.exp(pilot.log_h.astype(np.float64))
    enough = (total >= _LEAST_PREDICTED)[:, None]
    return np.asarray(np.where(enough, confusion / total.clip(1e-300)[:, None], np.nan))


def _with_statement(
    source: TiltSource,
    name: str,
    held: HeldOut,
    shares: NDArray[np.float64],
    pilot: Pilot,
    stages: tuple[NDArray[np.float64], float],
) -> tuple[TiltSource, ModeStatement]:
    """Return the source with what a mode accepts of each cell's own codes, and its statement.

    `stages` are the candidates that are read per draw of each cell, and the calls that one costs.
    """
    mode, wanted, (reads, stage_cost) = source.modes[name], shares > 0, stages
    drawn = replace(source, mode=name)
    accepted = np.exp(drawn.log_acceptance(held.codes, held.log_h))
    by_rule = np.exp(mode.rule.log_acceptance(held.log_h))
    own = held.own_weights / held.own_weights.sum(axis=0).clip(1e-300)
    own_acceptance = (own * accepted).sum(axis=0)
    mode = replace(mode, weighted=name == EXACT, own_acceptance=own_acceptance)
    cells = held.statements(
        accepted,
        by_rule,
        weighted=mode.weighted,
        stage_calls=reads * stage_cost,
        wanted=wanted,
    )
    rates = rates_of(held, accepted, shares)
    shared_reads = _shared_reads(drawn, pilot, rates)
    calls = shared_calls(held, accepted, (shares, rates), cells, shared_reads * stage_cost)
    statement = ModeStatement(faithful=name, cells=cells, **vars(calls))
    return replace(source, modes={**source.modes, name: mode}), statement


def _shared_reads(source: TiltSource, pilot: Pilot, rates: NDArray[np.float64]) -> float:
    """Return the candidates that are read per one whose image is made, where cells share them."""
    bounds = np.exp(source.log_bounds(pilot.codes))
    accepted = np.minimum(bounds, np.exp(source.current.rule.log_acceptance(pilot.log_h)))
    made = (accepted * rates).max(axis=1).sum()
    return float((bounds * rates).max(axis=1).sum() / max(made, 1e-300))


def fit_proposal(
    generator: Generator,
    fit: LatentFit,
    labelled: LabelledCodes,
    target: Target,
    seed: int = 0,
    execution: Execution = Execution(),
) -> TiltSource:
    """Prepare a tilt whose draws are to be labelled."""
    held, wanted = HeldOut.of(fit, labelled, seed), target.shares > 0
    pilot = read_pilot(generator, fit.classifier, seed, PROPOSAL_PILOT, execution)
    rule = directed_rule(held, pilot.log_h, wanted)
    rules = {ONE_SHOT: rule}
    return _assemble(generator, fit.classifier, rules, rule, pilot, seed, execution)[0]


def _assemble(
    generator: Generator,
    classifier: LatentClassifier,
    rules: Mapping[str, AcceptanceRule],
    widest: AcceptanceRule,
    pilot: Pilot,
    seed: int,
    execution: Execution,
) -> tuple[TiltSource, dict[str, NDArray[np.float64]]]:
    """Place half-spaces, fit the prefilter, and learn how often each cell accepts by each rule.

    Parameters
    ----------
    rules : mapping of str to AcceptanceRule
        `ONE_SHOT` and others.
    widest : AcceptanceRule
        Half-spaces hold the members that it accepts.

    Returns
    -------
    TiltSource
    dict of str to numpy.ndarray, shape (K,), float64
        For each rule the candidates whose stage is read per accepted one.
    """
    with one_thread():
        search = search_proposals(
            generator.prior,
            pilot.codes,
            pilot.log_h,
            reader(generator, classifier, execution),
            replace(widest, floor=np.zeros(len(widest.floor))),
            seed,
        )
        prefilter = fit_prefilter(search.codes, search.log_h, seed)
        guesses = prefilter.log_guesses(search.codes)
        modes, reads = {}, {}
        for name, rule in rules.items():
            modes[name], reads[name] = _mode(rule, search, guesses, seed)
    return TiltSource(classifier, search.spaces, prefilter, modes, generator=generator), reads


def _mode(
    rule: AcceptanceRule, search: ProposalSearch, guesses: NDArray[np.float32], seed: int
) -> tuple[Mode, NDArray[np.float64]]:
    """Return a mode by its rule, and the candidates that are read per accepted one, (K,)."""
    log_accepted, unseen = rule.log_acceptance(search.log_h), held_out_rows(len(guesses), seed)
    margins = np.zeros(len(rule.full))
    inside = search.spaces.contains(search.codes)
    for k in np.flatnonzero(rule.cells).tolist():
        rows = search.own[k][unseen[search.own[k]] & inside[search.own[k], k]]
        bound = partial(_bound_of, rule.of_cell(k), guesses[rows, k])
        margins[k] = fit_margin(bound, log_accepted[rows, k], search.log_h[rows, k])
    mode = Mode(rule, margins, np.ones(len(margins)), np.ones(len(margins)))
    bounds = mode.log_bounds(guesses)
    acceptance = search.prior_mean(np.exp(np.minimum(log_accepted, bounds)))
    read = search.prior_mean(np.exp(bounds))
    reads = np.where(rule.cells, read / acceptance.clip(1e-300), 0.0)
    return replace(mode, acceptance=acceptance), reads


def _bound_of(
    rule: AcceptanceRule, guesses: NDArray[np.float32], margin: float
) -> NDArray[np.float64]:
    """Return the upper bounds of the cell of a rule at a margin, shape (n,)."""
    return rule.log_acceptance(guesses[:, None] + margin)[:, 0]
