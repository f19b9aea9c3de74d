"""The audit of face verification: false matches by cell, checks, record and report."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.audit.checks import failures_check, gap_check, image_caveats
from equipoise.audit.decision_rule import is_shown
from equipoise.audit.images import AuditImages
from equipoise.audit.lighting import examine_lighting
from equipoise.audit.record import Asking
from equipoise.audit.verification.descriptors import Descriptors
from equipoise.audit.verification.genuine import Genuine, false_non_matches
from equipoise.audit.verification.page import PAGE
from equipoise.audit.verification.rates import (
    Faces,
    check_match_settings,
    compared_pairs,
    overall,
    threshold_of,
)
from equipoise.audit.verification.record import (
    FALSE_MATCHES,
    GenuineMatches,
    MatchTable,
    VerificationAudit,
    VerificationSettings,
)
from equipoise.audit.verification.scores import PairScores
from equipoise.audit.verification.tables import check_id_of, match_tables
from equipoise.core.checks import Check, Evidence, ignoring, verdict, worst_first
from equipoise.core.errors import InputError
from equipoise.core.numbers import estimate, p_text, percent
from equipoise.core.records import write_record
from equipoise.core.seeds import check_seed
from equipoise.core.versions import versions
from equipoise.measure.lighting import lighting_checks
from equipoise.runs.record import model_used
from equipoise.stats.pairs import dependence_of
from equipoise.stats.shares import Share

_IMPOSTORS = "Pairs of generated faces are of two independent codes, so of different people."
_PHOTOGRAPHS = "Pairs are of photographs of two people, as their labels name them."
_NO_GENUINE = (
    "How often pictures of one person are taken for two is not measured: that needs photographs of "
    "people."
)
_GENUINE = (
    "False non-matches are of photographs that were brought, not of generated images; who is on "
    "them, and of which cell, is as their file says."
)
_SCORES = (
    "Scores are those of the file {name}, {kept:,} of the {every:,} pairs that it names; which "
    "model gave them is the word of who wrote it. Each pair stands for all pairs of its two cells, "
    "also for those without a score."
)
_TOLERATED_FAILURES = 0.05

_rare = partial(percent, digits=3)
"""Text of a rate: false matches are rare."""


def audit_verification(
    descriptors: Descriptors | PairScores,
    images: AuditImages,
    folder: Path,
    settings: VerificationSettings,
    *,
    threshold: float | None = None,
    genuine: Genuine | None = None,
    seconds: float = 0.0,
) -> VerificationAudit:
    """Audit the descriptors of balanced images, and write record and report.

    Parameters
    ----------
    descriptors : Descriptors or PairScores
        Of the images, in their order; or scores of pairs of them.
    images : AuditImages
    folder : Path
        Of record and report.
    settings : VerificationSettings
    threshold : float, optional
        Similarity from which on two faces match, a cosine of descriptors; by default the one of
        `settings.fmr`.
    genuine : Genuine, optional
        Photographs of people, whose false non-matches at the same threshold are a further table;
        with descriptors alone.
    seconds : float
        That the descriptors took.

    Raises
    ------
    InputError
        When a setting breaks its rule, the faces have too few pairs for the rate, or nobody is on
        two photographs.
    StorageError
        When a file cannot be written.
    """
    _check_settings(settings, threshold, cosine=isinstance(descriptors, Descriptors))
    PAGE.refuse_other(folder, model_used("model", descriptors))
    by, levels = images.restricted(settings.by)
    cells, found = by.cell_of(levels), descriptors.found
    named = np.ones(len(images), bool)
    caveats: tuple[str, ...] = ()
    if isinstance(descriptors, PairScores):
        if genuine is not None:
            raise InputError("genuine", "must come with descriptors", "scores", "Leave it out.")
        own = np.ix_(found, found)
        kept = Faces(
            by.cells,
            cells[found],
            descriptors.similarity[own],
            images.weights[found],
            descriptors.stands_for(images.cells)[own],
        )
        named = descriptors.named
        words = _SCORES.format(
            kept=descriptors.kept,
            every=descriptors.kept + descriptors.missing,
            name=descriptors.name,
        )
        caveats = (words, *descriptors.caveats)
    else:
        _check_vectors(descriptors.vectors[found])
        if genuine is not None:
            _check_alike(descriptors, genuine.descriptors)
        caveats = descriptors.caveats
        vectors, weights = descriptors.vectors[found], images.weights[found]
        kept = Faces.of_vectors(by.cells, cells[found], vectors, weights)
    limit = threshold_of(kept, settings.fmr) if threshold is None else threshold
    together = overall(kept, limit)
    dependence = None
    if together.count:  # Without a match nothing shows how pairs depend on one another.
        dependence = dependence_of(together, len(kept.group), compared_pairs(kept))
    failures = tuple(
        Share.among(name, ~found, named & (cells == k), images.weights)
        for k, name in enumerate(by.cells)
    )
    missed, by_cell = (None, ()) if genuine is None else false_non_matches(genuine, by, limit)
    tables, failed = match_tables(
        kept, by, levels[found], limit, dependence, failures, by_cell, seed=settings.seed
    )
    of_pairs: tuple[str, ...] = (_IMPOSTORS, _NO_GENUINE if genuine is None else _GENUINE)
    if images.side:
        of_pairs = (_PHOTOGRAPHS,)
    checks = [
        *(_check(table, settings.ratio) for table in tables),
        _failures(descriptors, int((named & ~found).sum()), len(images)),
    ]
    if failed is not None:
        checks.append(gap_check(failed, _TOLERATED_FAILURES, len(failures)))
    lighting = examine_lighting(images, by.names, folder)
    checks += lighting_checks(lighting)
    ordered = worst_first(ignoring(checks, settings.ignore))
    audit = VerificationAudit(
        verdict=verdict(ordered),
        settings=settings,
        n=len(images),
        threshold=limit,
        overall=together,
        failures=failures,
        tables=tuple(table for table in tables if table.what == FALSE_MATCHES),
        models=model_used("model", descriptors),
        checks=ordered,
        caveats=(
            *of_pairs,
            *caveats,
            *image_caveats(by.names, images.side),
        ),
        costs=(
            Asking(
                role="model",
                name=descriptors.name,
                asked=descriptors.asked,
                kept=descriptors.kept,
                failed=int((named & ~found).sum()),
                seconds=seconds,
            ),
        ),
        versions=versions(),
        images=images.used,
        lighting=lighting,
        cosines=isinstance(descriptors, Descriptors),
        genuine=None
        if genuine is None or missed is None
        else GenuineMatches(
            images=genuine.people.images.used,
            people=len(np.unique(genuine.people.person)),
            failed=int((~genuine.descriptors.found).sum()),
            overall=missed,
            table=next((table for table in tables if table.what != FALSE_MATCHES), None),
            descriptors=genuine.descriptors.digest,
        ),
    )
    write_record(folder / "verification.json", audit)
    PAGE.write(folder)
    return audit


def _check_settings(
    settings: VerificationSettings, threshold: float | None, *, cosine: bool
) -> None:
    check_seed(settings.seed)
    check_match_settings(settings.fmr, threshold, cosine=cosine)
    if not settings.ratio >= 1:
        raise InputError("ratio", "must be at least 1", settings.ratio, "Pass 2.")


def _check_vectors(vectors: NDArray[np.float32]) -> None:
    """Refuse descriptors that say nothing of a face."""
    if len(vectors) < 2 or not np.ptp(vectors, axis=0).any():
        got = f"{len(vectors):,} faces with one" if len(vectors) < 2 else "the same of all faces"
        remedy = "Check the model, and that it gets the pictures as it needs them."
        raise InputError("descriptors", "must be of two faces or more, and differ", got, remedy)


def _check_alike(descriptors: Descriptors, genuine: Descriptors) -> None:
    """Refuse descriptors of photographs that are of another model, as far as that shows."""
    width, other = descriptors.vectors.shape[1], genuine.vectors.shape[1]
    if width != other:
        rule = f"must have {width} numbers, as those of the generated faces"
        raise InputError("descriptors of photographs", rule, other, "Name those of the same model.")


def _failures(descriptors: Descriptors | PairScores, failed: int, n: int) -> Check:
    """Return the check of images without a descriptor, or without a score."""
    again = no_face = 0
    if isinstance(descriptors, Descriptors) and not descriptors.recorded:
        again, no_face = descriptors.unanswered, failed - descriptors.unanswered
    return failures_check("the model", failed, n, no_face=no_face, again=again)


def _check(table: MatchTable, limit: float) -> Check:
    """Return the check of a table: whether its rates differ by more than the tolerated ratio."""
    title = f"Are {table.what} as frequent in all of {len(table.rates)} {table.where}?"
    if table.gap is None:
        words = "There are fewer than two groups with pairs."
        return Check(
            check_id=check_id_of(table.what, table.where),
            title=title,
            outcome="skipped",
            words=words,
        )
    named, ratio = table.gap, table.gap.gap.ratio
    shown = is_shown(named.gap.difference, named.p_value)
    if ratio.high <= limit:
        outcome, words = "passed", f"Any ratio is at most {limit:g}"
    elif shown and ratio.value > limit:
        outcome = "issue"
        words = f"They are most frequent in {named.gap.highest}, least in {named.gap.lowest}"
    elif shown:
        outcome, words = "tip", f"There is a difference, but its ratio is at most {limit:g}"
    else:
        outcome = "tip"
        words = f"No difference is significant, but ratios over {limit:g} are not excluded"
    return Check(
        check_id=named.check_id,
        title=title,
        outcome=outcome,  # type: ignore[arg-type]
        words=f"{words}: the ratio is {estimate(ratio)}, the difference "
        f"{estimate(named.gap.difference, _rare)}, p = {p_text(named.p_value)} corrected.",
        evidence=Evidence(estimate=ratio, p_value=named.p_value),
    )
