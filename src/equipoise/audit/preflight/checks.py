"""What can be wrong with a generator before anything is asked of it: a few checks.

What can be wrong with a classifier before anything is asked of it: a few checks of two batches.

A check that needs no truth finds only plain faults. One that passes says nothing on accuracy.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr
from scipy.stats import wilcoxon

from equipoise.classifiers.base import Classifier, Prediction
from equipoise.classifiers.panel import check_reading
from equipoise.core.attributes import Attribute
from equipoise.core.checks import Check, Evidence, Outcome
from equipoise.core.errors import EquipoiseError, ModelOutputError
from equipoise.core.estimates import Estimate
from equipoise.generators.base import Generator, generate

_NEAR = 2
"""Grey levels that float rounding by batch may change a pixel by."""


def check_generator(generator: Generator, n: int = 32, seed: int = 0) -> tuple[Check, ...]:
    """Return the checks of a generator; it makes each of n images three times, a few once more.

    Parameters
    ----------
    generator : Generator
    n : int
        At least 8.
    seed : int

    Returns
    -------
    tuple of Check
        With the codes `images`, `range`, `constant`, `repeat`, `batch`; those after `images` are
        skipped where it is an issue.
    """
    title = "Are there RGB images of the told shape, in bytes?"
    try:
        codes = generator.prior.codes(seed, 0, n)
        images = generate(generator, codes)
        again = generate(generator, generator.prior.codes(seed, 0, n))
        single = np.concatenate([generate(generator, codes[i : i + 1]) for i in range(4)])
        turned = generate(generator, np.ascontiguousarray(codes[::-1]))[::-1]
    except EquipoiseError as error:
        skipped = [
            Check(check_id=check_id, title=title, outcome="skipped", words="There are no images.")
            for check_id, title in _GENERATOR_TITLES.items()
        ]
        return (
            Check(check_id="images", title=title, outcome="issue", words=f"No: {error}"),
            *skipped,
        )
    if images.shape[1] != 3:
        words = f"No: they have {images.shape[1]} channels. Repeat a grey one three times."
        shape = Check(check_id="images", title=title, outcome="issue", words=words)
    else:
        words = f"Yes: {images.shape[2]}x{images.shape[3]} pixels."
        shape = Check(check_id="images", title=title, outcome="passed", words=words)
    low, high = int(images.min()), int(images.max())
    wide = high - low >= 64
    words = f"Pixels are from {low} to {high}."
    if not wide:
        words = f"No: pixels are from {low} to {high} only. Scale [-1, 1] or [0, 1] to [0, 255]."
    spread = float(images.astype(np.float64).std(axis=0).mean())
    different = len({image.tobytes() for image in images})
    constant = different < n
    told = f"{different} of {n} images are different; a pixel deviates by {spread:.1f} on average."
    off = _most(images, again)
    moved = max(_most(images[:4], single), _most(images, turned))
    changes = "Noise inside is drawn anew: fix it, or take it from the code."
    neighbours = "They depend on their neighbours: leave training mode (batch normalisation)."
    return (
        shape,
        _check("range", wide, words, high - low),
        _check("constant", not constant, told, spread),
        _check("repeat", off == 0, f"Pixels change by up to {off}. {changes}", off),
        _check("batch", moved <= _NEAR, f"Pixels change by up to {moved}. {neighbours}", moved),
    )


_GENERATOR_TITLES = {
    "range": "Do the pixels use the range of a byte?",
    "constant": "Do the images differ from code to code?",
    "repeat": "Does the same seed give the same images again?",
    "batch": "Is a code's image the same in another batch, at another place, and alone?",
}


def _most(one: np.ndarray, other: np.ndarray) -> int:
    return int(np.abs(one.astype(np.int16) - other).max())


def _check(check_id: str, passed: bool, words: str, value: float) -> Check:
    """Make a check; of what passed, only numbers are told, without the remedy."""
    if passed and check_id in ("repeat", "batch"):
        words = f"Yes: pixels change by at most {value:g}."
    outcome: Outcome = "passed" if passed else "issue"
    return Check(
        check_id=check_id,
        title=_GENERATOR_TITLES[check_id],
        outcome=outcome,
        words=words,
        evidence=Evidence(estimate=Estimate(value)),
    )


SAME = 1e-3
"""Probabilities nearer than this are the same; float rounding by batch stays well under it."""

_SURE = 0.001


def check_classifier(classifier: Classifier, images: NDArray[np.uint8]) -> tuple[Check, ...]:
    """Return the checks of a classifier; it reads each image about four times.

    Parameters
    ----------
    classifier : Classifier
    images : numpy.ndarray, shape (n, 3, height, width), uint8
        At least 16 different ones, as those that it is meant for; 64 find swapped channels better.

    Returns
    -------
    tuple of Check
        Per attribute, with codes `answers:NAME`, `constant:NAME`, `repeat:NAME`, `batch:NAME`,
        `channels:NAME`. Those after `answers` are skipped where it is an issue.

    Raises
    ------
    ModelOutputError
        When the classifier cannot read the images at all.
    """
    half = len(images) // 2
    whole = classifier.predict(images)
    again = classifier.predict(images)
    parts = [classifier.predict(batch) for batch in (images[half:][::-1], images[:half])]
    alone = [classifier.predict(images[i : i + 1]) for i in range(min(4, len(images)))]
    swapped = classifier.predict(np.ascontiguousarray(images[:, ::-1]))
    checks: list[Check] = []
    for a, attribute in enumerate(classifier.attributes):
        answers = _answers(classifier.name, attribute, whole[a], len(images))
        checks.append(answers)
        if answers.outcome == "issue":
            codes = ("constant", "repeat", "batch", "channels")
            words = "The answers themselves are wrong."
            checks += [
                Check(
                    check_id=f"{c}:{attribute.name}",
                    title=_CLASSIFIER_TITLES[c],
                    outcome="skipped",
                    words=words,
                )
                for c in codes
            ]
            continue
        later, first = (part[a].probabilities for part in parts)
        joined = np.concatenate([first, later[::-1]])
        single = np.concatenate([one[a].probabilities for one in alone])
        checks += [
            _constant(attribute, whole[a]),
            _repeat(attribute.name, whole[a].probabilities, again[a].probabilities),
            _batch(attribute.name, whole[a].probabilities, joined, single),
            _channels(attribute.name, whole[a].probabilities, swapped[a].probabilities),
        ]
    return tuple(checks)


_CLASSIFIER_TITLES = {
    "answers": "Are the answers finite, in range and probabilities?",
    "constant": "Do the answers differ from image to image?",
    "repeat": "Is the same image answered alike when it is asked again?",
    "batch": "Is an image answered alike in another batch, at another place, and alone?",
    "channels": "Does it see red as red?",
}


def _answers(name: str, attribute: Attribute, reading: Prediction, count: int) -> Check:
    check_id, title = f"answers:{attribute.name}", _CLASSIFIER_TITLES["answers"]
    try:
        check_reading(name, attribute, reading, count)
    except ModelOutputError as error:
        return Check(
            check_id=check_id,
            title=title,
            outcome="issue",
            words=f"No: {error.rule} - got {error.got}. {error.remedy}",
        )
    off = float(np.abs(reading.probabilities.sum(axis=1) - 1).max(initial=0))
    if off > SAME:
        words = f"No: the probabilities of an image miss the sum 1 by up to {off:.3g}."
        words += " Check the activation: softmax for levels that exclude each other."
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


def _constant(attribute: Attribute, reading: Prediction) -> Check:
    check_id, title = f"constant:{attribute.name}", _CLASSIFIER_TITLES["constant"]
    scores = reading.scores[np.isfinite(reading.scores)]
    spread = float(np.ptp(reading.probabilities, axis=0).max())
    if scores.size:
        spread = max(spread, float(np.ptp(scores)))
    seen = [f"{name} {int((reading.levels == k).sum())}" for k, name in enumerate(attribute.levels)]
    told = f"{', '.join(seen)} of {len(reading.levels)} images"
    evidence = Evidence(estimate=Estimate(spread))
    if spread <= SAME:
        words = f"No: every image gets the same answer ({told}). It does not look at the image, or "
        words += "gets an empty one: check size, scale, mean and std."
        return Check(
            check_id=check_id, title=title, outcome="issue", words=words, evidence=evidence
        )
    if len(set(reading.levels.tolist())) == 1:
        words = f"The level is always the same ({told}), though not the probabilities. Check "
        words += "scale, mean and std, and whether the images hold other levels at all."
        return Check(check_id=check_id, title=title, outcome="tip", words=words, evidence=evidence)
    return Check(
        check_id=check_id, title=title, outcome="passed", words=f"Yes: {told}.", evidence=evidence
    )


def _repeat(name: str, one: NDArray[np.float32], other: NDArray[np.float32]) -> Check:
    off = float(np.abs(one - other).max(initial=0))
    words = "Yes."
    if off > SAME:
        words = f"No: the same batch, read twice, differs by up to {off:.3g}. Chance plays a part: "
        words += "leave training mode (dropout), or seed it by the image."
    outcome: Outcome = "issue" if off > SAME else "passed"
    return Check(
        check_id=f"repeat:{name}",
        title=_CLASSIFIER_TITLES["repeat"],
        outcome=outcome,
        words=words,
        evidence=Evidence(estimate=Estimate(off)),
    )


def _batch(
    name: str,
    whole: NDArray[np.float32],
    joined: NDArray[np.float32],
    single: NDArray[np.float32],
) -> Check:
    off = max(
        float(np.abs(whole - joined).max(initial=0)),
        float(np.abs(whole[: len(single)] - single).max(initial=0)),
    )
    words = "Yes."
    if off > SAME:
        words = f"No: answers differ by up to {off:.3g}. They depend on the image's place or "
        words += "its neighbours: leave training mode (batch normalisation), and scale each image "
        words += "by itself."
    outcome: Outcome = "issue" if off > SAME else "passed"
    return Check(
        check_id=f"batch:{name}",
        title=_CLASSIFIER_TITLES["batch"],
        outcome=outcome,
        words=words,
        evidence=Evidence(estimate=Estimate(off)),
    )


def _channels(name: str, given: NDArray[np.float32], swapped: NDArray[np.float32]) -> Check:
    """Compare sureness with red and blue as they are, and swapped, image by image.

    A network is surest of images like those of its training. One that is fed blue as red gets
    surer when they are swapped back: the entropy of its answers falls, by Wilcoxon's signed-rank
    test over the images. It is a hint and no proof, so it never is an issue; and many networks
    care so little for colour that nothing is told.
    """
    check_id, title = f"channels:{name}", _CLASSIFIER_TITLES["channels"]
    if np.abs(swapped - given).max(initial=0) <= SAME:
        words = "Answers stay when red and blue are swapped: it sees no colour, or is always sure."
        return Check(check_id=check_id, title=title, outcome="not applicable", words=words)
    rise = entr(swapped.astype(np.float64)).sum(axis=1) - entr(given.astype(np.float64)).sum(axis=1)
    p_value = float(wilcoxon(rise).pvalue) if rise.any() else 1.0
    mean = float(rise.mean())
    evidence = Evidence(estimate=Estimate(mean), p_value=p_value)
    told = f"with red and blue swapped, the entropy of its answers moves by {mean:+.3f} nats on "
    told += f"average (signed-rank test, p = {p_value:.2g})."
    if p_value < _SURE and mean < 0:
        words = f"Perhaps not, since it gets surer: {told} Try the other channel order."
        return Check(check_id=check_id, title=title, outcome="tip", words=words, evidence=evidence)
    if p_value < _SURE:
        return Check(
            check_id=check_id,
            title=title,
            outcome="passed",
            words=f"Yes, since it gets less sure: {told}",
            evidence=evidence,
        )
    words = f"It cannot be told from these images: {told}"
    return Check(
        check_id=check_id, title=title, outcome="not applicable", words=words, evidence=evidence
    )
