"""Which addresses a service may have."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from equipoise.errors import InputError


def check_url(url: str, argument: str, *, insecure: bool = False) -> str:
    """Return a URL that is https, or http to this machine (or anywhere when `insecure`).

    Raises
    ------
    InputError
        Otherwise, or when it holds a user name, a password or a fragment.
    """
    remedy = 'Keys go to headers or fields as {env = "NAME"}, never into the address.'
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        parts.port  # noqa: B018  A port that is no number raises here.
    except ValueError:
        raise InputError(argument, "must be an address", url, remedy) from None
    if parts.scheme not in ("https", "http") or not host:
        raise InputError(argument, "must begin with https:// or http://", url, remedy)
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
    """Tell whether a host name or address is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
