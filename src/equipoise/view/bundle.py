"""Static pages of runs and audits, in a folder of their own or beside the files of each."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from equipoise.core.errors import InputError
from equipoise.core.files import storage, write_text
from equipoise.view import schema
from equipoise.view.api_runs import line
from equipoise.view.folder import AUDITS, Entry, Folder, Kind, own
from equipoise.view.pages import Pages, file_name
from equipoise.view.server import static_file

EMBEDDED = "view"
"""Folder of the pages beside an entry's files."""

_SHOWN: tuple[Kind, ...] = ("run", *AUDITS, "contexts", "comparison")


def write_bundle(path: Path, out: Path, names: Sequence[str] = ()) -> Path:
    """Write the pages of entries, and a list of them, and return the page of the list.

    Pictures are copied as they are: contact sheets, not single images. Pages hold no script.

    Parameters
    ----------
    path : Path
        Folder of runs.
    out : Path
        New or empty.
    names : sequence of str
        Entries, by name; all by default.

    Raises
    ------
    InputError
        When there is no such folder or entry, or `out` is not empty.
    StorageError
        When the disk fails.
    """
    folder, chosen = _chosen(path, names)
    with storage(out):
        if out.exists() and any(out.iterdir()):
            raise InputError(f"folder {out}", "must be empty", "files", "Choose another folder.")
    pages = Pages(folder, live=False)
    for entry in chosen:
        write_text(out / "runs" / f"{file_name(entry.name)}.html", pages.entry(entry))
        _copy_pictures(folder, entry, out / "pictures" / file_name(entry.name))
    _write_styles(out)
    lines = [line(folder, entry) for entry in chosen]
    write_text(out / "index.html", pages.listed(schema.Runs(total=len(lines), runs=lines)))
    return out / "index.html"


def embed(path: Path, names: Sequence[str] = ()) -> list[Path]:
    """Write the page of each entry to `view/` in its folder, and return the pages.

    It shows the pictures of the folder where they are. So whoever gets the folder can look at it,
    and needs nothing installed. Pages that are there are written again.

    Parameters
    ----------
    path : Path
        Folder of runs, or a run.
    names : sequence of str
        Entries, by name; all by default.

    Raises
    ------
    InputError
        When there is no such folder or entry, or a link leads out of an entry's folder.
    StorageError
        When the disk fails.
    """
    folder, chosen = _chosen(path, names)
    pages, written = Pages(folder, live=False, embedded=True), []
    for entry in chosen:
        out = own(entry.path, entry.path / EMBEDDED)
        write_text(out / "index.html", pages.entry(entry))
        _write_styles(out)
        written.append(out / "index.html")
    return written


def _chosen(path: Path, names: Sequence[str]) -> tuple[Folder, list[Entry]]:
    folder = Folder(path)
    folder.entries()
    chosen = [folder.get(name, *_SHOWN) for name in names] or [
        entry for entry in folder.entries() if entry.kind in _SHOWN
    ]
    if not chosen:
        raise InputError(f"folder {path}", "must hold a run or an audit", "none", "Run one first.")
    return folder, chosen


def _write_styles(out: Path) -> None:
    for name in ("style.css", "view.css"):
        write_text(out / name, static_file(name).decode())


def _copy_pictures(folder: Folder, entry: Entry, out: Path) -> None:
    for picture in sorted((entry.path / "pictures").glob("*.png")):
        if folder.inside(picture):
            with storage(out):
                out.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(picture, out / picture.name)
