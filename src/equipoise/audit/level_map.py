"""A model's words for the levels that are audited."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.core.attributes import UNKNOWN, UNKNOWN_NAME, Attribute
from equipoise.core.errors import InputError

_REST = "*"


@dataclass(frozen=True)
class LevelMap:
    """What a model's words mean.

    Attributes
    ----------
    pairs : tuple of (str, str)
        A model's level and the audited one, or "unknown", for an abstention. The word "*" stands
        for all that are not named, neither here nor among the audited levels.
    """

    pairs: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> LevelMap:
        """Read "happy=yes, *=no".

        Raises
        ------
        InputError
            When a part is no pair, or a word comes twice.

        Examples
        --------
        >>> LevelMap.parse("happy=yes, *=no").pairs
        (('happy', 'yes'), ('*', 'no'))
        """
        pairs = [tuple(part.strip() for part in item.split("=")) for item in text.split(",")]
        words = [pair[0] for pair in pairs]
        if any(len(pair) != 2 or not all(pair) for pair in pairs) or len(set(words)) < len(words):
            raise InputError(
                "map",
                "must be pairs MODEL'S=AUDITED between commas, each word once",
                text,
                "Write, for example, --map happy=yes,*=no.",
            )
        return cls(tuple((pair[0], pair[1]) for pair in pairs))

    def meant(self, model: Attribute) -> tuple[str, ...]:
        """Return what the model's levels mean by themselves, each word once, in their order.

        Examples
        --------
        >>> words = Attribute("expression", ("happy", "sad", "neutral"))
        >>> LevelMap.parse("happy=yes, *=no").meant(words), LevelMap().meant(words)
        (('yes', 'no'), ('happy', 'sad', 'neutral'))
        """
        words = dict(self.pairs)
        told = (words.get(word, words.get(_REST, word)) for word in model.levels)
        return tuple(dict.fromkeys(word for word in told if word != UNKNOWN_NAME))

    def numbers(self, model: Attribute, levels: tuple[str, ...]) -> NDArray[np.int8]:
        """Return the audited level of each of the model's, shape (L,); -1 for an abstention.

        Raises
        ------
        InputError
            When a word is none of the model's, or means no audited level.

        Examples
        --------
        >>> words = Attribute("expression", ("happy", "sad", "neutral"))
        >>> LevelMap.parse("happy=yes, *=no").numbers(words, ("no", "yes")).tolist()
        [1, 0, 0]
        """
        meant = dict(self.pairs)
        for word in meant:
            if word != _REST and word not in model.levels:
                raise InputError(
                    f"word to map of {model.name!r}",
                    f"must be one of {', '.join(model.levels)}, or *",
                    word,
                    "Correct --map.",
                )
        found = []
        for word in model.levels:
            told = meant.get(word, word if word in levels else meant.get(_REST, word))
            if told not in (*levels, UNKNOWN_NAME):
                raise InputError(
                    f"level of {model.name!r}",
                    f"must mean one of {', '.join(levels)}, or {UNKNOWN_NAME}",
                    told,
                    f"Map it, for example --map {word}={levels[0]}.",
                )
            found.append(levels.index(told) if told in levels else UNKNOWN)
        return np.array(found, np.int8)


def translate(levels: NDArray[np.int8], numbers: NDArray[np.int8]) -> NDArray[np.int8]:
    """Turn a model's levels, shape (n,), to audited ones; abstentions and failures stay.

    Examples
    --------
    >>> translate(np.array([0, 2, -1, -2], np.int8), np.array([1, 0, 0], np.int8)).tolist()
    [1, 0, -1, -2]
    """
    answered = levels >= 0
    return np.where(answered, numbers[np.where(answered, levels, 0)], levels).astype(np.int8)


def choose_attribute(attributes: tuple[Attribute, ...], name: str, model: str) -> int:
    """Return which of a model's attributes is audited: that of the name, or its only one.

    Raises
    ------
    InputError
        When it has several and none is called so.
    """
    names = [attribute.name for attribute in attributes]
    if name in names:
        return names.index(name)
    if len(names) == 1:
        return 0
    raise InputError(
        f"attribute of model {model!r}", f"must be one of {', '.join(names)}", name, "Correct it."
    )
