"""Where a run is: in a folder of this machine, or in an object store.

Labels of a run in a store are written there by whichever workers make them. All else is made in the
cache of this machine, and put beside them when the run is finished. So a run that is stopped here
goes on elsewhere, with its labels.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from equipoise.core.files import storage
from equipoise.core.folders import Folder, LocalFolder, open_folder
from equipoise.runs.folder import RunFolder
from equipoise.runtimes.zoo import cache_folder

_RECORD = "record.json"


@dataclass(frozen=True)
class RunPlace:
    """Where a run is.

    Attributes
    ----------
    folder : RunFolder
        On this machine; of a run in a store all but the labels.
    home : Folder
        Where the labels are, and in the end all of it.
    """

    folder: RunFolder
    home: Folder

    @classmethod
    def of(cls, out: Path | str) -> RunPlace:
        """Return the place of a run by its path or address.

        Raises
        ------
        InputError
            As `open_folder`.
        """
        home = open_folder(out)
        if isinstance(home, LocalFolder):
            return cls(RunFolder(home.path), home)
        own = hashlib.sha256(home.address.encode()).hexdigest()[:16]
        return cls(RunFolder(cache_folder() / "runs" / own), home)

    @property
    def labels(self) -> Folder:
        """Folder of the prior's labels."""
        return self.home / self.folder.labels.name

    def draws(self, digest: str, stage: str) -> Folder:
        """Folder of the labels of a sampler's draws, for one stage."""
        return self.home / self.folder.draws(digest, stage).name

    def publish(self) -> None:
        """Put the files of a finished run into its store, in place of those of an older run.

        The record of the older one goes first, and the new one comes last: with it a run is whole.

        Raises
        ------
        StorageError
            When a file cannot be read, or the store does not answer.
        """
        if isinstance(self.home, LocalFolder):
            return
        top = self.folder.path
        with storage(top):
            files = sorted(path.relative_to(top) for path in top.rglob("*") if path.is_file())
        self.home.remove(_RECORD)
        pictures = {f"pictures/{name}" for name in (self.home / "pictures").names()}
        samplers = {name for name in self.home.names() if name.startswith("sampler-")}
        for old in map(Path, pictures | samplers | {self.folder.directions.name}):
            if old not in files:
                self._parent(old).remove(old.name)
        for file in sorted(files, key=lambda file: file.name == _RECORD):
            with self._parent(file).writing(file.name) as part, storage(top / file):
                shutil.copyfile(top / file, part)

    def _parent(self, file: Path) -> Folder:
        return self.home if file.parent == Path() else self.home / file.parent.as_posix()
