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
    attributes: Sequence[str], generator: Generator | None = None, *, abstain_below: float = 0.0
) -> Panel:
    """Return the classifiers that answer on `attributes`; attributes that share a model share it.

    Parameters
    ----------
    attributes : sequence of str
        Names from `ATTRIBUTES`, or those of the toy when `generator` is the toy.
    generator : Generator, optional
        Whose images are read; the toy brings its own exact classifier.
    abstain_below : float
        An answer less sure than this counts as unknown.

    Raises
    ------
    InputError
        When an attribute is unknown or none is named.
    """
    from equipoise.classifiers.toy import ToyClassifier
    from equipoise.generators.toy import ToyGenerator

    if isinstance(generator, ToyGenerator):
        return Panel(
            [ToyClassifier(generator, attributes)], attributes, abstain_below=abstain_below
        )

    for name in attributes:
        if name not in ATTRIBUTES:
            raise InputError(
                "attribute", f"must be one of {', '.join(ATTRIBUTES)}", name, "Correct the name."
            )
    from equipoise.classifiers.age_gender import AgeGender
    from equipoise.classifiers.expression import Expression
    from equipoise.classifiers.skin_tone import SkinTone

    families = {
        AgeGender: ("gender", "age"),
        Expression: ("smiling", "expression"),
        SkinTone: ("skin_tone", "skin_tone_six"),
    }
    classifiers: list[Classifier] = [
        family([name for name in names if name in attributes])
        for family, names in families.items()
        if set(names) & set(attributes)
    ]
    return Panel(classifiers, attributes, abstain_below=abstain_below)
