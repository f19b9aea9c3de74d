"""An image folder as few large files: tars of the WebDataset layout, for stores of large files."""

from __future__ import annotations

import json
import math
import tarfile
from pathlib import Path

from equipoise.core.errors import FileFormatError, Listed
from equipoise.core.files import read_text, storage, write_text
from equipoise.core.tables import read_rows, shown
from equipoise.samplers.export.croissant import FILE as CROISSANT
from equipoise.samplers.export.croissant import column_types, tarred
from equipoise.samplers.export.dataset_card import FILE as CARD
from equipoise.samplers.export.dataset_card import loaded_as_tars
from equipoise.samplers.export.formats import add_member
from equipoise.samplers.export.metadata import METADATA, read_metadata

SIZE = 1000
"""Images of a tar."""


def tar_names(images: int) -> tuple[str, ...]:
    """Return the names of the tars of so many images."""
    return tuple(f"images-{k:05d}.tar" for k in range(-(-images // SIZE)))


def listed_images(folder: Path) -> tuple[Path, ...]:
    """Return the images that the metadata of a folder list, after checking that they are its own.

    Raises
    ------
    FileFormatError
        When the metadata are damaged, list a file that is none of the folder's images, or one
        twice, or leave one out.
    """
    pictures = (path for path in (folder / "images").glob("*.png") if path.is_file())
    there = {path.relative_to(folder).as_posix(): path for path in pictures}
    names = [row["file_name"] for _, row in read_rows(folder / METADATA, ["file_name"])]
    missing = [name for name in names if name not in there]
    left = sorted(there.keys() - set(names))
    if missing or left or len(names) != len(there):
        wrong = [f"{shown(name)} is not there" for name in missing]
        wrong += [f"{name} is not listed" for name in left]
        raise FileFormatError(
            f"metadata {folder / METADATA}",
            "must list each image of the folder once, and no other file",
            Listed(wrong or ["one twice"]),
            "Give the command that drew them again; it mends what a stop has left.",
        )
    return tuple(there[name] for name in names)


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
        When metadata or description are damaged, or `listed_images` refuses them.
    StorageError
        When a file cannot be read or written.
    """
    pictures = listed_images(folder)
    rows = [row for _, row in read_rows(folder / METADATA, ["file_name"])]
    types = column_types(list(rows[0]), read_metadata(folder).grid)
    found = {}
    for number, name in enumerate(tar_names(len(rows))):
        with storage(target / name), tarfile.open(target / name, "w") as archive:
            for k in range(number * SIZE, min((number + 1) * SIZE, len(rows))):
                own = {column: _typed(text, types[column]) for column, text in rows[k].items()}
                own["file_name"] = pictures[k].name
                add_member(archive, pictures[k].name, pictures[k].read_bytes())
                add_member(archive, f"{pictures[k].stem}.json", json.dumps(own).encode())
        found[name] = target / name
    for name, change in ((CARD, loaded_as_tars), (CROISSANT, tarred)):
        if (folder / name).is_file():
            text = change(read_text(folder / name, "Draw the folder again."))
            write_text(target / name, text)
            found[name] = target / name
    return found


def _typed(text: str, kind: type) -> str | int | float:
    """Return a value of metadata as its type; what is none, or not finite, stays a text."""
    try:
        found = text if kind is str or not text else kind(text)
    except ValueError:
        return text
    return text if isinstance(found, float) and not math.isfinite(found) else found
