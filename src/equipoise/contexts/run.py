"""Balances contexts: label, solve for rates, draw, measure, and write record, page and description.

OUT/labels/          labelled images of the proposals
OUT/images/          the images, and OUT/metadata.csv their rows
OUT/contexts.json    the record; OUT/report.html its page; OUT/README.md that of the data set
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from equipoise.audit.images import AuditImages
from equipoise.audit.lighting import examine_lighting
from equipoise.contexts.page import RECORD, write_pages
from equipoise.contexts.record import (
    ALL_EDITS,
    BalancedContexts,
    ContextOptions,
    ContextProposals,
    Refusal,
    is_exact,
    verdict_of,
)
from equipoise.core.attributes import UNKNOWN
from equipoise.core.context_targets import parse_context_targets
from equipoise.core.errors import InputError, check_count
from equipoise.core.estimates import Estimate
from equipoise.core.progress import Execution
from equipoise.core.records import write_record
from equipoise.core.settings import Settings
from equipoise.core.versions import versions
from equipoise.generators import NAMES, check_name
from equipoise.measure.contexts import measure_contexts
from equipoise.measure.lighting import Lighting
from equipoise.methods.calibration import Calibration
from equipoise.methods.context_draws import draw_contexts
from equipoise.methods.context_folder import ContextFolder, identity_of, write_contexts
from equipoise.methods.context_proposals import (
    ContextRequests,
    VariantLabels,
    check_labels,
    check_prompted,
    label_variants,
    never_seen,
    request_edits,
    request_prompts,
)
from equipoise.methods.context_rates import ContextCalibration, calibrate_contexts
from equipoise.methods.context_refusal import EarlyRefusal, fit_refusal
from equipoise.pipeline import open_models
from equipoise.runs.record import model_used
from equipoise.samplers.sampler import GeneratorRef

_LIT = 2000
"""Images whose lighting is examined at most; chosen by hand."""


def balance_contexts(
    settings: Settings,
    options: ContextOptions,
    out: Path | str,
    execution: Execution = Execution(),
) -> BalancedContexts:
    """Draw images of every context with a wanted mix in each.

    Parameters
    ----------
    settings : Settings
        `n` is the number of labels; `target` holds within every context, or names a file that
        gives each its own.
    options : ContextOptions
    out : Path
        A stopped call goes on there, to the same bytes.
    execution : Execution
        Threads and progress. Images do not depend on it.

    Raises
    ------
    InputError
        When an option breaks its rule, the generator has no contexts or lacks an edit, or the
        folder holds other draws.
    InsufficientLabelsError
        When a prompt surely gives a wanted cell too seldom, or verified draws of one do not come.
    FileFormatError
        When the metadata of the folder are damaged.
    StorageError
        When the disk fails; whole images written so far are kept.
    """
    check_options(options)
    home, models, seed = Path(out), open_models(settings), settings.seed
    grid, kind = models.panel.grid, options.proposals
    generator, _ = check_prompted(models.generator, grid, kind)
    wanted = parse_context_targets(settings.target, grid)
    targets = wanted.of(generator.contexts)
    labels = label_variants(models, settings.n, seed, home / "labels", kind, execution=execution)
    rates = None
    if kind == "edits":
        rates = calibrate_contexts(labels.of_edits(), targets, seed)
        requests = request_edits(rates, targets, options.images, verified=options.verified)
    else:
        requests = request_prompts(labels, generator.contexts, targets, options.images, kind)
    refusal = None
    if options.early_refusal:
        refusal = fit_refusal(generator, labels, requests, seed=seed, execution=execution)
    written = write_contexts(
        lambda kept: draw_contexts(
            models, requests, seed, refusal=refusal, kept=kept, execution=execution
        ),
        models,
        generator,
        identity_of(models, requests, seed, refusal.stated() if refusal else None),
        home,
    )
    names = [generator.contexts[c] for c in written.contexts]
    faithful, by_context = _faithfulness(requests, refusal)
    mix = measure_contexts(written.labels, names, wanted, options.tolerance)
    proposals = _proposals(generator.contexts, labels, requests, rates, by_context)
    found = BalancedContexts(
        verdict=verdict_of(mix, is_exact(options, mix, proposals)),
        settings=settings,
        options=options,
        generator=GeneratorRef.of(generator),
        models=model_used("generator", generator)
        + tuple(m for one in models.panel.classifiers for m in model_used("classifier", one)),
        mix=mix,
        proposals=proposals,
        unseen=never_seen(labels, generator.contexts, requests, targets),
        faithfulness=faithful,
        refusal=None if refusal is None else Refusal(stage=refusal.stage, steps=refusal.steps),
        calls=written.calls / len(names),
        labels=settings.n,
        caveats=tuple(models.caveats),
        versions=versions(),
        lighting=_lighting(home, written),
    )
    write_record(home / RECORD, found)
    write_pages(home, found, written.files, written.contexts, written.labels)
    return found


def _expected(rates: Calibration) -> tuple[Estimate, ...]:
    parts = (rates.expected, rates.low, rates.high)
    bounds = zip(*(part.tolist() for part in parts), strict=True)
    return tuple(Estimate(value, low, high) for value, low, high in bounds)


def _lighting(home: Path, written: ContextFolder) -> Lighting | None:
    """Return what lighting explains of the skin tones of some images."""
    rows = np.unique(np.linspace(0, len(written.files) - 1, _LIT).astype(np.int64))
    files, grid = tuple(written.files[row] for row in rows), written.labels.grid
    levels = written.labels.levels[rows]
    known = (levels != UNKNOWN).all(axis=1)
    images = AuditImages(home, grid, files, levels, files, np.ones(len(files)))
    return examine_lighting(images.take(np.flatnonzero(known).tolist()), grid.names, home)


def check_options(options: ContextOptions) -> None:
    """Refuse options that cannot be met.

    Raises
    ------
    InputError
        When there is no image, the mix of prompts themselves is wanted without a choice, or the
        tolerance is out of range.
    """
    check_count("images", options.images, "Pass --images 250.")
    if options.proposals != "edits" and not options.verified:
        rule = "must be edits without --verified: the mix of the prompts themselves is what it is"
        raise InputError("proposals", rule, options.proposals, "Pass --verified.")
    if not 0 < options.tolerance < 1:
        raise InputError("tolerance", "must be in (0, 1)", options.tolerance, "Pass 0.02.")


def check_wanted(settings: Settings, options: ContextOptions) -> None:
    """Refuse names that a run would refuse, before it begins.

    Models of one's own may be large, or be downloaded first: those of Equipoise alone are opened.

    Raises
    ------
    InputError
        When the generator is not known or has no contexts, or the target is wrong.
    """
    check_name(settings.generator)
    if not settings.classifiers and settings.generator.partition(":")[0] in NAMES:
        models = open_models(settings)
        grid = models.panel.grid
        generator, _ = check_prompted(models.generator, grid, options.proposals)
        parse_context_targets(settings.target, grid).of(generator.contexts)
        check_labels(settings.n, len(generator.contexts), grid, options.proposals)


def _faithfulness(
    requests: ContextRequests, refusal: EarlyRefusal | None
) -> tuple[Estimate, list[Estimate]]:
    """Return that of the images that come of prompts, over all contexts and of each."""
    own = requests.by_prompt & (requests.counts > 0)
    none, sure = Estimate.missing(ALL_EDITS), Estimate(1.0, 1.0, 1.0)
    prompted = [bool(row.any()) for row in own]
    if refusal is None:
        return sure if any(prompted) else none, [sure if one else none for one in prompted]
    pairs = zip(prompted, refusal.by_context, strict=True)
    return refusal.faithfulness, [found if one else none for one, found in pairs]


def _proposals(
    names: tuple[str, ...],
    labels: VariantLabels,
    requests: ContextRequests,
    rates: ContextCalibration | None,
    faithful: list[Estimate],
) -> tuple[ContextProposals, ...]:
    confusion, own = labels.of_edits(), labels.of_prompts()
    edited, prompted = bool(confusion.any()), bool(own.any())
    return tuple(
        ContextProposals(
            name=name,
            requested=tuple(requests.counts[c].tolist()),
            by_prompt=tuple((requests.by_prompt[c] & (requests.counts[c] > 0)).tolist()),
            purity=tuple(np.where(requests.counts[c] > 0, requests.purity[c], np.nan).tolist()),
            confusion=tuple(map(tuple, confusion[c].tolist())) if edited else (),
            own=tuple(own[c].tolist()) if prompted else (),
            expected=() if rates is None else _expected(rates.contexts[c]),
            distance=None if rates is None else rates.contexts[c].distance,
            faithfulness=faithful[c],
        )
        for c, name in enumerate(names)
    )
