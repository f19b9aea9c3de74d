"""A remote service as a classifier."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers.base import Prediction
from equipoise.classifiers.remote.answers import AnswerReading, Verdict, predictions
from equipoise.classifiers.remote.cached_service import CachedService
from equipoise.classifiers.remote.description import Description
from equipoise.runtimes.http.answer_cache import AnswerCache
from equipoise.runtimes.http.transport import Transport


class RemoteClassifier(CachedService[tuple[Verdict, ...]]):
    """Predicts attributes by requests to a service, as its description says.

    Parameters
    ----------
    description : Description of AnswerReading
    transport, cache
        As of `CachedService`.
    """

    def __init__(
        self, description: Description[AnswerReading], transport: Transport, cache: AnswerCache
    ) -> None:
        super().__init__(description, description.answer.read, transport, cache)
        self.attributes = tuple(r.attribute for r in description.answer.attributes)

    def predict(self, images: NDArray[np.uint8]) -> tuple[Prediction, ...]:
        """Return the predictions; `NO_FACE` where no face was found, `FAILED` without an answer.

        Raises
        ------
        RemoteError, StorageError
            As `rows`.
        """
        found = self.rows(images)
        return predictions(self.attributes, [row for row, _ in found], [took for _, took in found])
