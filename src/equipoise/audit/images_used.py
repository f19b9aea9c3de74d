"""Which images an audit is of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ImagesUsed:
    """Which images an audit is of, so that it can be repeated on the same.

    Attributes
    ----------
    n : int
    digest : str
        SHA-256 of the digests of their files, in order.
    sampler, panel : str
        Digests of the sampler that drew them and of the classifiers that verified them; empty
        where they are not known, as of photographs.
    faithful : str
        Mode of verified draws; empty where none is known.
    seed : int or None
        Of the draws.
    marked : int
        Files that say that they are synthetic.
    """

    n: int
    digest: str
    sampler: str
    panel: str
    faithful: str
    seed: int | None
    marked: int
