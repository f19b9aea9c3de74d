"""An image folder as few large files: tars of the WebDataset layout, for stores of large files."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

from equipoise.core.files import storage
from equipoise.core.tables import read_rows
from equipoise.samplers.export.croissant import FILE as CROISSANT
from equipoise.samplers.export.croissant import tarred
from equipoise.samplers.export.dataset_card import FILE as CARD
from equipoise.samplers.export.dataset_card import loaded_as_tars
from equipoise.samplers.export.metadata import METADATA

SIZE = 1000
"""Images of a tar."""


def tar_names(images: int) -> tuple[str, ...]:
    """Return the names of the tars of so many images."""
    return tuple(f"images-{k:05d}.tar" for k in range(-(-images // SIZE)))


def pack_folder(folder: Path, target: Path) -> dict[str, Path]:
    """Write the images of a folder into tars, and its page and description to match.

    Parameters
    ----------
    folder : Path
        With metadata.csv, whose rows are the images. Each tar has KEY.png and KEY.json, its row, as
        WebDataset pairs them.
    target : Path
        A folder for what is written.

    Returns
    -------
    dict of str to Path
        What takes the place of files of the folder, by name.

    Raises
    ------
    FileFormatError
        When the metadata are damaged.
    StorageError
        When a file cannot be read or written.
    """
    rows = [row for _, row in read_rows(folder / METADATA, ["file_name"])]
    found = {}
    with storage(target):
        for number, name in enumerate(tar_names(len(rows))):
            with tarfile.open(target / name, "w") as archive:
                for row in rows[number * SIZE : (number + 1) * SIZE]:
                    picture = folder / row["file_name"]
                    own = {**row, "file_name": picture.name}
                    _add(archive, picture.name, picture.read_bytes())
                    _add(archive, f"{picture.stem}.json", json.dumps(own).encode())
            found[name] = target / name
        for name, change in ((CARD, loaded_as_tars), (CROISSANT, tarred)):
            if (folder / name).is_file():
                text = (folder / name).read_text(encoding="utf-8")
                (target / name).write_text(change(text), encoding="utf-8")
                found[name] = target / name
    return found


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    archive.addfile(info, io.BytesIO(content))
