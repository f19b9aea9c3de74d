"""Scales of skin tone with their colours, in a fixed order, for people who label by eye."""

from __future__ import annotations

from dataclasses import dataclass

from equipoise.core.attributes import Attribute


@dataclass(frozen=True)
class Scale:
    """A scale whose levels have colours.

    Attributes
    ----------
    words : str
        Its name and source.
    colours : dict of str to str
        Colour of each level as "#rrggbb", in the order of the levels.
    """

    words: str
    colours: dict[str, str]


_ANGLES = "Levels of the individual typology angle (Del Bino and Bernerd 2013)"

# Colours at a* = 12, b* = 16 and an angle in the middle of the level, in sRGB under D65.
SCALES = (
    Scale(f"{_ANGLES}, three", {"dark": "#805d4b", "medium": "#a98370", "light": "#cca490"}),
    Scale(
        f"{_ANGLES}, six",
        {
            "dark": "#6a4837",
            "brown": "#8c6856",
            "tan": "#a37d6a",
            "intermediate": "#b28b78",
            "light": "#c59d89",
            "very_light": "#e8bea9",
        },
    ),
    Scale(
        "Monk Skin Tone Scale (Monk 2019), 1 the lightest",
        dict(
            zip(
                map(str, range(1, 11)),
                (
                    *("#f6ede4", "#f3e7db", "#f7ead0", "#eadaba", "#d7bd96"),
                    *("#a07e56", "#825c43", "#604134", "#3a312a", "#292420"),
                ),
                strict=True,
            )
        ),
    ),
)


def is_tone(name: str) -> bool:
    """Return whether an attribute is one of skin tone, by its name."""
    return name.startswith(("skin_tone", "monk"))


def scale_of(attribute: Attribute) -> Scale | None:
    """Return the scale of an attribute of skin tone; None where its levels are of no known one.

    Examples
    --------
    >>> scale_of(Attribute("skin_tone", ("dark", "medium", "light"))).colours["dark"]
    '#805d4b'
    >>> scale_of(Attribute("smiling", ("no", "yes")))
    """
    if not is_tone(attribute.name):
        return None
    return next((s for s in SCALES if tuple(s.colours) == attribute.levels), None)
