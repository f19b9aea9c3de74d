"""A super-resolution model behind an HTTP service."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from equipoise.classifiers.remote.toml_file import read_image_service
from equipoise.core.errors import RemoteError
from equipoise.runtimes import zoo
from equipoise.runtimes.http.answer_cache import AnswerCache
from equipoise.runtimes.http.limiter import Limiter, back_off
from equipoise.runtimes.http.transport import REPEATED, HttpTransport, TransportFailure

# Limits on an answer, chosen by hand: bytes of the file, and pixels of the longer side.
_LARGEST_PICTURE = 64 * 2**20
_LARGEST_SIDE = 4096


class HttpRestorer:
    """Restores images by requests to a service.

    Parameters
    ----------
    path : Path
        A .toml file as in docs/remote-classifiers.md, without attributes.
    factor : int
        Restored pixels per low-resolution pixel, in each direction.

    Raises
    ------
    InputError
        When the file or a key is wrong, or a library is missing.
    StorageError
        When the cache folder, which keeps when the service may be asked next, cannot be written.
    """

    deterministic = False
    pinned = ()

    def __init__(self, path: Path, factor: int) -> None:
        service = read_image_service(path)
        self.name, self.factor = service.name, factor
        self.digest = service.digest
        self.caveats = (
            *service.caveats,
            f"Images of {service.name} are those of the day of the request; a service may change "
            "its model.",
        )
        self._picture, self.limits = service.picture, service.limits
        self._limiter = Limiter(
            AnswerCache(zoo.cache_folder() / "remote"), service.request.service, self.limits
        )
        self._transport = HttpTransport(
            service.request,
            self._picture.media_type,
            self.limits.time_out,
            self.limits.concurrency,
            accept="image/*",
            largest=_LARGEST_PICTURE,
        )

    def restore(
        self, low: NDArray[np.uint8], seed: int, index: NDArray[np.int64]
    ) -> NDArray[np.uint8]:
        """Return the service's images; seed and index are not sent.

        Raises
        ------
        RemoteError
            When an image cannot be restored. Complete batches are stored by the audit.
        """
        stop = Event()
        with ThreadPoolExecutor(self.limits.concurrency) as pool:
            futures = [pool.submit(self._one, image, stop) for image in low]
            try:
                return np.stack([future.result() for future in futures])
            finally:
                stop.set()
                pool.shutdown(wait=True, cancel_futures=True)

    def _one(self, image: NDArray[np.uint8], stop: Event) -> NDArray[np.uint8]:
        """Send an image until an image of the right size returns, or no repeat is left."""
        sent, attempt = self._picture.encode(image), 0
        while isinstance(found := self._attempt(sent, image, stop), TransportFailure):
            wait = found.wait or 0.0
            repeated = found.kind in REPEATED and wait <= self.limits.longest_wait
            if not repeated or attempt == self.limits.retries or stop.is_set():
                raise RemoteError(
                    f"service {self.name!r}",
                    "must restore every image",
                    f"{found.kind}: {found.detail}",
                    f"{self._transport.keys} Run the same command again; restored images stay.",
                )
            if found.kind == "rate_limit" and found.wait is not None:
                self._limiter.pause(found.wait)
            stop.wait(max(back_off(self.limits.back_off, attempt), wait))
            attempt += 1
        return found

    def _attempt(
        self, sent: bytes, image: NDArray[np.uint8], stop: Event
    ) -> NDArray[np.uint8] | TransportFailure:
        with self._limiter.turn(stop) as granted:
            if not granted:
                return TransportFailure("refused", "another image of the batch failed")
            answer = self._transport.fetch(sent)
        return answer if isinstance(answer, TransportFailure) else self._decoded(answer, image)

    def _decoded(
        self, content: bytes, image: NDArray[np.uint8]
    ) -> NDArray[np.uint8] | TransportFailure:
        """Return the decoded image, shape (3, height, width), if it has the expected size."""
        height, width = (self.factor * side for side in image.shape[1:])
        try:
            with Image.open(io.BytesIO(content), formats=("PNG", "JPEG", "WEBP")) as picture:
                if max(picture.size) > _LARGEST_SIDE or picture.size != (width, height):
                    shown = f"an image of {picture.width}x{picture.height}, not {width}x{height}"
                    return TransportFailure("broken", shown)
                pixels = np.asarray(picture.convert("RGB"))
        # Decoders are not written for hostile bytes, and fail in any way.
        except Exception:
            return TransportFailure("broken", "not a PNG, JPEG or WebP image")
        return np.ascontiguousarray(pixels.transpose(2, 0, 1))
