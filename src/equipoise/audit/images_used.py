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
        Digests of the sampler in the mode that drew them, and of the classifiers that verified
        them; empty where they are not known, as of photographs.
    faithful : str
        Mode of verified draws; empty where none is known.
    seed : int or None
        Of the draws.
    marked : int
        Files that say that they are synthetic.
    sampler_file : str
        Digest of the sampler as it is stored, whatever the mode: `Sampler.digest`, which its card
        names. Older records have none.
    side : int
        Pixels of each side to which photographs were cut; 0 for generated images.
    """

    n: int
    digest: str
    sampler: str
    panel: str
    faithful: str
    seed: int | None
    marked: int
    sampler_file: str = ""
    side: int = 0

    @property
    def kind(self) -> str:
        """What they are, in words."""
        return "labelled photographs" if self.side else "verified images"

    @property
    def words(self) -> tuple[str, ...]:
        """What a document says of them, as sentences."""
        found = [f"SHA-256 of the digests of the {self.n:,} files, in order: {self.digest}."]
        if self.sampler_file or self.sampler:
            mode = f", mode {self.faithful}" if self.faithful else ""
            seed = "" if self.seed is None else f", seed {self.seed}"
            found.append(f"Drawn by the sampler {self.sampler_file or self.sampler}{mode}{seed}.")
        found.append(f"{self.marked:,} of {self.n:,} files say that they are synthetic.")
        return tuple(found)
