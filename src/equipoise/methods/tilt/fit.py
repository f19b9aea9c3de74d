"""Fitting of a tilt: rules of acceptance for the wanted faithfulness, and what they will bring.

Nothing here makes an image. Rules are chosen on labelled codes, each read by networks that have not
seen it; the stages of fresh codes of the prior give what needs no label.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers.models import Models
from equipoise.core.errors import InsufficientLabelsError
from equipoise.core.labels import LabelledCodes
from equipoise.core.parallel import batches, one_thread, ordered_map
from equipoise.core.progress import Execution
from equipoise.core.seeds import Stream, child_seed
from equipoise.core.targets import Target
from equipoise.generators.base import Generator, generate
from equipoise.methods.calibration import REACHED, Calibration, calibrate
from equipoise.methods.tilt.fit_latent import LatentFit
from equipoise.methods.tilt.held_out import HeldOut, faithfulness
from equipoise.methods.tilt.proposals import ProposalSearch, search_proposals
from equipoise.samplers.acceptance import AcceptanceRule
from equipoise.samplers.latent_classifier import LatentClassifier
from equipoise.samplers.proposals import fit_margin, fit_prefilter, held_out_rows
from equipoise.samplers.statements import CellStatement, ModeStatement
from equipoise.samplers.tilt import ONE_SHOT, Mode, TiltSource
from equipoise.stats.simplex import solve_weights

FAITHFUL = 0.9
"""Faithfulness of verified draws when no number is set."""

EXACT, TYPICAL = "exact", "typical"
"""Names of the modes of verified draws that are no number."""

RECALLS = (0.99, 0.97, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5)
"""Shares of a cell's members that the thresholds of the frontier accept."""

ONE_SHOT_RECALLS = (0.9, 0.85, 0.8, 0.75, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)
"""Shares of a cell's members that one-shot draws may accept."""

_PURITIES = np.arange(0.1, 0.96, 0.05)
"""Purities of requests of one-shot draws that are tried."""

_SLACK = 0.005
"""Part of the total variation that is kept for what half-space and prefilter refuse."""

_EXACT_FULL = 0.9
"""Quantile of h over members from which on `exact` accepts in full; the optimum has none."""

_FLOOR = 0.05
"""Share that the least acceptance adds to the calls of `exact`."""

_TYPICAL_POWER, _TYPICAL_FULL = 4.0, 0.7
"""Power, and quantile of h over members from which on `typical` accepts in full."""

_DIRECTED_POWER, _DIRECTED_FULL = 0.5, 0.9
"""Power, and quantile of h over likely members, of draws that are labelled."""

_STARVING_POWER = 2.0
"""Power of draws that are labelled for a cell that has hardly any label."""

_PILOT = 49_152
_PROPOSAL_PILOT = 16_384
_LEAST_PILOT = 4096
_PILOT_VALUES = 2**28
"""Values of a pilot's codes, at most, unless it would be smaller than the least: 1 GiB."""

_LEAST_PREDICTED = 50.0
"""Accepted codes of the pilot from which on they predict what a cell's requests bring."""

_CHUNK = 512


@dataclass(frozen=True, kw_only=True)
class FrontierPoint:
    """What thresholds that accept some share of members bring, estimated before any draw.

    Attributes
    ----------
    recall : float
        Share of the labelled members of each cell that are accepted.
    cells : tuple of CellStatement
        What verified draws would be, cell by cell; stages of refused candidates are not counted.
    """

    recall: float
    cells: tuple[CellStatement, ...]


@dataclass(frozen=True, kw_only=True)
class OneShotStatement:
    """What one-shot draws of a cell are, estimated before any draw.

    Attributes
    ----------
    cell : str
    recall : float
        Share of the labelled members of the cell that its requests accept.
    faithfulness : float
        1 less the total variation between the images that come out as this cell, whatever was
        requested, and the generator's own images of the cell; NaN where labels are too few.
    """

    cell: str
    recall: float
    faithfulness: float


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


@dataclass(frozen=True, eq=False)
class _Pilot:
    """Fresh codes of the prior with what the latent classifier says of them.

    Attributes
    ----------
    codes : numpy.ndarray, shape (n, dim), float32
    log_h : numpy.ndarray, shape (n, K), float32
        By the fold that draws would take for each.
    """

    codes: NDArray[np.float32]
    log_h: NDArray[np.float32]


def fit_tilt(
    generator: Generator,
    fit: LatentFit,
    labelled: LabelledCodes,
    target: Target,
    *,
    faithful: float | str = FAITHFUL,
    image_seconds: float = np.inf,
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
    image_seconds : float
        Seconds of an image and its classification (`seconds_of_image`), with which the stages of
        candidates are compared; infinite where their cost is not to be counted. Draws do not
        depend on it.
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
    pilot = _read_pilot(generator, fit.classifier, seed, _PILOT, execution)
    number = FAITHFUL if isinstance(faithful, str) else float(faithful)
    one_shot_rule, recalls = _one_shot_rule(held, target, min(number, ONE_SHOT_RECALLS[0]))
    rules = {
        ONE_SHOT: one_shot_rule,
        f"{number:g}": _threshold_rule(held, wanted, number),
        EXACT: _exact_rule(held, pilot, wanted),
        TYPICAL: _typical_rule(held, wanted),
    }
    source, reads = _assemble(
        generator, fit.classifier, rules, rules[EXACT], pilot, seed, execution
    )
    chosen = faithful if isinstance(faithful, str) else f"{number:g}"
    stage_seconds = _seconds_of_stage(generator, fit.classifier, pilot.codes[:_CHUNK])
    stage_cost = stage_seconds / image_seconds
    verified = []
    for name in sorted(rules.keys() - {ONE_SHOT}, key=lambda mode: (mode != chosen, mode)):
        source, cells = _with_statement(source, name, held, wanted, reads[name] * stage_cost)
        verified.append(ModeStatement(faithful=name, cells=cells))
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
        one_shot=_one_shot_statements(held, densities, calibration.weights, recalls, wanted),
        frontier=_frontier(held, wanted),
    )


def _predicted_confusion(source: TiltSource, pilot: _Pilot) -> NDArray[np.float64]:
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
    wanted: NDArray[np.bool_],
    stage_calls: NDArray[np.float64],
) -> tuple[TiltSource, tuple[CellStatement, ...]]:
    """Return the source with what a mode accepts of each cell's own codes, and its statement."""
    mode = source.modes[name]
    accepted = np.exp(replace(source, mode=name).log_acceptance(held.codes, held.log_h))
    by_rule = np.exp(mode.rule.log_acceptance(held.log_h))
    own = held.own_weights / held.own_weights.sum(axis=0).clip(1e-300)
    mode = replace(mode, weighted=name == EXACT, own_acceptance=(own * accepted).sum(axis=0))
    statement = held.statements(
        accepted,
        by_rule,
        weighted=mode.weighted,
        stage_calls=stage_calls,
        wanted=wanted,
    )
    return replace(source, modes={**source.modes, name: mode}), statement


def fit_proposal(
    generator: Generator,
    fit: LatentFit,
    labelled: LabelledCodes,
    target: Target,
    seed: int = 0,
    execution: Execution = Execution(),
) -> TiltSource:
    """Prepare a tilt whose draws are to be labelled.

    Labels are worth most where h(1 - h) is large and members lie: the power 1/2, and a greater one
    for a cell with hardly any label, whose h is a poor guess.
    """
    held, wanted = HeldOut.of(fit, labelled, seed), target.shares > 0
    pilot = _read_pilot(generator, fit.classifier, seed, _PROPOSAL_PILOT, execution)
    h = np.exp(pilot.log_h.astype(np.float64))
    full = [
        np.quantile(column, _DIRECTED_FULL, weights=column, method="inverted_cdf") for column in h.T
    ]
    starving = held.members < STARVING
    rule = AcceptanceRule(
        np.where(wanted, full, np.inf),
        np.where(starving, _STARVING_POWER, _DIRECTED_POWER),
        np.zeros(len(wanted)),
    )
    rules = {ONE_SHOT: rule}
    return _assemble(generator, fit.classifier, rules, rule, pilot, seed, execution)[0]


STARVING = 20.0
"""Effective labelled members of a cell below which it starves of labels."""


def _threshold_rule(held: HeldOut, wanted: NDArray[np.bool_], faithful: float) -> AcceptanceRule:
    """Return thresholds that accept a share of members: the total variation is what is left."""
    full = np.where(wanted, held.quantiles(1 - faithful - _SLACK), np.inf)
    return AcceptanceRule.thresholds(full)


def _exact_rule(held: HeldOut, pilot: _Pilot, wanted: NDArray[np.bool_]) -> AcceptanceRule:
    """Return the square root with its floor, the cheapest rule for draws that carry weights."""
    cells = held.grid.size
    full = np.where(wanted, held.quantiles(_EXACT_FULL), np.inf)
    rule = AcceptanceRule(full, np.full(cells, 0.5), np.zeros(cells))
    rates = np.exp(rule.log_acceptance(pilot.log_h)).mean(axis=0)
    return replace(rule, floor=np.where(wanted, _FLOOR * rates, 0.0))


def _typical_rule(held: HeldOut, wanted: NDArray[np.bool_]) -> AcceptanceRule:
    """Return a rule that favours the clear members of each cell."""
    cells = held.grid.size
    full = np.where(wanted, held.quantiles(_TYPICAL_FULL), np.inf)
    return AcceptanceRule(full, np.full(cells, _TYPICAL_POWER), np.zeros(cells))


def _one_shot_rule(
    held: HeldOut, target: Target, most: float
) -> tuple[AcceptanceRule, NDArray[np.float64]]:
    """Return thresholds of one-shot draws, with the recall of each cell.

    Higher thresholds make requests purer, and favour clear members. For each of several purities,
    cells accept as many of their members as the purity allows, at most the share `most`. Of those
    with which requests can be mixed to meet the target, the one is taken whose least faithful cell
    is the most faithful; where there is none, the one that comes nearest to the target.
    """
    wanted = target.shares > 0
    recalls = np.array([recall for recall in ONE_SHOT_RECALLS if recall <= most] or [most])
    thresholds = np.stack([held.quantiles(1 - recall) for recall in recalls])
    h = np.exp(held.log_h)
    purities = np.stack([np.diagonal(held.confusion((h >= at) * 1.0)) for at in thresholds])
    found: list[tuple[float, float, NDArray[np.int64]]] = []
    for purity in _PURITIES:
        pure = purities >= purity
        row = np.where(pure.any(axis=0), pure.argmax(axis=0), purities.argmax(axis=0))
        accepted = (h >= thresholds[row, np.arange(held.grid.size)]) * wanted.astype(np.float64)
        confusion = held.confusion(accepted)[wanted, :-1]
        confusion /= confusion.sum(axis=1, keepdims=True).clip(1e-300)
        weights = np.zeros(held.grid.size)
        weights[wanted] = solve_weights(confusion, target.shares)
        miss = float(np.abs(weights[wanted] @ confusion - target.shares).sum() / 2)
        rates = (held.weights @ accepted) / len(h)
        density = (accepted / rates.clip(1e-300)) @ weights
        least = faithfulness(held.own_weights.T[wanted], density).min()
        found.append((max(miss, REACHED / 2), -float(least), row))
    _, _, chosen = min(found, key=lambda one: one[:2])
    full = np.where(wanted, thresholds[chosen, np.arange(held.grid.size)], np.inf)
    return AcceptanceRule.thresholds(full), recalls[chosen]


def _one_shot_statements(
    held: HeldOut,
    densities: NDArray[np.float64],
    weights: NDArray[np.float64],
    recalls: NDArray[np.float64],
    wanted: NDArray[np.bool_],
) -> tuple[OneShotStatement, ...]:
    """State what comes out of requests with these weights, whose densities are (n, K)."""
    faithful = faithfulness(held.own_weights.T[wanted], densities @ weights)
    return tuple(
        OneShotStatement(cell=held.grid.cells[k], recall=float(recalls[k]), faithfulness=value)
        for k, value in zip(np.flatnonzero(wanted).tolist(), faithful.tolist(), strict=True)
    )


def _frontier(held: HeldOut, wanted: NDArray[np.bool_]) -> tuple[FrontierPoint, ...]:
    """Return what thresholds of each recall would bring."""
    points = []
    for recall in RECALLS:
        thresholds = np.where(wanted, held.quantiles(1 - recall), np.inf)
        accepted = np.exp(AcceptanceRule.thresholds(thresholds).log_acceptance(held.log_h))
        cells = held.statements(
            accepted,
            accepted,
            weighted=False,
            stage_calls=np.zeros(held.grid.size),
            wanted=wanted,
        )
        points.append(FrontierPoint(recall=recall, cells=cells))
    return tuple(points)


def _reader(
    generator: Generator, classifier: LatentClassifier, execution: Execution
) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Return what reads codes as draws would, each by the fold of its place, on all cores."""

    def read_part(part: tuple[NDArray[np.float32], NDArray[np.int64]]) -> NDArray[np.float32]:
        return classifier.log_probabilities(generator.stem(part[0]), part[1])

    def read(codes: NDArray[np.float32]) -> NDArray[np.float32]:
        folds = np.arange(len(codes)) % classifier.folds
        parts = ((codes[i:j], folds[i:j]) for i, j in batches(0, len(codes), _CHUNK))
        with one_thread():
            return np.concatenate(list(ordered_map(read_part, parts, execution.workers)))

    return read


def _read_pilot(
    generator: Generator,
    classifier: LatentClassifier,
    seed: int,
    size: int,
    execution: Execution,
) -> _Pilot:
    """Read fresh codes of the prior, fewer where they are wide."""
    size = min(size, max(_LEAST_PILOT, _PILOT_VALUES // generator.dim))
    codes = generator.prior.codes(child_seed(seed, Stream.PILOT_CODES), 0, size)
    read = _reader(generator, classifier, execution)
    return _Pilot(codes, read(codes))


def _assemble(
    generator: Generator,
    classifier: LatentClassifier,
    rules: Mapping[str, AcceptanceRule],
    widest: AcceptanceRule,
    pilot: _Pilot,
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
            _reader(generator, classifier, execution),
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
        margins[k] = fit_margin(
            partial(_bound_of, rule, guesses[rows], k), log_accepted[rows, k], search.log_h[rows, k]
        )
    mode = Mode(rule, margins, np.ones(len(margins)), np.ones(len(margins)))
    bounds = mode.log_bounds(guesses)
    acceptance = search.prior_mean(np.exp(np.minimum(log_accepted, bounds)))
    read = search.prior_mean(np.exp(bounds))
    reads = np.where(rule.cells, read / acceptance.clip(1e-300), 0.0)
    return replace(mode, acceptance=acceptance), reads


def _bound_of(
    rule: AcceptanceRule, guesses: NDArray[np.float32], cell: int, margin: float
) -> NDArray[np.float64]:
    """Return the upper bounds of one cell at a margin, shape (n,)."""
    return rule.log_acceptance(guesses + margin)[:, cell]


def seconds_of_image(models: Models, seed: int = 0) -> float:
    """Return the seconds of an image and its classification, on one thread."""
    generator = models.generator
    codes = generator.prior.codes(child_seed(seed, Stream.PILOT_CODES), 0, generator.batch_size)
    return _seconds(lambda: models.panel.predict(generate(generator, codes))) / len(codes)


def _seconds_of_stage(
    generator: Generator, classifier: LatentClassifier, codes: NDArray[np.float32]
) -> float:
    """Return the seconds of a candidate whose stage is read, on one thread."""
    folds = np.zeros(len(codes), np.int64)
    return _seconds(lambda: classifier.log_probabilities(generator.stem(codes), folds)) / len(codes)


def _seconds(call: Callable[[], object]) -> float:
    """Return the least time of three calls on one thread, in seconds."""
    times = []
    with one_thread():
        for _ in range(3):
            began = time.perf_counter()
            call()
            times.append(time.perf_counter() - began)
    return min(times)
