"""Transport of images to HTTP services, by httpx2.

An encoded image goes out, and an answer or a `TransportFailure` comes back. Keys are read from the
environment here and nowhere else. They are sent in requests and appear in no error, log or answer.
Addresses must be https, except those of this machine.
"""

from __future__ import annotations

import base64
import email.utils
import ipaddress
import json
import logging
import os
import time
import weakref
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

from equipoise.core.errors import InputError
from equipoise.core.plugins import install, load_library
from equipoise.runtimes.http.json_body import json_body
from equipoise.runtimes.http.service import JSON_UPLOADS, HttpRequest, Secret

LARGEST_ANSWER = 2**20
"""Largest size of a JSON answer in bytes; a longer one counts as broken. Chosen by hand."""

REPEATED = ("rate_limit", "server", "time_out", "connection", "broken")
"""Kinds of failure after which a request is repeated; they are also fields of `UsageStats`."""

_SHOWN = 200
"""Characters of an error's body that a message shows."""

_CODINGS = {"": 0, "identity": 0, "gzip": 31, "x-gzip": 31, "deflate": 15}
"""Codings of an answer (RFC 9110, section 8.4.1), each with zlib's `wbits`. None is asked for, but
some services compress anyway."""


@dataclass(frozen=True)
class TransportFailure:
    """The reason why there is no answer.

    It is a value and not an exception, because an exception refers to the request and so to its
    keys.

    Attributes
    ----------
    kind : str
        One of `REPEATED`; or "refused", "unmapped" (a label without a level) or "unread" (an answer
        without what the description refers to), which fail this image; or "denied", which ends the
        run.
    detail : str
        The event in words, without keys.
    wait : float or None
        Seconds that the service asks to wait.
    """

    kind: str
    detail: str
    wait: float | None = None


class Transport(Protocol):
    """A connection to a service. Calls come from several threads."""

    @property
    def keys(self) -> str:
        """A sentence that says where its keys are set, for the remedy of an error."""
        ...

    def ask(self, picture: bytes) -> str | TransportFailure:
        """Send one encoded image, and return the JSON text of the answer, not yet checked."""
        ...


class HttpTransport:
    """Sends images to an HTTP service.

    Parameters
    ----------
    request : HttpRequest
    media_type : str
        Media type of the images.
    time_out : float
        Seconds for a whole answer.
    concurrency : int
        Largest number of connections.
    accept : str
        Media type of the answers.
    largest : int
        Largest size of an answer in bytes; a longer one counts as broken.

    Raises
    ------
    InputError
        When httpx2 is not installed, or an environment variable of a key is not set.
    """

    def __init__(
        self,
        request: HttpRequest,
        media_type: str,
        time_out: float,
        concurrency: int,
        *,
        accept: str = "application/json",
        largest: int = LARGEST_ANSWER,
    ) -> None:
        remedy = f"{install('remote')}."
        httpx2 = load_library(f"service {request.service}", "httpx2", remedy)
        secrets = {
            value.env: _secret(value.env)
            for _, value in (*request.headers, *request.fields)
            if isinstance(value, Secret)
        }
        self.keys = (
            f"Check the environment variable {', '.join(secrets)}."
            if secrets
            else "The description names no key; add one to its headers or fields."
        )
        self._hidden = [form for text in secrets.values() for form in _forms(text)]
        self._request, self._media_type, self._time_out = request, media_type, time_out
        self._largest = largest
        self._headers = {"Accept-Encoding": "identity", "Accept": accept} | _filled(
            request.headers, secrets
        )
        self._fields = _filled(request.fields, secrets)
        # Its debug log shows the headers of answers, which may echo a key.
        logging.getLogger("httpcore2").setLevel(logging.INFO)
        self._library = httpx2
        self._client = httpx2.Client(
            timeout=time_out,
            follow_redirects=False,
            # Proxies of the environment serve other machines. .netrc is not searched for keys.
            trust_env=not is_loopback(urlsplit(request.url).hostname or ""),
            limits=httpx2.Limits(max_connections=concurrency),
        )
        weakref.finalize(self, self._client.close)

    def ask(self, picture: bytes) -> str | TransportFailure:
        """Send one image, and return the answer as text; keys that it echoes are replaced."""
        answer = self.fetch(picture)
        return answer if isinstance(answer, TransportFailure) else self._text(answer)

    def fetch(self, picture: bytes) -> bytes | TransportFailure:
        """Send one image, and return the answer's bytes unchanged."""
        started = time.monotonic()
        try:
            with self._client.stream(
                self._request.method, self._request.url, **self._body(picture)
            ) as response:
                content = self._content(response, started)
                if isinstance(content, TransportFailure):
                    return content
                return self._by_status(response.status_code, response.headers, content)
        except self._library.TimeoutException:
            return TransportFailure("time_out", f"no answer within {self._time_out:g} s")
        except self._library.RequestError as error:
            return TransportFailure("connection", type(error).__name__)

    def _body(self, picture: bytes) -> dict[str, Any]:
        if self._request.upload == "raw":
            return {
                "headers": {"Content-Type": self._media_type} | self._headers,
                "content": picture,
            }
        field = self._request.field
        if self._request.upload in JSON_UPLOADS:
            encoded = base64.b64encode(picture).decode("ascii")
            if self._request.upload == "data_uri":
                encoded = f"data:{self._media_type};base64,{encoded}"
            return {"headers": self._headers, "json": json_body(self._fields | {field: encoded})}
        name = f"image.{self._media_type.rpartition('/')[2]}"
        return {
            "headers": self._headers,
            "data": self._fields,
            "files": {field: (name, picture, self._media_type)},
        }

    def _content(self, response: Any, started: float) -> bytes | TransportFailure:
        """Read an answer, up to the largest size and within the time for a whole answer."""
        coding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if coding not in _CODINGS:
            return TransportFailure("refused", f"an answer compressed by {coding[:40]}")
        unpacked = zlib.decompressobj(_CODINGS[coding]) if _CODINGS[coding] else None
        content = b""
        try:
            for part in response.iter_raw():
                room = self._largest + 1 - len(content)
                content += unpacked.decompress(part, room) if unpacked else part
                if len(content) > self._largest:
                    return TransportFailure("refused", f"an answer of over {self._largest} bytes")
                if time.monotonic() - started > self._time_out:
                    words = f"no whole answer within {self._time_out:g} s"
                    return TransportFailure("time_out", words)
        except zlib.error as error:
            return TransportFailure("broken", f"a damaged {coding} answer: {error}")
        if unpacked and not unpacked.eof:
            return TransportFailure("broken", f"a {coding} answer that is not whole")
        return content

    def _by_status(self, status: int, headers: Any, content: bytes) -> bytes | TransportFailure:
        """Return the content of a success, and a failure for every other status code."""
        text = self._text(content) if self._request.busy or not 200 <= status < 300 else ""
        shown = " ".join(text[:_SHOWN].split())
        detail = f"status {status} {shown}".strip()
        wait = retry_after(headers.get("Retry-After"))
        if any(sign in text for sign in self._request.busy):
            return TransportFailure("rate_limit", detail, wait)
        if 200 <= status < 300 or status in self._request.answers:
            return content
        if status == 429:
            return TransportFailure("rate_limit", detail, wait)
        if status >= 500:
            return TransportFailure("server", detail, wait)
        if status == 408:
            return TransportFailure("time_out", detail)
        return TransportFailure("denied" if status in (401, 402, 403) else "refused", detail)

    def _text(self, content: bytes) -> str:
        """Return a text of the service, with keys that it echoes replaced."""
        text = content.decode("utf-8", "replace")
        for form in self._hidden:
            text = text.replace(form, "[key]")
        return text


def retry_after(value: str | None) -> float | None:
    """Return the seconds of a Retry-After header (RFC 9110, section 10.2.3).

    Parameters
    ----------
    value : str or None
        Seconds or a date.

    Returns
    -------
    float or None
        At least 0. None where the header is missing or cannot be read.

    Examples
    --------
    >>> retry_after("2.5"), retry_after("Thu, 01 Jan 1970 00:00:00 GMT"), retry_after("soon")
    (2.5, 0.0, None)
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    return max(0.0, seconds) if seconds == seconds else None


def _secret(env: str) -> str:
    found = os.environ.get(env, "")
    # No error shows the value: it may be most of a key.
    if not found or not found.isascii() or not found.isprintable() or found != found.strip():
        raise InputError(
            f"environment variable {env}",
            "must hold the service's key, in printable ASCII without spaces at its ends",
            "none" if not found else "other characters",
            f"Run `export {env}=...` in this shell.",
        )
    return found


def _forms(secret: str) -> list[str]:
    """Return the forms in which an answer may echo a key."""
    return [secret, json.dumps(secret)[1:-1], quote(secret, safe="")]


def _filled(
    values: Iterable[tuple[str, str | float | Secret]], secrets: dict[str, str]
) -> dict[str, Any]:
    return {
        name: value.prefix + secrets[value.env] if isinstance(value, Secret) else value
        for name, value in values
    }


def check_url(url: str, argument: str, *, insecure: bool = False) -> str:
    """Return a URL after checking that it is safe to send keys and images to.

    Parameters
    ----------
    url : str
    argument : str
        Name of the URL in errors.
    insecure : bool
        Whether http is allowed to other machines.

    Raises
    ------
    InputError
        When it is neither https nor http to this machine, or has a user name, a password or a
        fragment.
    """
    remedy = 'Put keys into headers or fields as {env = "NAME"}, never into the address.'
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        parts.port  # noqa: B018  Raises when the port is not a number.
    except ValueError:
        raise InputError(argument, "must be a URL", url, remedy) from None
    if parts.scheme not in ("https", "http") or not host:
        raise InputError(argument, "must start with https:// or http://", url, remedy)
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise InputError(argument, "must have no user, password or fragment", host, remedy)
    if not url.isascii() or any(c.isspace() for c in url):
        raise InputError(argument, "must be ASCII without spaces", url, remedy)
    if parts.scheme == "http" and not insecure and not is_loopback(host):
        raise InputError(
            argument,
            "must be https, except to this machine",
            url,
            "Use https, or add `insecure = true` and accept that keys and images can be read.",
        )
    return url


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is that of this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
