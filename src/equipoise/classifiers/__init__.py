"""Classifiers predict attributes of images.

`open_panel` opens the classifiers of some attributes; `open_classifier` opens one by its name: a
pinned model, a model file, a service, or your own adapter.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path

from equipoise.classifiers.base import Classifier, Prediction, by_probability, by_threshold
from equipoise.classifiers.panel import ClassifierPanel
from equipoise.core.attributes import Attribute
from equipoise.core.errors import InputError
from equipoise.core.files import read_toml
from equipoise.core.plugins import imported
from equipoise.generators.base import Generator
from equipoise.runtimes.devices import check_device
from equipoise.runtimes.zoo import MODELS

__all__ = [
    "ATTRIBUTES",
    "Classifier",
    "ClassifierPanel",
    "Prediction",
    "by_probability",
    "by_threshold",
    "open_panel",
]

ATTRIBUTES = (
    *("gender", "age", "smiling", "expression"),
    *("skin_tone", "skin_tone_six", "skin_lightness", "skin_hue"),
)
"""Attributes that the pinned classifiers predict."""


def open_panel(
    attributes: Sequence[str],
    generator: Generator | None = None,
    *,
    abstain_below: float = 0.0,
    classifiers: Sequence[str] = (),
    device: str = "cpu",
) -> ClassifierPanel:
    """Open the classifiers of some attributes; attributes of one model share a classifier.

    Parameters
    ----------
    attributes : sequence of str
        Attributes of `classifiers`, and of `ATTRIBUTES` or, when `generator` is the toy, of the
        toy.
    generator : Generator, optional
        The generator whose images are classified; the toy has its own exact classifier.
    abstain_below : float
        In [0, 1]: a prediction whose highest probability is lower counts as unknown.
    classifiers : sequence of str
        Your own classifiers, by names as for `open_classifier`. They take precedence over the
        pinned ones.
    device : str
        As for `open_classifier`; where there is a generator, its device is taken.

    Raises
    ------
    InputError
        When an attribute is unknown or none is named, or one of `classifiers` cannot be opened or
        predicts none of the attributes.
    FileFormatError
        When a file of `classifiers` is damaged or holds something else.
    FetchError, StorageError
        When pinned weights cannot be downloaded or stored.
    """
    if generator is None:
        check_device(device)
    else:
        device = generator.device
    own = [open_classifier(uri, device=device) for uri in classifiers]
    predicted = {attribute.name for classifier in own for attribute in classifier.attributes}
    for uri, classifier in zip(classifiers, own, strict=True):
        names = [attribute.name for attribute in classifier.attributes]
        if not set(names) & set(attributes):
            raise InputError(
                f"classifier {uri!r}",
                f"must predict one of {', '.join(attributes)}",
                ", ".join(names),
                "Name its attribute in --attributes, or leave the classifier out.",
            )
    left = [name for name in attributes if name not in predicted]
    if left or not own:
        own += _ready_made(left, generator, [*predicted], device)
    return ClassifierPanel(own, attributes, abstain_below=abstain_below)


def _ready_made(
    attributes: Sequence[str], generator: Generator | None, predicted: Sequence[str], device: str
) -> list[Classifier]:
    """Return the toy's classifier, or the pinned classifiers of some attributes."""
    from equipoise.classifiers.toy import ToyClassifier
    from equipoise.generators.toy import ToyFaces

    if isinstance(generator, ToyFaces):
        return [ToyClassifier(generator, attributes)]

    for name in attributes:
        if name not in ATTRIBUTES:
            known = ", ".join(dict.fromkeys((*predicted, *ATTRIBUTES)))
            raise InputError("attribute", f"must be one of {known}", name, "Correct the name.")
    from equipoise.classifiers.age_gender import AgeGender
    from equipoise.classifiers.expression import Expression
    from equipoise.classifiers.skin_colour import SkinColour
    from equipoise.classifiers.skin_tone import SkinTone

    families: dict[Callable[[list[str]], Classifier], tuple[str, ...]] = {
        partial(AgeGender, device=device): ("gender", "age"),
        Expression: ("smiling", "expression"),
        SkinTone: ("skin_tone", "skin_tone_six"),
        SkinColour: ("skin_lightness", "skin_hue"),
    }
    return [
        family([name for name in names if name in attributes])
        for family, names in families.items()
        if set(names) & set(attributes)
    ]


def known_attributes(
    names: Sequence[str], generator: Generator | None, classifiers: Sequence[str]
) -> dict[str, Attribute]:
    """Return those of some attributes, by name, that `open_panel` finds a classifier for.

    Raises
    ------
    InputError, FileFormatError, FetchError, StorageError
        As `open_panel`, for the attributes that are left.
    """
    from equipoise.generators.toy import ToyFaces

    ready = generator.grid.names if isinstance(generator, ToyFaces) else ATTRIBUTES
    predicted = {a.name for uri in classifiers for a in open_classifier(uri).attributes}
    left = [name for name in names if name in predicted or name in ready]
    if not left and not classifiers:
        return {}
    grid = open_panel(left, generator, classifiers=classifiers).grid
    return dict(zip(grid.names, grid.attributes, strict=True))


PINNED, HUGGING_FACE, CLIP = "pinned:", "hf:", "clip:"
"""Prefixes of the names that `open_classifier` takes."""


def open_classifier(uri: str, *, device: str = "cpu") -> Classifier:
    """Open the classifier of a name.

    Parameters
    ----------
    uri : str
        "pinned:ATTRIBUTE" for one of `ATTRIBUTES`; a .toml file that describes a model file or a
        service; a model file (.onnx, .pt, .tflite) with its .toml file beside it; "hf:FOLDER";
        "clip:ATTRIBUTE=PROMPT|PROMPT"; one of `equipoise.classifiers.remote.SERVICES`; or
        "module:object": an importable classifier, or a class or function without arguments that
        returns one.
    device : str
        Where networks of torch and ONNX compute; those of LiteRT use the CPU, and an importable
        classifier decides for itself.

    Raises
    ------
    InputError
        When the name has none of these forms, cannot be imported or is not a classifier, or a file
        breaks a rule.
    FileFormatError
        When a model file is damaged or holds something else.
    FetchError
        When a pinned model cannot be downloaded.

    Examples
    --------
    >>> open_classifier("pinned:skin_tone").attributes[0].levels
    ('dark', 'medium', 'light')
    """
    if uri.startswith(PINNED):
        return _ready_made([uri.removeprefix(PINNED)], None, [], device)[0]
    if uri.startswith(HUGGING_FACE):
        from equipoise.classifiers.hugging_face import open_hugging_face

        return open_hugging_face(uri.removeprefix(HUGGING_FACE), device=device)
    if uri.startswith(CLIP):
        from equipoise.classifiers.clip import open_clip_prompts

        return open_clip_prompts(uri.removeprefix(CLIP), device=device)
    from equipoise.classifiers.local import SUFFIXES, open_local
    from equipoise.classifiers.remote import SERVICES, open_remote

    path = Path(uri)
    if path.suffix in SUFFIXES:
        return open_local(path, device=device)
    if path.suffix == ".toml":
        described = read_toml(path, "docs/classifiers.md shows one.")
        return open_local(path, device=device) if "kind" in described else open_remote(path)
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


def pinned_needed(
    attributes: Sequence[str], classifiers: Sequence[str] = (), own: Sequence[Classifier] = ()
) -> set[str]:
    """Return the pinned models that `open_panel` needs, as names of `equipoise.runtimes.zoo`.

    Parameters
    ----------
    attributes, classifiers : sequence of str
        As for `open_panel`, of images of any generator but the toy. None of the models is fetched.
    own : sequence of Classifier
        Those of `classifiers` that are not pinned.
    """
    pinned = {uri.removeprefix(PINNED) for uri in classifiers if uri.startswith(PINNED)}
    predicted = {attribute.name for classifier in own for attribute in classifier.attributes}
    names = pinned | (set(attributes) - predicted)
    return {"expression" if name == "smiling" else name for name in names} & MODELS.keys()


def answering(uris: Sequence[str], attributes: Collection[str]) -> tuple[list[str], list[str]]:
    """Divide classifiers, by name, into those that predict one of some attributes and the others.

    Raises
    ------
    InputError, FetchError
        As `open_classifier`.
    """
    own: list[str] = []
    others: list[str] = []
    for uri in uris:
        predicted = {attribute.name for attribute in open_classifier(uri).attributes}
        (own if predicted & set(attributes) else others).append(uri)
    return own, others
