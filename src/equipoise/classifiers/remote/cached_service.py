"""A remote service that is asked about images: concurrent requests, retries, a cache of answers.

No image is sent twice: answers are cached before they are read, and claims keep threads and
processes from sending the same image at the same time. `UsageStats` counts requests and failures.
"""

from __future__ import annotations

import dataclasses
import hashlib
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event, Lock
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers.base import FAILED, NO_FACE
from equipoise.classifiers.remote.answers import (
    NotWhole,
    Unmapped,
    WrongShape,
    parse_json,
)
from equipoise.classifiers.remote.description import Description
from equipoise.core.errors import RemoteError
from equipoise.runtimes.http.answer_cache import AnswerCache
from equipoise.runtimes.http.limiter import Limiter, back_off
from equipoise.runtimes.http.service import HttpRequest
from equipoise.runtimes.http.transport import REPEATED, Transport, TransportFailure

_POLL = 0.05
"""Seconds between two looks for an answer that another one has requested; chosen by hand."""

_ALIKE = 3
"""Whole answers that cannot be read after which a run ends if none could be: the description, not
the image, is wrong. Chosen by hand."""

_CLAIM_MARGIN = 30.0
"""Seconds that a claim lasts beyond the time-outs of a request; chosen by hand."""

Read = TypeVar("Read")


class CachedService(Generic[Read]):
    """A service whose answers are kept, and read as its description says.

    Parameters
    ----------
    description : Description
    read : callable
        Returns what the text of an answer says, or None where no face was found; raises
        `WrongShape` where it cannot be read.
    transport : Transport
        The connection to the service.
    cache : AnswerCache
        Each answer is stored here before it is read.

    Attributes
    ----------
    description : Description
        As given; it holds no key, only the names of their environment variables.
    limits : RateLimits
        On the requests.
    """

    pinned = ()

    def __init__(
        self,
        description: Description[Any],
        read: Callable[[str], Read | None],
        transport: Transport,
        cache: AnswerCache,
    ) -> None:
        self.name = description.name
        self.digest = description.digest
        self.caveats = (
            *description.caveats,
            f"Predictions of {description.name} are those of the day of the request; a service may "
            "change its model.",
        )
        self.description = description
        self._request_digest = description.request_digest
        self._meaning, self.limits = read, description.limits
        self._transport, self._cache = transport, cache
        self._limiter = Limiter(cache, description.request.service, description.limits)
        self._lock = Lock()
        self._tally = UsageStats()
        self._unanswered = 0
        self._under_way: set[Event] = set()
        self._given_up: RemoteError | None = None
        self._alike = min(_ALIKE, description.limits.stop_after)
        request = description.request
        self._busy = request.busy if isinstance(request, HttpRequest) else ()

    @property
    def tally(self) -> UsageStats:
        """Counts of requests and images so far."""
        with self._lock:
            return self._tally

    def rows(self, images: NDArray[np.uint8]) -> list[tuple[Read | int, float]]:
        """Return what each answer says, or `NO_FACE` or `FAILED`, and the seconds of its request.

        Seconds are NaN where no request was answered now.

        Raises
        ------
        RemoteError
            When the service denies access, asks for too long a wait, or has left many images in
            succession without an answer. Earlier answers stay in the cache.
        StorageError
            When the cache cannot be written.
        """
        started = time.monotonic()
        keys = [self._key(image) for image in images]
        first: dict[str, int] = {}
        for i, key in enumerate(keys):
            first.setdefault(key, i)
        stop = Event()
        with self._lock:
            self._under_way.add(stop)
        pool = ThreadPoolExecutor(self.limits.concurrency)
        try:
            futures = {
                key: pool.submit(self._row, key, images[i], stop) for key, i in first.items()
            }
            found = {key: future.result() for key, future in futures.items()}
            if stop.is_set() and self._given_up is not None:
                raise self._given_up
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            with self._lock:
                self._under_way.discard(stop)
            self._count(seconds=time.monotonic() - started)
        rows = [found[key] for key in keys]
        self._count(
            cached=len(keys) - len(first),
            no_face=sum(isinstance(row, int) and row == NO_FACE for row, _ in rows),
            failed=sum(isinstance(row, int) and row == FAILED for row, _ in rows),
        )
        return rows

    def kept_answer(self, image: NDArray[np.uint8]) -> Any:
        """Return the whole answer to an image, shape (3, height, width), as JSON values.

        None where it was not asked about, or not answered. An answer may say more than attributes.
        """
        text = self._cache.get(self._key(image))
        return None if text is None else parse_json(text)

    def _key(self, image: NDArray[np.uint8]) -> str:
        content = hashlib.sha256(f"{self._request_digest} {image.shape} ".encode())
        content.update(image.tobytes())
        return content.hexdigest()

    def _row(self, key: str, image: NDArray[np.uint8], stop: Event) -> tuple[Read | int, float]:
        """Return an image's row: from the cache, from another's request, or by a request.

        With the seconds of the request that was answered; NaN where there was none.
        """
        owner = uuid.uuid4().hex
        try:
            while not stop.is_set():
                if (row := self._cached(key)) is not None:
                    self._count(cached=1)
                    return row, np.nan
                if not self._claim(key, owner):
                    stop.wait(_POLL)
                # Another may have stored an answer since the cache was read.
                elif self._cached(key) is None:
                    answer = self._request(key, owner, image, stop)
                    if answer is not None:
                        self._count(asked=1)
                        return answer
            return FAILED, np.nan
        except BaseException:
            # Ends the requests that wait, because nobody will use their answers.
            stop.set()
            raise
        finally:
            self._cache.release(key, owner)

    def _claim(self, key: str, owner: str, wait: float = 0.0) -> bool:
        # Connecting, waiting for the pool, sending and reading may take one time-out each.
        seconds = wait + 4 * self.limits.time_out + _CLAIM_MARGIN
        return self._cache.claim(key, owner, seconds)

    def _cached(self, key: str) -> Read | int | None:
        """Return the cached row; an answer that is not whole, or says "busy", counts as missing."""
        text = self._cache.get(key)
        if text is not None and any(sign in text for sign in self._busy):
            text = None
        found = None if text is None else self._read(text)
        if not isinstance(found, TransportFailure):
            return found
        if found.kind in REPEATED:
            return None
        self._give_up(found)
        return FAILED

    def _read(self, text: str) -> Read | int | TransportFailure:
        try:
            found = self._meaning(text)
        except Unmapped as error:
            return TransportFailure("unmapped", str(error))
        except NotWhole as error:
            return TransportFailure("broken", str(error))
        except WrongShape as error:
            return TransportFailure("unread", str(error))
        self._unanswered, self._alike = 0, self.limits.stop_after
        return NO_FACE if found is None else found

    def _request(
        self, key: str, owner: str, image: NDArray[np.uint8], stop: Event
    ) -> tuple[Read | int, float] | None:
        """Send an image until there is an answer; None when another has claimed it meanwhile."""
        picture = self.description.picture.encode(image)
        attempt = 0
        while isinstance(outcome := self._attempt(key, owner, picture, stop), TransportFailure):
            if stop.is_set():
                return FAILED, np.nan
            if outcome.kind == "denied":
                raise self._error("must grant access", outcome.detail, self._transport.keys)
            if outcome.kind not in REPEATED or attempt == self.limits.retries:
                self._give_up(outcome)
                return FAILED, np.nan
            wait = self._back_off(attempt, outcome)
            attempt += 1
            self._claim(key, owner, wait)
            self._count(**{outcome.kind: 1})
            if stop.wait(wait):
                return FAILED, np.nan
        return outcome

    def _attempt(
        self, key: str, owner: str, picture: bytes, stop: Event
    ) -> tuple[Read | int, float] | TransportFailure | None:
        with self._limiter.turn(stop) as granted:
            if not granted:
                return TransportFailure("refused", "the run ended")
            # The claim may have expired while this thread waited for its turn.
            if not self._claim(key, owner):
                return None
            self._count(requests=1)
            began = time.monotonic()
            answer = self._transport.ask(picture)
            took = time.monotonic() - began
        stored = answer if isinstance(answer, TransportFailure) else self._store(key, answer)
        return stored if isinstance(stored, TransportFailure) else (stored, took)

    def _store(self, key: str, text: str) -> Read | int | TransportFailure:
        """Store an answer, then read it."""
        try:
            parse_json(text)
        except NotWhole as error:
            return TransportFailure("broken", str(error))
        except WrongShape:
            pass  # It is whole, so that another request would bring the same.
        self._cache.put(key, self.name, text)
        return self._read(text)

    def _back_off(self, attempt: int, failure: TransportFailure) -> float:
        """Return the seconds to wait: at least what the service asks for."""
        if failure.wait is not None:
            if failure.wait > self.limits.longest_wait:
                raise self._error(
                    f"must be ready within {self.limits.longest_wait:g} s",
                    f"a wait of {failure.wait:g} s",
                    "Run the same command later; answers so far are cached.",
                )
            if failure.kind == "rate_limit":
                self._limiter.pause(failure.wait)
        return max(back_off(self.limits.back_off, attempt), failure.wait or 0.0)

    def _give_up(self, failure: TransportFailure) -> None:
        """Count an image without an answer; too many in succession end the run."""
        most = self._alike if failure.kind == "unread" else self.limits.stop_after
        with self._lock:
            self._unanswered += 1
            if self._unanswered < most:
                return
            error = self._error(
                f"must answer on at least one of {self._unanswered} images in a row",
                f"{failure.kind}: {failure.detail}",
                "Check the service and the description, then run the same command again; answers "
                "so far are cached.",
            )
            self._unanswered, self._given_up = 0, error
            # Batches of other threads end too: a service that is down gets no more requests.
            for stop in self._under_way:
                stop.set()
        raise error

    def _error(self, rule: str, got: str, remedy: str) -> RemoteError:
        return RemoteError(f"service {self.name!r}", rule, got, remedy)

    def _count(self, **counts: float) -> None:
        with self._lock:
            sums = {name: getattr(self._tally, name) + n for name, n in counts.items()}
            self._tally = dataclasses.replace(self._tally, **sums)


@dataclass(frozen=True)
class UsageStats:
    """Counts since the classifier was opened; `asked` + `cached` is the number of images.

    Attributes
    ----------
    asked : int
        Images that were sent and answered.
    cached : int
        Images answered from the cache, or by the same image earlier in the batch.
    requests : int
        Requests sent, including repeats: an upper bound of what the service can charge for.
    rate_limit, server, time_out, connection, broken : int
        Repeats by reason: status 429, status 5xx, no answer in time, no connection, an answer that
        is not whole.
    no_face : int
        Images without a face according to the service, including cached answers.
    failed : int
        Images without an answer.
    seconds : float
        Time spent asking, summed over calls.
    """

    asked: int = 0
    cached: int = 0
    requests: int = 0
    rate_limit: int = 0
    server: int = 0
    time_out: int = 0
    connection: int = 0
    broken: int = 0
    no_face: int = 0
    failed: int = 0
    seconds: float = 0.0
