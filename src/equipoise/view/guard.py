"""What every request passes: hosts, origins, token, size, and the headers of every answer.

A page of another site can make a browser send requests to this server, by its address or by a name
that leads to it. So the name of the host must be an address, localhost, or one that was allowed;
and a request that a page makes must come from a page of this server.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LARGEST_BODY = 2**16
"""Bytes of a request's body at most: a target of 500 cells is half of it."""

LARGEST_UPLOAD = 8 * 2**20
"""Bytes of answers of Label Studio at most."""

_UPLOAD = "/label-studio"
"""End of the paths that take an upload."""

_COOKIE = "equipoise_token_"
"""With the port, because cookies of one host are shared by its ports."""
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
"""No script but our files. Styles may be inline, because plots have some."""

_HEADERS = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)


def is_loopback(host: str) -> bool:
    """Return whether an address or name is of this machine alone.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return True


class _TooLargeError(Exception):
    """A body that grew over its bound while it was read."""


class Guard:
    """An ASGI application that lets good requests through to another.

    Parameters
    ----------
    app : callable
        The application behind.
    token : str
        What requests must bring, as `?token=`, a cookie or a bearer; empty for no token.
    hosts : tuple of str
        Names of hosts that are allowed beside addresses and localhost.
    """

    def __init__(self, app: App, token: str = "", hosts: tuple[str, ...] = ()) -> None:
        self._app, self._token = app, token
        self._hosts = {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http":
            return None
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        refused = self._refusal(scope, headers)
        if refused:
            return await _answer(send, *refused)
        asked = self._in_query(scope)
        if asked:
            # The token leaves the address bar, and stays as a cookie that no script can read.
            cookie = f"{_cookie(headers)}={self._token}; HttpOnly; SameSite=Strict; Path=/"
            more = ((b"location", asked.encode()), (b"set-cookie", cookie.encode()))
            return await _answer(send, 303, "", more)

        size, started, ended, most = 0, False, False, _most(scope)

        async def bounded() -> MutableMapping[str, Any]:
            nonlocal size, started, ended
            message = await receive()
            size += len(message.get("body", b""))
            if size > most and not started:
                await _answer(send, 413, _too_large(most))
                started = ended = True
            if size > most:
                raise _TooLargeError
            return message

        async def guarded(message: MutableMapping[str, Any]) -> None:
            nonlocal started
            if ended:
                return
            if message["type"] == "http.response.start":
                started = True
                own = {name for name, _ in _HEADERS}
                kept = [pair for pair in message.get("headers", []) if pair[0].lower() not in own]
                if not any(name.lower() == b"cache-control" for name, _ in kept):
                    kept.append((b"cache-control", b"no-store"))
                message["headers"] = [*kept, *_HEADERS]
            await send(message)

        with suppress(_TooLargeError):
            await self._app(scope, bounded, guarded)
        return None

    def _refusal(self, scope: Scope, headers: Mapping[str, str]) -> tuple[int, str] | None:
        """Return the status and the reason of a refusal; None for a good request."""
        given = headers.get("host", "")
        host = urlsplit(f"//{given}").hostname or ""
        if not (_is_address(host) or host in self._hosts):
            return 421, "This host name is not allowed. Start with --allow-host to allow it."
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != given.lower():
            return 403, "This request comes from a page of another origin."
        site = headers.get("sec-fetch-site", "none")
        if site in ("cross-site", "same-site") and scope["method"] not in ("GET", "HEAD"):
            return 403, "This request comes from a page of another site."
        size = headers.get("content-length", "0")
        most = _most(scope)
        if not size.isdecimal() or int(size[:12]) > most or len(size) > 12:
            return 413, _too_large(most)
        if self._token and not self._has_token(scope, headers):
            return 401, "A token is needed. Open the address that `equipoise view` printed."
        return None

    def _has_token(self, scope: Scope, headers: Mapping[str, str]) -> bool:
        cookie: SimpleCookie = SimpleCookie()
        try:
            cookie.load(headers.get("cookie", ""))
        except CookieError:
            cookie = SimpleCookie()
        name = _cookie(headers)
        kept = cookie[name].value if name in cookie else ""
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        asked = _query(scope).get("token", [""])[0]
        found = [
            secrets.compare_digest(one.encode(), self._token.encode())
            for one in (kept, bearer, asked)
        ]
        return any(found)

    def _in_query(self, scope: Scope) -> str:
        """Return the address without its token, where it has the right one."""
        query = _query(scope)
        if not self._token or scope["method"] != "GET" or "token" not in query:
            return ""
        rest = urlencode({k: v for k, v in query.items() if k != "token"}, doseq=True)
        path = "/" + quote(scope["path"].lstrip("/"))  # Two slashes would name another host.
        return f"{path}?{rest}" if rest else path


def _cookie(headers: Mapping[str, str]) -> str:
    """Return the name of the cookie that has the token, by the port that was asked."""
    port = headers.get("host", "").rpartition(":")[2]
    return f"{_COOKIE}{port if port.isdecimal() else 80}"


def _most(scope: Scope) -> int:
    """Return how many bytes the body of a request may have."""
    return LARGEST_UPLOAD if scope["path"].endswith(_UPLOAD) else LARGEST_BODY


def _too_large(most: int) -> str:
    return f"A body must be under {most // 1024} KiB."


def _query(scope: Scope) -> dict[str, list[str]]:
    try:
        return parse_qs(scope.get("query_string", b"").decode("latin-1"), max_num_fields=100)
    except ValueError:
        return {}


async def _answer(
    send: Send, status: int, text: str, more: tuple[tuple[bytes, bytes], ...] = ()
) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), *_HEADERS, *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})
