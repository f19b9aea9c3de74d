"""Descriptions of HTTP services as frozen records: request, secrets, limits, and their digest.

They state where an image is sent and how. What an answer means is the concern of the classifier or
super-resolution model that uses the service. Secrets are named here, and never held.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from equipoise.runtimes.http.image_encoding import Picture

UPLOADS = ("multipart", "raw", "base64", "data_uri")
"""Ways to send an image: as a form's file, as the whole body, or as text in a JSON body, which is
base64 alone, or base64 behind "data:image/png;base64,"."""

JSON_UPLOADS = ("base64", "data_uri")
"""Uploads whose body is JSON, in which fields may lie at any depth."""


@dataclass(frozen=True)
class Secret:
    """A key that is read from an environment variable, with a text before it, such as "Bearer "."""

    env: str
    prefix: str = ""


@dataclass(frozen=True)
class HttpRequest:
    """A request to an HTTP service.

    Attributes
    ----------
    service : str
        Name of the service in the cache: its address without a query, unless the file names it.
    url, method : str
    headers, fields : tuple of (name, value)
        A value is a text or a `Secret`. Fields are those of a form or of a JSON body; in JSON their
        names are places, such as "requests[0].image.content", and values may be numbers as well.
    upload : str
        One of `UPLOADS`.
    field : str
        The image's field in a form, or its place in a JSON body.
    answers : tuple of int
        Status codes besides 2xx whose body is an answer, such as 422 for "no face".
    busy : tuple of str
        Texts in an answer that mean "too many requests", whatever the status code.
    """

    service: str
    url: str
    method: str = "POST"
    headers: tuple[tuple[str, str | Secret], ...] = ()
    upload: str = "multipart"
    field: str = "image"
    fields: tuple[tuple[str, str | float | Secret], ...] = ()
    answers: tuple[int, ...] = ()
    busy: tuple[str, ...] = ()


@dataclass(frozen=True)
class RekognitionRequest:
    """A request to Amazon Rekognition's DetectFaces; boto3 finds the keys, and an empty region."""

    region: str = ""

    @property
    def service(self) -> str:
        """Name of the service in the cache."""
        return f"rekognition {self.region}".rstrip()


@dataclass(frozen=True)
class RateLimits:
    """Limits on the requests to a service.

    The defaults are chosen by hand.

    Attributes
    ----------
    rate : float
        Requests per second of all processes of this machine, and of all workers of an engine
        that shares turns; 0 for no limit.
    concurrency : int
        Largest number of requests in progress, in one process.
    time_out : float
        Seconds for a whole answer.
    retries : int
        Largest number of repeats of one image's request.
    back_off : float
        Mean seconds before the first repeat; each further wait is twice as long.
    longest_wait : float
        Longest wait, in seconds, that a service may ask for (Retry-After); a longer one ends the
        run.
    stop_after : int
        Images in succession without an answer after which the run ends.
    """

    rate: float = 0.0
    concurrency: int = 4
    time_out: float = 30.0
    retries: int = 5
    back_off: float = 0.5
    longest_wait: float = 120.0
    stop_after: int = 20


@dataclass(frozen=True)
class ImageService:
    """A service that answers an image with an image."""

    name: str
    caveats: tuple[str, ...]
    request: HttpRequest
    picture: Picture
    limits: RateLimits

    @property
    def digest(self) -> str:
        """SHA-256 of all that determines the service's answer, without secrets and their names."""
        return request_digest(self.request, self.picture)


def request_digest(request: HttpRequest | RekognitionRequest, picture: Picture) -> str:
    """Return the SHA-256 of all that determines a service's answer, secrets left out."""
    sent: list[Any] = [type(request).__name__, dataclasses.asdict(picture)]
    if isinstance(request, HttpRequest):
        sent += [request.service, urlsplit(request.url).query, request.method]
        sent += [request.upload, request.field]
        sent += [_without_secrets(request.headers), _without_secrets(request.fields)]
    return hashlib.sha256(json.dumps(sent).encode()).hexdigest()


def _without_secrets(
    values: Iterable[tuple[str, str | float | Secret]],
) -> list[tuple[str, str | float | None]]:
    return [(name, None if isinstance(value, Secret) else value) for name, value in values]
