"""An audit of face verification on photographs, beside a stored one on generated images.

OUT/real/                            the audit of the photographs, as of any images
OUT/photographs-verification.json    the comparison; OUT/photographs-verification.html the report
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy.stats import norm

from equipoise.audit.decision_rule import is_shown
from equipoise.audit.images import AuditImages
from equipoise.audit.photographs.agreement import (
    by_holm,
    effective_counts,
    equal_rates,
    ranks_check,
)
from equipoise.audit.photographs.match_record import (
    AgreementOfMatches,
    MatchPhotographsAudit,
    MatchPhotographsSettings,
    PairOfMatches,
)
from equipoise.audit.photographs.page import MATCH_PAGE
from equipoise.audit.photographs.run import BY_WORD, compared_caveats, same_model
from equipoise.audit.verification.descriptors import Descriptors
from equipoise.audit.verification.rates import WITH
from equipoise.audit.verification.record import VerificationAudit, VerificationSettings
from equipoise.audit.verification.run import audit_verification
from equipoise.core.checks import Check, Evidence, ignoring, verdict, worst_first
from equipoise.core.errors import InputError
from equipoise.core.estimates import CONFIDENCE, Estimate
from equipoise.core.numbers import estimate, p_text, percent
from equipoise.core.records import write_record
from equipoise.core.versions import versions
from equipoise.runs.record import model_used
from equipoise.stats.group_gaps import ratio_interval
from equipoise.stats.rank_agreement import rank_agreement
from equipoise.stats.shares import Share

ALL = "all pairs"
_DIGITS = 3
"""Of percentages: false matches are rare."""

_TWO_TABLES = (
    "Generated faces and photographs differ in more than their kind: in light, camera, framing, "
    "in how many people of a kind look alike, and in who gave the labels. A difference says that "
    "one table does not stand for the other, not why."
)
_THRESHOLD = (
    "Both tables are at the threshold of the generated faces, {threshold:.4g}. An operator sets "
    "one by photographs."
)


def audit_match_photographs(
    synthetic: VerificationAudit,
    descriptors: Descriptors,
    photographs: AuditImages,
    folder: Path,
    settings: MatchPhotographsSettings,
    *,
    seconds: float = 0.0,
) -> MatchPhotographsAudit:
    """Audit descriptors of photographs, and compare their false matches with a stored audit.

    Parameters
    ----------
    synthetic : VerificationAudit
        On generated images.
    descriptors : Descriptors
        Of the photographs, by the same model.
    photographs : AuditImages
        Of different people, as of `People.first`.
    folder : Path
        Of both records and reports.
    settings : MatchPhotographsSettings
        Groups and threshold as of the stored audit.
    seconds : float
        That the descriptors took.

    Raises
    ------
    InputError
        When the model is another, or a setting is wrong.
    StorageError
        When a file cannot be written.
    """
    if not settings.ratio >= 1:
        raise InputError("ratio", "must be at least 1", settings.ratio, "Pass 2.")
    if not synthetic.cosines:
        rule = "must be an audit of descriptors: a threshold of scores is none of cosines"
        remedy = "Audit the descriptors of generated faces first."
        raise InputError("stored audit", rule, "one of scores", remedy)
    if not descriptors.recorded:
        same_model(synthetic.models, model_used("model", descriptors))
    own = VerificationSettings(
        by=settings.by, fmr=float("nan"), ratio=settings.ratio, seed=settings.seed
    )
    real = audit_verification(
        descriptors,
        photographs,
        folder / "real",
        own,
        threshold=settings.threshold,
        seconds=seconds,
    )
    found = agreements_of_matches(synthetic, real, seed=settings.seed)
    checks = worst_first(ignoring(list(match_checks(found, settings.ratio)), settings.ignore))
    own_caveats = [_TWO_TABLES, _THRESHOLD.format(threshold=settings.threshold)]
    own_caveats += [BY_WORD] if descriptors.recorded else []
    audit = MatchPhotographsAudit(
        verdict=verdict(checks),
        settings=settings,
        synthetic_n=synthetic.n,
        real_n=real.n,
        models=real.models,
        checks=checks,
        agreements=found,
        caveats=compared_caveats(photographs, own_caveats, synthetic, real),
        versions=versions(),
    )
    write_record(folder / f"{MATCH_PAGE.name}.json", audit)
    MATCH_PAGE.write(folder)
    return audit


def agreements_of_matches(
    synthetic: VerificationAudit, real: VerificationAudit, *, seed: int = 0
) -> tuple[AgreementOfMatches, ...]:
    """Return false matches of the same groups side by side, with p-values by Holm over all.

    Parameters
    ----------
    synthetic, real : VerificationAudit
        By the same attributes, at the same threshold.
    seed : int
        Of the draws of the rank correlation's interval.
    """
    there = {
        table.where: {_unordered(rate.name): rate for rate in table.rates} for table in real.tables
    }
    found = [(ALL, [_pair(synthetic.overall, real.overall)])]
    for table in synthetic.tables:
        rates = there.get(table.where, {})
        pairs = [
            _pair(rate, rates.get(_unordered(rate.name), Share.of(rate.name, 0, 0)))
            for rate in table.rates
        ]
        found.append((table.where, pairs))
    adjusted = by_holm([pairs for _, pairs in found])
    return tuple(
        _agreement(where, pairs, seed) for (where, _), pairs in zip(found, adjusted, strict=True)
    )


def _unordered(name: str) -> frozenset[str]:
    """Return the name of a group, or the names of two, whichever comes first."""
    return frozenset(name.split(WITH))


def _pair(synthetic: Share, real: Share) -> PairOfMatches:
    return PairOfMatches(
        name=synthetic.name,
        synthetic=synthetic,
        real=real,
        ratio=_ratio(synthetic, real, CONFIDENCE),
        p_value=equal_rates(real, synthetic),
    )


def _ratio(synthetic: Share, real: Share, confidence: float) -> Estimate:
    """Return the rate on photographs over that on generated images."""
    if not (synthetic.n and real.n):
        return Estimate.missing("no pair of one kind")
    numbers = np.array([*effective_counts(real), *effective_counts(synthetic)])
    critical = float(norm.ppf((1 + confidence) / 2))
    events, trials, others, of_others = numbers[:, None]
    ends = ratio_interval(events, trials, others, of_others, critical)
    low, high = (float(end[0]) for end in ends)
    if not real.share and not synthetic.share:
        return Estimate(float("nan"), low, high, note="no match of either kind")
    value = real.share / synthetic.share if synthetic.share else float("inf")
    # The adjusted counts of the interval do not know a rate of 0.
    return Estimate(value, min(low, value), max(high, value))


def _size(ratio: Estimate) -> Estimate:
    """Return a ratio as that of the higher rate to the lower, at least 1."""
    value = 1.0 if np.isnan(ratio.value) else ratio.value
    with np.errstate(divide="ignore"):
        turned, low, high = (float(1 / np.float64(x)) for x in (value, ratio.high, ratio.low))
    return Estimate(max(value, turned), max(ratio.low, low, 1.0), max(ratio.high, high))


def _agreement(where: str, pairs: list[PairOfMatches], seed: int) -> AgreementOfMatches:
    known = [pair for pair in pairs if pair.synthetic.n and pair.real.n]
    largest = Estimate.missing("no group has pairs of both kinds")
    correlation = Estimate.missing("fewer than three groups")
    if known:
        # Sidak: at least so many intervals hold together, also where groups share faces.
        each = CONFIDENCE ** (1 / len(known))
        sizes = [_size(_ratio(pair.synthetic, pair.real, each)) for pair in known]
        largest = Estimate(
            max(one.value for one in sizes),
            max(one.low for one in sizes),
            max(one.high for one in sizes),
        )
        synthetic, real = (
            np.array([effective_counts(getattr(pair, kind)) for pair in known]).T
            for kind in ("synthetic", "real")
        )
        correlation = rank_agreement(*synthetic, *real, seed=seed)
    return AgreementOfMatches(
        where=where, pairs=tuple(pairs), largest=largest, correlation=correlation
    )


def match_checks(found: Sequence[AgreementOfMatches], ratio: float) -> Iterator[Check]:
    """Yield for each breakdown whether rates agree, and whether photographs rank groups alike."""
    for part in found:
        yield _rates_check(part, ratio)
        if part.where != ALL:
            yield ranks_check(part.where, part.correlation, "rates of false matches")


def _rates_check(part: AgreementOfMatches, ratio: float) -> Check:
    check_id = f"agreement:{part.where.replace(' ', '_')}"
    among = "" if part.where == ALL else f" by {part.where}"
    title = f"Are rates of false matches{among} those on photographs?"
    known = [pair for pair in part.pairs if not np.isnan(pair.p_value)]
    if not known:
        words = "No group has pairs of generated faces and of photographs."
        return Check(check_id=check_id, title=title, outcome="skipped", words=words)
    shown = [pair for pair in known if is_shown(_above_one(pair), pair.p_value)]
    worst = max(shown or known, key=_rank)
    p_value = worst.p_value if shown else min(pair.p_value for pair in known)
    size, kind = part.largest, "largest ratio of the higher to the lower"
    if size.high <= ratio:
        outcome, words = "passed", f"Yes, within a ratio of {ratio:g}"
    elif shown and _size(worst.ratio).value > ratio:
        outcome, size, kind = "issue", _size(worst.ratio), "ratio of the higher to the lower"
        words = (
            f"No: of {worst.name} {percent(worst.real.share, _DIGITS)} match on photographs and "
            f"{percent(worst.synthetic.share, _DIGITS)} among generated faces"
        )
    else:
        outcome = "tip"
        words = f"Ratios over {ratio:g} are not excluded; use more photographs"
    left = len(part.pairs) - len(known)
    more = f" {left} of {len(part.pairs)} groups have too few pairs." if left else ""
    return Check(
        check_id=check_id,
        title=title,
        outcome=outcome,  # type: ignore[arg-type]
        words=f"{words}. The {kind} is {estimate(size)}, p = {p_text(p_value)} corrected.{more}",
        evidence=Evidence(estimate=size, p_value=p_value),
    )


def _rank(pair: PairOfMatches) -> tuple[float, float]:
    """Return what orders pairs: the size of the ratio, and of infinite ones the surest."""
    size = _size(pair.ratio)
    return size.value, size.low


def _above_one(pair: PairOfMatches) -> Estimate:
    """Return the size of a ratio less 1, which is above 0 where rates differ."""
    size = _size(pair.ratio)
    return Estimate(size.value - 1, size.low - 1, size.high - 1)
