"""Any classifier by a name: a pinned one, or one's own."""

from __future__ import annotations

from equipoise.classifiers.base import Classifier
from equipoise.errors import InputError
from equipoise.imported import imported

PINNED = "pinned:"


def open_classifier(uri: str) -> Classifier:
    """Return the classifier that a name tells.

    Parameters
    ----------
    uri : str
        "pinned:ATTRIBUTE" for one of `equipoise.classifiers.ATTRIBUTES`; "module:object": an
        importable classifier, or a function (a class will do) without arguments that returns one;
        a .toml file, or one of `equipoise.classifiers.remote.SERVICES`, for one behind HTTP.

    Raises
    ------
    InputError
        When the name is of no such kind, cannot be imported, or is no classifier, or the file
        breaks a rule.
    FetchError
        When a pinned model cannot be had.

    Examples
    --------
    >>> open_classifier("pinned:skin_tone").attributes[0].levels
    ('dark', 'medium', 'light')
    """
    if uri.startswith(PINNED):
        from equipoise.classifiers import open_panel

        return open_panel([uri.removeprefix(PINNED)]).classifiers[0]
    from equipoise.classifiers.remote import SERVICES, open_remote

    if uri.endswith(".toml") or uri in SERVICES:
        return open_remote(uri)
    if ":" in uri:
        return imported(uri, "classifier", Classifier)  # type: ignore[type-abstract]
    raise InputError(
        "classifier",
        f"must be pinned:ATTRIBUTE, module:object, a .toml file, or one of {', '.join(SERVICES)}",
        uri,
        "Write, for example, pinned:gender.",
    )
