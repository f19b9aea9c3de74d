"""What shards work on, where their rows do not say it: a small file each, until it is done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from equipoise.core.errors import FileFormatError
from equipoise.core.folders import Folder
from equipoise.engines.contract import Finished, Shard


@dataclass(frozen=True)
class ShardInputs:
    """Files of inputs in a folder that every worker reaches.

    Attributes
    ----------
    folder : Folder
    kind, suffix : str
        Of their names: `codes` and `.npy` make `codes-00003.npy`.
    """

    folder: Folder
    kind: str
    suffix: str

    @classmethod
    def of_images(cls, folder: Folder) -> ShardInputs:
        """Return files that name the images of shards, in JSON."""
        return cls(folder, "images", ".json")

    def name(self, shard: Shard) -> str:
        """Return the name of the file of a shard."""
        return f"{self.kind}-{shard.number:05d}{self.suffix}"

    def given(self, shards: Iterable[Shard], content: Callable[[Shard], bytes]) -> Iterator[Shard]:
        """Yield shards, each after its input is written.

        Raises
        ------
        StorageError
            When it cannot be.
        """
        for shard in shards:
            with self.folder.writing(self.name(shard)) as part:
                part.write_bytes(content(shard))
            yield shard

    def taken(self, ended: Iterable[Finished]) -> Iterator[Finished]:
        """Yield shards as they end, and remove their inputs; at last those that were left over.

        Some are left where a driver is killed whose workers finish what they have begun.
        """
        for one in ended:
            if not one.lost:
                self.folder.remove(self.name(one.shard))
            yield one
        left = [n for n in self.folder.names() if fnmatchcase(n, f"{self.kind}-*{self.suffix}")]
        for name in left:
            self.folder.remove(name)

    def read(self, shard: Shard) -> bytes:
        """Return the input of a shard.

        Raises
        ------
        FileFormatError
            When there is none.
        """
        found = self.folder.read(self.name(shard))
        if found is None:
            raise FileFormatError(
                f"{self.kind} {self.folder / self.name(shard)}",
                "must be there until their shard is done",
                "no file",
                "Give all workers the same folder.",
            )
        return found
