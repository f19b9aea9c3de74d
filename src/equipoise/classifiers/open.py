"""Any classifier by a name: a pinned one, or one's own."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from equipoise.classifiers.base import Classifier
from equipoise.classifiers.fields import read_toml
from equipoise.errors import InputError
from equipoise.imported import imported

PINNED, HUGGING_FACE, CLIP = "pinned:", "hf:", "clip:"


def open_classifier(uri: str) -> Classifier:
    """Return the classifier that a name tells.

    Parameters
    ----------
    uri : str
        "pinned:ATTRIBUTE" for one of `equipoise.classifiers.ATTRIBUTES`; a .toml file of a model
        file or a service, or the model file itself (.onnx, .pt, .tflite) with its .toml beside it;
        "hf:FOLDER"; "clip:ATTRIBUTE=PROMPT|PROMPT"; one of
        `equipoise.classifiers.remote.SERVICES`; or "module:object": an importable classifier, or a
        function (a class will do) without arguments that returns one.

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
    if uri.startswith(HUGGING_FACE):
        from equipoise.classifiers.hugging_face import open_hugging_face

        return open_hugging_face(uri.removeprefix(HUGGING_FACE))
    if uri.startswith(CLIP):
        from equipoise.classifiers.clip_prompts import open_clip_prompts

        return open_clip_prompts(uri.removeprefix(CLIP))
    from equipoise.classifiers.local import SUFFIXES, open_local
    from equipoise.classifiers.remote import SERVICES, open_remote

    path = Path(uri)
    if path.suffix in SUFFIXES:
        return open_local(path)
    if path.suffix == ".toml":
        described = read_toml(path, "docs/classifiers.md")
        return open_local(path) if "kind" in described else open_remote(path)
    if uri in SERVICES:
        return open_remote(uri)
    if ":" in uri:
        return imported(uri, "classifier", Classifier)  # type: ignore[type-abstract]
    raise InputError(
        "classifier",
        "must be pinned:ATTRIBUTE, module:object, a .toml file, a model file, hf:FOLDER, clip:..., "
        f"or one of {', '.join(SERVICES)}",
        uri,
        "Write, for example, pinned:gender.",
    )


def answering(uris: Sequence[str], attributes: Collection[str]) -> tuple[list[str], list[str]]:
    """Return the classifiers that answer on one of the attributes, and the others.

    Raises
    ------
    InputError, FetchError
        As `open_classifier`.
    """
    own: list[str] = []
    others: list[str] = []
    for uri in uris:
        answers = {attribute.name for attribute in open_classifier(uri).attributes}
        (own if answers & set(attributes) else others).append(uri)
    return own, others
