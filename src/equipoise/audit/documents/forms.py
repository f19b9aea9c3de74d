"""Documents that others ask for, as lists of fields. Words are our own; places name the source.

A field is filled from the record of an audit, or from what the user gives; else it stays open, and
the document lists it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from equipoise.audit.documents.facts import Facts, Table

_SHOWN = ("issue", "undecided", "tip")


@dataclass(frozen=True)
class Content:
    """What fills a field: sentences, and tables below them."""

    words: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True)
class Field:
    """One thing that a document asks.

    Attributes
    ----------
    key : str
        By which a user gives a text for it.
    place : str
        Where the source asks it; empty where the source has no numbers.
    asks : str
    fill : callable or None
        From the facts of an audit to content, or to None where this audit does not know; None where
        no audit does.
    """

    key: str
    place: str
    asks: str
    fill: Callable[[Facts], Content | None] | None = None


@dataclass(frozen=True)
class Form:
    """A document.

    Attributes
    ----------
    title : str
    source : str
        What asks for it, as a sentence.
    sections : tuple of (str, tuple of Field)
        Headings with their fields.
    """

    title: str
    source: str
    sections: tuple[tuple[str, tuple[Field, ...]], ...] = field(default=())

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of all fields."""
        return tuple(one.key for _, fields in self.sections for one in fields)


def _model(facts: Facts) -> Content:
    rows = [(m.role, m.name, m.licence or "not known", m.digest) for m in facts.models]
    return Content(tables=(Table("Models", ("role", "name", "licence", "SHA-256"), rows),))


def _software(facts: Facts) -> Content:
    found = ", ".join(f"{name} {version}" for name, version in facts.versions.items())
    return Content((f"Of the audit: {found}.",))


def _data(facts: Facts) -> Content:
    kind = [caveat for caveat in facts.caveats if caveat.startswith("The images are")]
    first = f"{facts.n:,} images in the cells of {' x '.join(facts.by)}."
    which = facts.images.words if facts.images is not None else ()
    return Content((first, *kind, facts.truth, *which))


def _groups(facts: Facts) -> Content:
    return Content((f"Groups: the cells of {' x '.join(facts.by)}, and each attribute alone.",))


def _metrics(facts: Facts) -> Content:
    return Content((*facts.metrics, facts.rules))


def _cells(facts: Facts) -> Content:
    return Content((facts.verdict,), facts.tables[:1])


def _attributes(facts: Facts) -> Content:
    return Content(tables=facts.tables[1:])


def _every_table(facts: Facts) -> Content:
    return Content((facts.verdict,), facts.tables)


def _checks(facts: Facts) -> Content:
    rows = [(one.outcome, one.check_id, one.words) for one in facts.checks]
    return Content(tables=(Table("Checks", ("outcome", "check", "answer"), rows),))


def _risks(facts: Facts) -> Content:
    found = [f"{one.title} {one.words}" for one in facts.checks if one.outcome in _SHOWN]
    return Content(tuple(found) or ("No check of this audit is an issue, undecided or a tip.",))


def _limits(facts: Facts) -> Content:
    return Content(facts.caveats)


def _bias(facts: Facts) -> Content:
    return Content(
        (
            "The system's answers were compared between groups; the data that it was trained with "
            "were not examined.",
            facts.verdict,
        )
    )


def _selection(facts: Facts) -> Content | None:
    return Content(tables=facts.selection) if facts.selection else None


def _mated(facts: Facts) -> Content | None:
    return Content(tables=facts.mated) if facts.mated else None


def _unassigned(facts: Facts) -> Content:
    return Content((f"0 of {facts.n:,}: the category of every image was verified.",))


def _test_data(facts: Facts) -> Content:
    first = "Generated images take the place of historical data: their categories are balanced."
    return Content((first, *(_data(facts).words)))


ANNEX_IV = Form(
    "Technical documentation, the parts that an audit can fill",
    "Regulation (EU) 2024/1689, Article 11 and Annex IV, with Article 10 on the examination for "
    "biases.",
    (
        (
            "General description of the system",
            (
                Field("purpose", "Annex IV 1 (a)", "intended purpose, provider, version"),
                Field("model", "Annex IV 1 (a)", "the model that was audited", _model),
                Field("interaction", "Annex IV 1 (b)", "interaction with hardware and software"),
                Field("software", "Annex IV 1 (c)", "versions of software", _software),
                Field("deployment", "Annex IV 1 (d) to (h)", "forms, hardware, interface, use"),
            ),
        ),
        (
            "Elements and development",
            (
                Field("development", "Annex IV 2 (a) to (c)", "methods, design, architecture"),
                Field("training_data", "Annex IV 2 (d)", "training data: origin, labels, cleaning"),
                Field("oversight", "Annex IV 2 (e)", "human oversight"),
                Field("test_data", "Annex IV 2 (g)", "data of validation and testing", _data),
                Field(
                    "test_metrics", "Annex IV 2 (g)", "metrics, discriminatory impacts", _metrics
                ),
                Field("test_report", "Annex IV 2 (g)", "test report", _checks),
                Field("signature", "Annex IV 2 (g)", "date and signature of who is responsible"),
                Field("security", "Annex IV 2 (h)", "cybersecurity"),
            ),
        ),
        (
            "Capabilities and limitations",
            (
                Field("groups", "Annex IV 3", "accuracy for groups of persons", _every_table),
                Field("limits", "Annex IV 3", "limitations", _limits),
                Field("risks", "Annex IV 3", "foreseeable unintended outcomes", _risks),
                Field("fit", "Annex IV 4", "why the metrics fit the system"),
            ),
        ),
        (
            "Examination for biases",
            (
                Field("bias", "Article 10 (2) (f)", "examination for possible biases", _bias),
                Field("measures", "Article 10 (2) (g)", "measures against biases found"),
                Field("data_gaps", "Article 10 (2) (h)", "gaps in the data"),
                Field("representative", "Article 10 (3)", "representativeness of training data"),
                Field("setting", "Article 10 (4)", "the setting in which the system is used"),
                Field("special", "Article 10 (5)", "special categories of personal data"),
            ),
        ),
        (
            "Everything else",
            (
                Field("risk_management", "Annex IV 5", "risk management system"),
                Field("changes", "Annex IV 6", "changes over the lifecycle"),
                Field("standards", "Annex IV 7", "harmonised standards applied"),
                Field("declaration", "Annex IV 8", "declaration of conformity"),
                Field("monitoring", "Annex IV 9", "monitoring after placing on the market"),
            ),
        ),
    ),
)

ISO_19795_10 = Form(
    "Performance across demographic groups",
    "ISO/IEC 19795-10:2024, reporting of differences between demographic groups; headings in our "
    "words, without its clauses.",
    (
        (
            "System and evaluation",
            (
                Field("system", "", "system under test and its version", _model),
                Field("kind", "", "kind of evaluation (technology, scenario, operational)"),
                Field("purpose", "", "use that the evaluation is for"),
                Field("laboratory", "", "who tested, and when"),
            ),
        ),
        (
            "Groups and samples",
            (
                Field("groups", "", "demographic groups", _groups),
                Field("labels", "", "how labels of groups were obtained", _data),
                Field("consent", "", "subjects: recruitment and consent"),
                Field("capture", "", "capture device and environment"),
            ),
        ),
        (
            "Performance",
            (
                Field("metrics", "", "metrics, thresholds and uncertainty", _metrics),
                Field("single", "", "performance by one attribute", _attributes),
                Field("joint", "", "performance by combined groups", _cells),
                Field("differential", "", "differences between groups and their tests", _checks),
                Field("mated", "", "error of mated comparisons (false non-match) by group", _mated),
            ),
        ),
        ("Limitations", (Field("limits", "", "limitations", _limits),)),
    ),
)

MODEL_CARD = Form(
    "Model card",
    "Mitchell et al. 2019, Model Cards for Model Reporting.",
    (
        (
            "Model details",
            (
                Field("model", "", "model, version, licence", _model),
                Field("developer", "", "person or organisation, date, contact"),
            ),
        ),
        ("Intended use", (Field("purpose", "", "uses and users, uses out of scope"),)),
        ("Factors", (Field("groups", "", "groups that were compared", _groups),)),
        ("Metrics", (Field("metrics", "", "measures, thresholds, uncertainty", _metrics),)),
        ("Evaluation data", (Field("test_data", "", "data and why", _data),)),
        ("Training data", (Field("training_data", "", "data that the model was trained with"),)),
        (
            "Quantitative analyses",
            (
                Field("single", "", "unitary results", _attributes),
                Field("joint", "", "intersectional results", _cells),
            ),
        ),
        ("Ethical considerations", (Field("ethics", "", "considerations of the developers"),)),
        (
            "Caveats and recommendations",
            (
                Field("limits", "", "caveats", _limits),
                Field("risks", "", "what to look at", _risks),
            ),
        ),
    ),
)

LL144 = Form(
    "Summary of the results of a bias audit",
    "New York City, Local Law 144 of 2021, and the Rules of the City, title 6, sections 5-301 to "
    "5-303, on automated employment decision tools. The law asks for an independent auditor, and "
    "for categories of sex, race and ethnicity, which skin tone is not.",
    (
        (
            "The audit",
            (
                Field("date", "5-303 (a) (1)", "date of the most recent bias audit"),
                Field("auditor", "5-300", "independent auditor"),
                Field("distributed", "5-303 (a) (2)", "date from which the tool is distributed"),
                Field("model", "", "the tool that was audited", _model),
            ),
        ),
        (
            "The data",
            (
                Field("source", "5-303 (a) (1)", "source and explanation of the data", _data),
                Field("test_data", "5-302", "why test data, and how they were made", _test_data),
                Field("unassigned", "5-303 (a) (1)", "people of no known category", _unassigned),
            ),
        ),
        (
            "Results",
            (
                Field("selection", "5-301", "selection rates and impact ratios", _selection),
                Field("rates", "", "errors by group, which the law does not ask for", _cells),
            ),
        ),
        ("Limitations", (Field("limits", "", "limitations", _limits),)),
    ),
)

FORMS = {
    "annex-iv": ANNEX_IV,
    "iso-19795-10": ISO_19795_10,
    "ll144": LL144,
    "model-card": MODEL_CARD,
}
"""Documents by name."""
