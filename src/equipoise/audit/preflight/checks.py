"""Checks of a generator and of a classifier on a few batches, before a run.

They need no ground truth, so they find gross errors only: NaN, constant output, a wrong channel
order. Passing them says nothing about accuracy.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr
from scipy.stats import wilcoxon

from equipoise.classifiers.base import Classifier, KeepsAnswers, KnowsActivation, Prediction
from equipoise.classifiers.panel import check_prediction
from equipoise.core.attributes import Attribute
from equipoise.core.checks import Check, Evidence, Outcome
from equipoise.core.errors import EquipoiseError, ModelOutputError
from equipoise.core.estimates import Estimate
from equipoise.core.numbers import p_text
from equipoise.generators.base import Generator, generate
from equipoise.generators.neighbours import NEAR

_IMAGES = 32
"""Images that a generator is checked on; chosen by hand."""

_ALONE = 4
"""Images that are also processed alone: each costs a call of its own."""

_RANGE = 64
"""Least range of pixel values, a quarter of a byte's: outputs that were not scaled have 1 or 2."""

SAME = 1e-3
"""Probabilities that differ by at most this are equal; float rounding stays well below it."""

_SIGNIFICANT = 0.001
"""p-value below which a change of entropy is reported: strict, since it is only a hint."""

_TITLES = {
    "images": "Does the generator return RGB images of the stated shape, in bytes?",
    "range": "Do the pixels use the range of a byte?",
    "constant": "Do the images differ from code to code?",
    "repeat": "Does the same seed give the same images again?",
    "batch": "Is a code's image the same in another batch, at another position, and alone?",
}
"""Checks of a generator, by `check_id`."""

_CLASSIFIER_TITLES = {
    "answers": "Are the predictions finite, in range, and probabilities?",
    "activation": "Does the activation go with the network's outputs?",
    "constant": "Do the predictions differ from image to image?",
    "repeat": "Is the prediction for the same image the same when it is repeated?",
    "batch": "Is an image's prediction the same in another batch, at another position, and alone?",
    "channels": "Is the order of the colour channels right?",
}
"""Checks of a classifier; a `check_id` is the key and the attribute."""


def check_generator(generator: Generator, seed: int = 0) -> tuple[Check, ...]:
    """Return the checks of a generator, which generates 32 images three times and 4 once more.

    Parameters
    ----------
    generator : Generator
    seed : int
        Of the codes, in [0, 2**63).

    Returns
    -------
    tuple of Check
        With `check_id`s `images`, `range`, `constant`, `repeat`, `batch`. Those after `images` are
        skipped where it is an issue.
    """
    try:
        codes = generator.prior.codes(seed, 0, _IMAGES)
        images = generate(generator, codes)
        again = generate(generator, generator.prior.codes(seed, 0, _IMAGES))
        single = np.concatenate([generate(generator, codes[i : i + 1]) for i in range(_ALONE)])
        reversed_images = generate(generator, np.ascontiguousarray(codes[::-1]))[::-1]
    except EquipoiseError as error:
        first, *rest = _TITLES
        skipped = [
            Check(check_id=k, title=_TITLES[k], outcome="skipped", words="There are no images.")
            for k in rest
        ]
        return (
            Check(check_id=first, title=_TITLES[first], outcome="issue", words=f"No: {error}"),
            *skipped,
        )
    channels, height, width = images.shape[1:]
    low, high = int(images.min()), int(images.max())
    spread = float(images.astype(np.float64).std(axis=0).mean())
    different = len({image.tobytes() for image in images})
    varied = f"{different} of {_IMAGES} images are different; the standard deviation of a pixel is "
    varied += f"{spread:.1f} on average."
    repeated = _largest_change(images, again)
    moved = max(_largest_change(images[:_ALONE], single), _largest_change(images, reversed_images))
    shape = f"Yes: {height}x{width} pixels."
    if channels != 3:
        shape = f"No: they have {channels} channels. Repeat a grey channel three times."
    scale = "Scale [-1, 1] or [0, 1] to [0, 255]."
    noise = "Noise in the generator changes: fix it, or derive it from the code."
    neighbours = "Images depend on their batch: use evaluation mode (batch normalisation)."
    return (
        _check("images", channels == 3, shape, shape),
        _check(
            "range",
            high - low >= _RANGE,
            f"Pixels are from {low} to {high}.",
            f"No: pixels are from {low} to {high} only. {scale}",
            high - low,
        ),
        _check("constant", different == _IMAGES, varied, varied, spread),
        _check("repeat", repeated == 0, *_pixel_words(repeated, noise), repeated),
        _check("batch", moved <= NEAR, *_pixel_words(moved, neighbours), moved),
    )


def _largest_change(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> int:
    return int(np.abs(one.astype(np.int16) - other).max())


def _pixel_words(change: int, remedy: str) -> tuple[str, str]:
    """Return the words of a check of changing pixels when it passes, and when it does not."""
    return f"Yes: pixels change by at most {change}.", f"Pixels change by up to {change}. {remedy}"


def _check(check_id: str, passed: bool, yes: str, no: str, value: float | None = None) -> Check:
    """Return a check of a generator."""
    evidence = None if value is None else Evidence(estimate=Estimate(value))
    outcome: Outcome = "passed" if passed else "issue"
    return Check(
        check_id=check_id,
        title=_TITLES[check_id],
        outcome=outcome,
        words=yes if passed else no,
        evidence=evidence,
    )


def check_classifier(classifier: Classifier, images: NDArray[np.uint8]) -> tuple[Check, ...]:
    """Return the checks of a classifier, which classifies each image about four times.

    Parameters
    ----------
    classifier : Classifier
    images : numpy.ndarray, shape (n, 3, height, width), uint8
        At least 16 different images of the kind that it is meant for. With 64, swapped channels are
        found more often.

    Returns
    -------
    tuple of Check
        For each attribute, with `check_id`s `answers:NAME`, `activation:NAME`, `constant:NAME`,
        `repeat:NAME`, `batch:NAME`, `channels:NAME`. Those after `answers` are skipped where it is
        an issue.

    Raises
    ------
    ModelOutputError
        When the classifier fails on the images.
    """
    half = len(images) // 2
    whole = classifier.predict(images)
    again = classifier.predict(images)
    parts = [classifier.predict(batch) for batch in (images[half:][::-1], images[:half])]
    alone = [classifier.predict(images[i : i + 1]) for i in range(min(_ALONE, len(images)))]
    swapped = classifier.predict(np.ascontiguousarray(images[:, ::-1]))
    faults = None
    if isinstance(classifier, KnowsActivation):
        faults = classifier.activation_faults(images)
    kept = isinstance(classifier, KeepsAnswers)
    checks: list[Check] = []
    for a, attribute in enumerate(classifier.attributes):
        valid = _validity(classifier.name, attribute, whole[a], len(images))
        checks.append(valid)
        if valid.outcome == "issue":
            others = [key for key in _CLASSIFIER_TITLES if key != "answers"]
            checks += _skipped(attribute.name, others, "The predictions themselves are invalid.")
            continue
        given = whole[a].probabilities
        later, first = (part[a].probabilities for part in parts)
        joined = np.concatenate([first, later[::-1]])
        single = np.concatenate([one[a].probabilities for one in alone])
        batch = max(_difference(given, joined), _difference(given[: len(single)], single))
        checks += [
            _activation(attribute, faults[a] if faults is not None else None),
            _constant(attribute, whole[a]),
            *_repeats(attribute.name, _difference(given, again[a].probabilities), batch, kept),
            _channels(attribute.name, given, swapped[a].probabilities),
        ]
    return tuple(checks)


def _difference(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(np.abs(one - other).max(initial=0))


def _stable(check_id: str, difference: float, remedy: str) -> Check:
    """Return the check that probabilities for the same images are the same."""
    title, evidence = (
        _CLASSIFIER_TITLES[check_id.partition(":")[0]],
        Evidence(estimate=Estimate(difference)),
    )
    if difference <= SAME:
        return Check(
            check_id=check_id, title=title, outcome="passed", words="Yes.", evidence=evidence
        )
    words = f"No: probabilities differ by up to {difference:.3g}. {remedy}"
    return Check(check_id=check_id, title=title, outcome="issue", words=words, evidence=evidence)


def _repeats(attribute: str, repeated: float, batch: float, kept: bool) -> list[Check]:
    """Return the checks of images that are classified again, which kept answers hide."""
    if kept:
        words = "Answers are kept, and no image is asked about twice: this cannot be seen."
        return _skipped(attribute, ("repeat", "batch"), words)
    return [
        _stable(
            f"repeat:{attribute}",
            repeated,
            "Predictions are random: use evaluation mode (dropout), or seed them by the image.",
        ),
        _stable(
            f"batch:{attribute}",
            batch,
            "They depend on the position or the other images: use evaluation mode (batch "
            "normalisation), and scale each image by itself.",
        ),
    ]


def _skipped(attribute: str, keys: Iterable[str], words: str) -> list[Check]:
    return [
        Check(
            check_id=f"{key}:{attribute}",
            title=_CLASSIFIER_TITLES[key],
            outcome="skipped",
            words=words,
        )
        for key in keys
    ]


def _validity(name: str, attribute: Attribute, prediction: Prediction, count: int) -> Check:
    check_id, title = f"answers:{attribute.name}", _CLASSIFIER_TITLES["answers"]
    try:
        check_prediction(name, attribute, prediction, count)
    except ModelOutputError as error:
        words = f"No: {error.rule} - got {error.got}. {error.remedy}"
        return Check(check_id=check_id, title=title, outcome="issue", words=words)
    off = float(np.abs(prediction.probabilities.sum(axis=1) - 1).max(initial=0))
    if off > SAME:
        words = f"No: the sum of an image's probabilities differs from 1 by up to {off:.3g}. Check "
        words += "the activation: use softmax for levels that exclude each other."
        return Check(
            check_id=check_id,
            title=title,
            outcome="issue",
            words=words,
            evidence=Evidence(estimate=Estimate(off)),
        )
    return Check(
        check_id=check_id,
        title=title,
        outcome="passed",
        words="Yes.",
        evidence=Evidence(estimate=Estimate(off)),
    )


def _activation(attribute: Attribute, fault: str | None) -> Check:
    """Return the check of the activation; the outputs before it are known of networks alone."""
    check_id, title = f"activation:{attribute.name}", _CLASSIFIER_TITLES["activation"]
    outcome: Outcome = "issue" if fault else "passed"
    words = f"No: {fault}" if fault else "Nothing speaks against it."
    if fault is None:
        outcome, words = "not applicable", "The outputs before an activation are not known."
    return Check(check_id=check_id, title=title, outcome=outcome, words=words)


def _constant(attribute: Attribute, prediction: Prediction) -> Check:
    check_id, title = f"constant:{attribute.name}", _CLASSIFIER_TITLES["constant"]
    scores = prediction.scores[np.isfinite(prediction.scores)]
    spread = float(np.ptp(prediction.probabilities, axis=0).max())
    if scores.size:
        spread = max(spread, float(np.ptp(scores)))
    levels = prediction.levels
    counts = [f"{name} {int((levels == k).sum())}" for k, name in enumerate(attribute.levels)]
    seen = f"{', '.join(counts)} of {len(levels)} images"
    evidence = Evidence(estimate=Estimate(spread))
    if spread <= SAME:
        words = (
            f"No: every image has the same prediction ({seen}). The model ignores the image, or "
        )
        words += "its input is constant: check size, scale, mean and std."
        return Check(
            check_id=check_id, title=title, outcome="issue", words=words, evidence=evidence
        )
    if len(set(levels.tolist())) == 1:
        words = f"The level is always the same ({seen}), but the probabilities differ. Check "
        words += "scale, mean and std, and whether the images include other levels."
        return Check(check_id=check_id, title=title, outcome="tip", words=words, evidence=evidence)
    return Check(
        check_id=check_id, title=title, outcome="passed", words=f"Yes: {seen}.", evidence=evidence
    )


def _channels(name: str, given: NDArray[np.float32], swapped: NDArray[np.float32]) -> Check:
    """Compare the entropy of predictions with the given channels and with red and blue swapped.

    A network is most certain on images like those of its training. If its input has red and blue
    swapped, swapping them back reduces the entropy of its predictions, by Wilcoxon's signed-rank
    test over the images. This is a hint and not a proof, so it is never an issue. Many networks
    depend so little on colour that the test decides nothing.
    """
    check_id, title = f"channels:{name}", _CLASSIFIER_TITLES["channels"]
    if _difference(swapped, given) <= SAME:
        words = (
            "Predictions do not change when red and blue are swapped: the model ignores colour, "
        )
        words += "or is always certain."
        return Check(check_id=check_id, title=title, outcome="not applicable", words=words)
    rise = entr(swapped.astype(np.float64)).sum(axis=1) - entr(given.astype(np.float64)).sum(axis=1)
    p_value = float(wilcoxon(rise).pvalue) if rise.any() else 1.0
    mean = float(rise.mean())
    evidence = Evidence(estimate=Estimate(mean), p_value=p_value)
    change = f"with red and blue swapped, the entropy of its predictions changes by {mean:+.3f} "
    change += f"nats on average (signed-rank test, p = {p_text(p_value)})."
    if p_value < _SIGNIFICANT and mean < 0:
        words = f"Perhaps not, because it becomes more certain: {change} Try the other order."
        return Check(check_id=check_id, title=title, outcome="tip", words=words, evidence=evidence)
    if p_value < _SIGNIFICANT:
        words = f"Yes, because it becomes less certain: {change}"
        return Check(
            check_id=check_id, title=title, outcome="passed", words=words, evidence=evidence
        )
    words = f"These images do not decide it: {change}"
    return Check(
        check_id=check_id, title=title, outcome="not applicable", words=words, evidence=evidence
    )
