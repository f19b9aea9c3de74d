"""The two-sample test by a classifier: whether drawn and own images can be distinguished."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from equipoise.core.estimates import Estimate
from equipoise.core.seeds import Stream, child_seed
from equipoise.stats.intervals import share_difference
from equipoise.stats.shares import Share

_LEAST = 50
"""Images that are needed on each side; chosen by hand."""

_C = 0.01
"""Inverse strength of the classifier's penalty; chosen by hand."""


def distinguished(
    drawn: ArrayLike, own: ArrayLike, weights: ArrayLike | None = None, *, seed: int = 0
) -> Estimate:
    """Return a lower bound of the total variation between two sets of images.

    For every set A of images, P_drawn(A) - P_own(A) is at most the total variation. A is what a
    logistic regression on features takes for drawn (Kim, Ramdas, Singh and Wasserman 2021,
    "Classification accuracy as a proxy for two-sample testing"). It is fitted to one half of the
    images and read on the other, so that the mean of the estimate is at most the total variation.

    Parameters
    ----------
    drawn, own : array_like, shape (n, F) and (m, F)
        Features.
    weights : array_like, shape (n,), optional
        Of the drawn images; equal by default.
    seed : int
        Of the halves.

    Returns
    -------
    Estimate
        In [-1, 1]; near 0 where they cannot be distinguished. With Newcombe's interval of the
        difference; images that carry weights count as their effective number. Missing for fewer
        than 50 images on a side.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> same, other = rng.normal(size=(2, 500, 3))
    >>> found = distinguished(same, other), distinguished(same, other + 1)
    >>> [round(one.value, 1) for one in found]
    [-0.0, 0.7]
    """
    x, y = np.asarray(drawn, np.float64), np.asarray(own, np.float64)
    own_weights = np.ones(len(x)) if weights is None else np.asarray(weights, np.float64)
    n = min(len(x), len(y))
    if n < _LEAST:
        return Estimate.missing(f"{n} images, at least {_LEAST} are needed")
    of_drawn = np.repeat([True, False], [len(x), len(y)])
    rows = np.concatenate([x, y])
    every = np.concatenate([own_weights / own_weights.mean(), np.ones(len(y))])
    train, test = train_test_split(
        np.arange(len(rows)),
        test_size=0.5,
        stratify=of_drawn,
        random_state=child_seed(seed, Stream.TWO_SAMPLE_SPLIT) % 2**32,
    )
    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=_C, max_iter=500, class_weight="balanced")
    )
    model.fit(rows[train], of_drawn[train], logisticregression__sample_weight=every[train])
    taken, ours = model.predict(rows[test]), of_drawn[test]
    found = Share.among("drawn", taken, ours, every[test])
    theirs = taken[~ours]
    return share_difference(
        found.share * found.effective, found.effective, int(theirs.sum()), len(theirs)
    )
