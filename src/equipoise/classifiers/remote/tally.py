"""What asking a remote classifier came to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tally:
    """Counts since the adapter was opened; `asked` + `cached` are the images that were read.

    Attributes
    ----------
    asked : int
        Images that the service was asked about.
    cached : int
        Images answered from the cache, or by the same image earlier in the batch.
    requests : int
        Requests sent, repeats included: the most that the service can charge for.
    rate_limit, server, time_out, connection, broken : int
        Repeated requests by reason: 429, 5xx, no answer in time, no connection, an answer that
        is not what the description looks for.
    no_face : int
        Images on which the service found no face, cached ones included.
    failed : int
        Images left without an answer.
    seconds : float
        Spent in `read`, summed over calls.
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
