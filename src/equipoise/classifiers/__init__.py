"""Classifiers: images in, answers on attributes out. `open_panel` finds them by attribute."""

from __future__ import annotations

from collections.abc import Sequence

from equipoise.classifiers.base import Classifier, Reading, by_probability, by_threshold
from equipoise.classifiers.panel import Panel
from equipoise.errors import InputError
from equipoise.generators.base import Generator

__all__ = [
    "ATTRIBUTES",
    "Classifier",
    "Panel",
    "Reading",
    "by_probability",
    "by_threshold",
    "open_panel",
]

ATTRIBUTES = ("gender", "age", "smiling", "expression", "skin_tone", "skin_tone_six")
"""Attributes that the pinned classifiers answer on."""


def open_panel(
    attributes: Sequence[str],
    generator: Generator | None = None,
    *,
    abstain_below: float = 0.0,
    classifiers: Sequence[str] = (),
) -> Panel:
    """Return the classifiers that answer on `attributes`; attributes that share a model share it.

    Parameters
    ----------
    attributes : sequence of str
        Those of `classifiers`, and of `ATTRIBUTES` or, when `generator` is the toy, of the toy.
    generator : Generator, optional
        Whose images are read; the toy brings its own exact classifier.
    abstain_below : float
        An answer less sure than this counts as unknown.
    classifiers : sequence of str
        Your own, as `open_classifier` names them. An attribute is looked up in them first.

    Raises
    ------
    InputError
        When an attribute is unknown or none is named, or one of `classifiers` cannot be opened, or
        answers on none of the attributes.
    FileFormatError
        When a file of `classifiers` is damaged or holds something else.
    FetchError, StorageError
        When pinned weights cannot be fetched, or kept.
    """
    from equipoise.classifiers.open import open_classifier

    own = [open_classifier(uri) for uri in classifiers]
    answered = {attribute.name for classifier in own for attribute in classifier.attributes}
    for uri, classifier in zip(classifiers, own, strict=True):
        names = [attribute.name for attribute in classifier.attributes]
        if not set(names) & set(attributes):
            raise InputError(
                f"classifier {uri!r}",
                f"must answer on one of {', '.join(attributes)}",
                ", ".join(names),
                "Name its attribute in --attributes, or leave the classifier out.",
            )
    left = [name for name in attributes if name not in answered]
    if left or not own:
        own += _ready_made(left, generator, [*answered])
    return Panel(own, attributes, abstain_below=abstain_below)


def _ready_made(
    attributes: Sequence[str], generator: Generator | None, answered: Sequence[str]
) -> list[Classifier]:
    """Return the toy's classifier, or the pinned ones that answer on `attributes`."""
    from equipoise.classifiers.toy import ToyClassifier
    from equipoise.generators.toy import ToyGenerator

    if isinstance(generator, ToyGenerator):
        return [ToyClassifier(generator, attributes)]

    for name in attributes:
        if name not in ATTRIBUTES:
            known = ", ".join(dict.fromkeys((*answered, *ATTRIBUTES)))
            raise InputError("attribute", f"must be one of {known}", name, "Correct the name.")
    from equipoise.classifiers.age_gender import AgeGender
    from equipoise.classifiers.expression import Expression
    from equipoise.classifiers.skin_tone import SkinTone

    families = {
        AgeGender: ("gender", "age"),
        Expression: ("smiling", "expression"),
        SkinTone: ("skin_tone", "skin_tone_six"),
    }
    return [
        family([name for name in names if name in attributes])
        for family, names in families.items()
        if set(names) & set(attributes)
    ]
