"""An audit of age on photographs, beside a stored one on generated images.

OUT/real/                   the audit of the photographs, as of any images
OUT/photographs-age.json    the comparison; OUT/photographs-age.html the report
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from equipoise.audit.age.ages import Ages
from equipoise.audit.age.rates import BY_AGE
from equipoise.audit.age.record import AgeAudit, AgeBreakdown
from equipoise.audit.age.run import audit_age, in_years
from equipoise.audit.images import AuditImages
from equipoise.audit.photographs.age_record import (
    AgePhotographsAudit,
    AgePhotographsSettings,
    AgreementOfMeans,
    PairOfMeans,
)
from equipoise.audit.photographs.agreement import by_holm, compared_check
from equipoise.audit.photographs.page import AGE_PAGE
from equipoise.audit.photographs.run import BY_WORD, compared_caveats, same_model
from equipoise.core.checks import Check, ignoring, verdict, worst_first
from equipoise.core.estimates import CONFIDENCE, Estimate
from equipoise.core.records import write_record
from equipoise.core.versions import versions
from equipoise.runs.record import model_used
from equipoise.stats.means import mean_difference
from equipoise.stats.rank_agreement import rank_agreement_of_means

_MEANS = (("mean absolute error", "absolute"), ("mean error", "signed"))

_TWO_TABLES = (
    "Generated images and photographs differ in more than their kind: in light, camera, framing, "
    "in the ages of the people, and in what counts as the true age. A difference says that one "
    "table does not stand for the other, not why."
)
_AGES = (
    "An estimator that leans to the mean errs by age: compare the mean ages of the groups first, "
    "which stand in both reports."
)


def audit_age_photographs(
    synthetic: AgeAudit,
    estimates: Ages,
    truth: Ages,
    photographs: AuditImages,
    folder: Path,
    settings: AgePhotographsSettings,
) -> AgePhotographsAudit:
    """Audit estimates of age on photographs, and compare their errors with a stored audit.

    Parameters
    ----------
    synthetic : AgeAudit
        On generated images.
    estimates : Ages
        Of the photographs, by the same model.
    truth : Ages
        Of the photographs.
    photographs : AuditImages
        As of `read_aged`.
    folder : Path
        Of both records and reports.
    settings : AgePhotographsSettings
        Groups as of the stored audit.

    Raises
    ------
    InputError
        When the model is another, or a setting is wrong.
    FileFormatError, StorageError
        As `audit_age`.
    """
    if not estimates.recorded:
        same_model(synthetic.models, model_used("model", estimates))
    own = replace(
        synthetic.settings,
        reference=truth.name,
        years=settings.years,
        ignore=(),
        seed=settings.seed,
    )
    real = audit_age(estimates, truth, photographs, folder / "real", own)
    found = agreements_of_ages(synthetic.breakdowns, real.breakdowns, seed=settings.seed)
    checks = worst_first(
        ignoring([agreement_check(part, settings.years) for part in found], settings.ignore)
    )
    own_caveats = [_TWO_TABLES, *([BY_WORD] if estimates.recorded else []), _AGES]
    audit = AgePhotographsAudit(
        verdict=verdict(checks),
        settings=settings,
        synthetic_n=synthetic.compared,
        real_n=real.compared,
        models=tuple(model for model in real.models if model.role == "model"),
        checks=checks,
        agreements=found,
        caveats=compared_caveats(photographs, own_caveats, synthetic, real),
        versions=versions(),
    )
    write_record(folder / f"{AGE_PAGE.name}.json", audit)
    AGE_PAGE.write(folder)
    return audit


def agreements_of_ages(
    synthetic: Sequence[AgeBreakdown], real: Sequence[AgeBreakdown], *, seed: int = 0
) -> tuple[AgreementOfMeans, ...]:
    """Return mean errors of the same groups side by side, with p-values by Holm over all.

    Parameters
    ----------
    synthetic, real : sequence of AgeBreakdown
        Of the same model, by the same attributes; bands of reference age are left out.
    seed : int
        Of the draws of the rank correlation's interval.
    """
    found = []
    others = {part.where: {g.name: g for g in part.groups} for part in real}
    for part in synthetic:
        if part.where == BY_AGE:
            continue
        for what, field in _MEANS:
            pairs = []
            for group in part.groups:
                other = others[part.where].get(group.name)
                mean: Estimate = getattr(group, field)
                missing = Estimate.missing("no photograph")
                there: Estimate = missing if other is None else getattr(other, field)
                difference, p_value = mean_difference(there, mean)
                pairs.append(
                    PairOfMeans(
                        name=group.name,
                        synthetic=mean,
                        real=there,
                        difference=difference,
                        p_value=p_value,
                    )
                )
            found.append((what, part.where, pairs))
    adjusted = by_holm([pairs for *_, pairs in found])
    return tuple(
        _agreement(what, where, pairs, seed)
        for (what, where, _), pairs in zip(found, adjusted, strict=True)
    )


def _agreement(what: str, where: str, pairs: list[PairOfMeans], seed: int) -> AgreementOfMeans:
    known = [pair for pair in pairs if not np.isnan(pair.p_value)]
    largest = Estimate.missing("no group has two images of both kinds")
    correlation = Estimate.missing("fewer than three groups")
    if known:
        # Sidak: all intervals hold together, as groups of one breakdown are independent.
        error = -np.expm1(np.log(CONFIDENCE) / len(known))
        wide = [mean_difference(pair.real, pair.synthetic, error)[0] for pair in known]
        largest = Estimate(
            max(abs(one.value) for one in wide),
            max(max(one.low, -one.high, 0.0) for one in wide),
            max(max(one.high, -one.low) for one in wide),
        )
        correlation = rank_agreement_of_means(
            [pair.synthetic for pair in known], [pair.real for pair in known], seed=seed
        )
    return AgreementOfMeans(
        what=what, where=where, pairs=tuple(pairs), largest=largest, correlation=correlation
    )


def agreement_check(part: AgreementOfMeans, tolerance: float) -> Check:
    """Return whether a mean error is that on photographs, within a tolerance in years."""
    return compared_check(
        f"agreement:{part.what.replace(' ', '_')}:{part.where}",
        f"Is the {part.what} of age by {part.where} that on photographs?",
        part.pairs,
        part.largest,
        tolerance,
        write=in_years,
        value=lambda mean: mean.value,
        none="No group has two generated images and two photographs.",
        few="too few photographs",
    )
