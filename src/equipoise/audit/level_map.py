"""The mapping from a model's levels to the audited levels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.core.attributes import UNKNOWN, UNKNOWN_NAME, Attribute
from equipoise.core.errors import InputError

_REST = "*"


@dataclass(frozen=True)
class LevelMap:
    """A mapping from a model's levels to audited levels.

    Attributes
    ----------
    pairs : tuple of (str, str)
        A model's level, and the audited level or "unknown" for an abstention. "*" stands for all
        levels that are neither in a pair nor among the audited levels.
    """

    pairs: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> LevelMap:
        """Parse a text such as "happy=yes, *=no".

        Raises
        ------
        InputError
            When a part is not a pair, or a level is repeated.

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
                "must be pairs MODEL=AUDITED separated by commas, each level once",
                text,
                "Write, for example, --map happy=yes,*=no.",
            )
        return cls(tuple((pair[0], pair[1]) for pair in pairs))

    @property
    def named(self) -> tuple[str, ...]:
        """The levels of the model that are named."""
        return tuple(level for level, _ in self.pairs if level != _REST)

    def meant(self, model: Attribute) -> tuple[str, ...]:
        """Return the levels that the model's levels are mapped to, each once, in their order.

        Examples
        --------
        >>> words = Attribute("expression", ("happy", "sad", "neutral"))
        >>> LevelMap.parse("happy=yes, *=no").meant(words), LevelMap().meant(words)
        (('yes', 'no'), ('happy', 'sad', 'neutral'))
        """
        meant = dict(self.pairs)
        levels = (meant.get(level, meant.get(_REST, level)) for level in model.levels)
        return tuple(dict.fromkeys(level for level in levels if level != UNKNOWN_NAME))

    def numbers(self, model: Attribute, levels: tuple[str, ...]) -> NDArray[np.int8]:
        """Return the audited level of each of the model's L levels.

        Parameters
        ----------
        model : Attribute
            The attribute that the model predicts.
        levels : tuple of str
            The audited levels.

        Returns
        -------
        numpy.ndarray, shape (L,), int8
            -1 for an abstention.

        Raises
        ------
        InputError
            When the mapping names a level that the model lacks, or maps one to no audited level.

        Examples
        --------
        >>> words = Attribute("expression", ("happy", "sad", "neutral"))
        >>> LevelMap.parse("happy=yes, *=no").numbers(words, ("no", "yes")).tolist()
        [1, 0, 0]
        """
        meant = dict(self.pairs)
        for level in meant:
            if level != _REST and level not in model.levels:
                raise InputError(
                    f"level to map of {model.name!r}",
                    f"must be one of {', '.join(model.levels)}, or *",
                    level,
                    "Correct --map.",
                )
        found = []
        for level in model.levels:
            audited = meant.get(level, level if level in levels else meant.get(_REST, level))
            if audited not in (*levels, UNKNOWN_NAME):
                raise InputError(
                    f"level of {model.name!r}",
                    f"must be mapped to one of {', '.join(levels)}, or {UNKNOWN_NAME}",
                    audited,
                    f"Map it, for example --map {level}={levels[0]}.",
                )
            found.append(levels.index(audited) if audited in levels else UNKNOWN)
        return np.array(found, np.int8)


def translate(levels: NDArray[np.int8], numbers: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return audited levels for a model's levels; abstentions and failures are unchanged.

    Parameters
    ----------
    levels : numpy.ndarray, shape (n,), int8
        The model's levels; -1 for an abstention, less for a failure.
    numbers : numpy.ndarray, shape (L,), int8
        As `LevelMap.numbers` returns them.

    Examples
    --------
    >>> translate(np.array([0, 2, -1, -2], np.int8), np.array([1, 0, 0], np.int8)).tolist()
    [1, 0, -1, -2]
    """
    predicted = levels >= 0
    return np.where(predicted, numbers[np.where(predicted, levels, 0)], levels).astype(np.int8)


def choose_attribute(attributes: tuple[Attribute, ...], name: str, model: str) -> int:
    """Return the index of a model's audited attribute: the one with the name, or the only one.

    Parameters
    ----------
    attributes : tuple of Attribute
        Those of the model.
    name : str
        The audited attribute.
    model : str
        Name of the model in errors.

    Raises
    ------
    InputError
        When it has several, and none of that name.
    """
    names = [attribute.name for attribute in attributes]
    if name in names:
        return names.index(name)
    if len(names) == 1:
        return 0
    raise InputError(
        f"attribute of model {model!r}", f"must be one of {', '.join(names)}", name, "Correct it."
    )
