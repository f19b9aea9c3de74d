"""A remote service as a model of descriptors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers.remote.answers import DescriptorReading
from equipoise.classifiers.remote.cached_service import CachedService
from equipoise.classifiers.remote.description import Description
from equipoise.runtimes.http.answer_cache import AnswerCache
from equipoise.runtimes.http.transport import Transport


class RemoteDescriber(CachedService[NDArray[np.float32]]):
    """Describes faces by requests to a service, as its description says.

    Parameters
    ----------
    description : Description of DescriptorReading
    transport, cache
        As of `CachedService`.
    """

    def __init__(
        self,
        description: Description[DescriptorReading],
        transport: Transport,
        cache: AnswerCache,
    ) -> None:
        super().__init__(description, description.answer.read, transport, cache)
        self._length = description.answer.length

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return descriptors, shape (n, length); NaN where there was no face, or no answer.

        Raises
        ------
        RemoteError, StorageError
            As `rows`.
        """
        missing = np.full(self._length, np.nan, np.float32)
        found = [missing if isinstance(row, int) else row for row, _ in self.rows(images)]
        return np.array(found, np.float32).reshape(len(images), self._length)
