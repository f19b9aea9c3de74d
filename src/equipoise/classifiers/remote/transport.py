"""What an adapter needs of a service: one picture out, one answer or one trouble back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

LARGEST_ANSWER = 2**20
"""Bytes of an answer in words; a longer one counts as broken."""

REPEATED = ("rate_limit", "server", "time_out", "connection", "broken")
"""Kinds of trouble after which an image is asked about again; names of counts in `Tally`."""


@dataclass(frozen=True)
class Trouble:
    """Why there is no answer.

    A value, not an exception: an exception holds the request that it is about, and so its keys.

    Attributes
    ----------
    kind : str
        One of `REPEATED`; "refused" or "unmapped" (a label that is no level), which fail this
        image; "denied", which ends the run.
    detail : str
        What happened, for a reader; without keys.
    wait : float or None
        Seconds that the service asks for.
    """

    kind: str
    detail: str
    wait: float | None = None


class Transport(Protocol):
    """A way to a service. Calls come from several threads."""

    @property
    def keys(self) -> str:
        """Where its keys come from, for the remedy of an error."""
        ...

    def ask(self, picture: bytes) -> str | Trouble:
        """Send one encoded picture; return the JSON text of the answer, not yet checked."""
        ...
