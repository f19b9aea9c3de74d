"""TODO."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from equipoise.runtimes.http.image_encoding import Picture

UPLOADS = ("multipart", "raw", "base64")


@dataclass(frozen=True)
class Secret:
    """The name of an environment variable that holds a key, and a text before it ("Bearer ")."""

    env: str
    prefix: str = ""


@dataclass(frozen=True)
class HttpRequest:
    """What is sent to an HTTP service.

    Attributes
    ----------
    service : str
        By what the cache knows the service: its address without a query, unless the file says
        otherwise.
    url, method : str
    headers, fields : tuple of (name, value)
        A value is a text or a `Secret`; fields are form fields, or those of the JSON body.
    upload : str
        One of `UPLOADS`.
    field : str
        Of the image, in a form or a JSON body.
    answers : tuple of int
        Statuses besides 2xx whose body is an answer, such as "no face" told by 422.
    busy : tuple of str
        Texts in an error that mean "too many requests", whatever its status.
    """

    service: str
    url: str
    method: str = "POST"
    headers: tuple[tuple[str, str | Secret], ...] = ()
    upload: str = "multipart"
    field: str = "image"
    fields: tuple[tuple[str, str | Secret], ...] = ()
    answers: tuple[int, ...] = ()
    busy: tuple[str, ...] = ()


@dataclass(frozen=True)
class RekognitionRequest:
    """Amazon Rekognition's DetectFaces; keys and, where empty, the region are those of boto3."""

    region: str = ""


@dataclass(frozen=True)
class RateLimits:
    """How hard the service is asked.

    Attributes
    ----------
    rate : float
        Requests a second; 0 for no limit.
    concurrency : int
        Requests under way at once.
    time_out : float
        Seconds for a whole answer.
    retries : int
        Repeats of one image's request.
    back_off : float
        Seconds before the first repeat, on average; each further wait is twice as long.
    longest_wait : float
        Seconds that a service may ask for (Retry-After); more ends the run.
    stop_after : int
        Images in a row without an answer that end the run.
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
    """A service that answers a picture with a picture."""

    name: str
    caveats: tuple[str, ...]
    request: HttpRequest
    picture: Picture
    limits: RateLimits

    @property
    def digest(self) -> str:
        """SHA-256 of all that decides the service's answer, without secrets and their names."""
        return request_digest(self.request, self.picture)


def request_digest(request: HttpRequest | RekognitionRequest, picture: Picture) -> str:
    """SHA-256 of all that decides a service's answer, without secrets and their names."""
    sent: list[Any] = [type(request).__name__, dataclasses.asdict(picture)]
    if isinstance(request, HttpRequest):
        sent += [request.service, urlsplit(request.url).query, request.method]
        sent += [request.upload, request.field]
        sent += [_without_secrets(request.headers), _without_secrets(request.fields)]
    return hashlib.sha256(json.dumps(sent).encode()).hexdigest()


def _without_secrets(values: Iterable[tuple[str, str | Secret]]) -> list[tuple[str, str | None]]:
    return [(name, None if isinstance(value, Secret) else value) for name, value in values]
