"""What a run refuses to begin with: classifiers that people bring, and that fail plain checks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from equipoise.audit.preflight.checks import check_classifier
from equipoise.classifiers.models import Models
from equipoise.classifiers.panel import ClassifierPanel
from equipoise.classifiers.remote import RemoteClassifier
from equipoise.core.errors import ModelOutputError, shortened
from equipoise.generators.base import generate

IMAGES = 16
"""Images that a classifier is checked on, five times each; chosen by hand."""

_LEAST = 8
"""Fewer images decide nothing."""

_MAY_BE_RIGHT = "constant"
"""A check that the images may fail rather than the classifier: all of them may be of one level."""


def check_models(models: Models, seed: int) -> None:
    """Check the panel's classifiers on images of the generator; see `check_panel`.

    Raises
    ------
    ModelOutputError
        When a check finds an issue.
    """
    if any(_is_brought(classifier) for classifier in models.panel.classifiers):
        generator = models.generator
        check_panel(models.panel, generate(generator, generator.prior.codes(seed, 0, IMAGES)))


def check_panel(panel: ClassifierPanel, images: NDArray[np.uint8]) -> None:
    """Check the classifiers of a panel that are neither pinned nor services, on some images.

    Parameters
    ----------
    panel : ClassifierPanel
    images : numpy.ndarray, shape (n, 3, height, width), uint8
        Nothing is checked on fewer than 8.

    Raises
    ------
    ModelOutputError
        When a check of `equipoise.audit.preflight.checks` finds an issue.
    """
    for classifier in panel.classifiers:
        if len(images) < _LEAST or not _is_brought(classifier):
            continue
        issues = [
            f"{check.check_id}: {check.words}"
            for check in check_classifier(classifier, images)
            if check.outcome == "issue" and not check.check_id.startswith(_MAY_BE_RIGHT)
        ]
        if issues:
            raise ModelOutputError(
                f"classifier {classifier.name!r}",
                f"must pass its checks before a run ({shortened('; '.join(issues), 800)})",
                f"{len(issues)} issues" if len(issues) > 1 else "1 issue",
                "Correct the model or its description; `equipoise doctor` shows all checks.",
            )


def _is_brought(classifier: object) -> bool:
    """Return whether a classifier is of the user's own and costs nothing to ask."""
    pinned = getattr(classifier, "pinned", ())
    return not pinned and not isinstance(classifier, RemoteClassifier)
