"""The pictures below a folder: which files are read, which are left out, and which are broken."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from equipoise.core.errors import FileFormatError, InputError, Listed
from equipoise.core.parallel import batches, ordered_map
from equipoise.core.progress import Execution
from equipoise.core.tables import shown
from equipoise.labelling.picture import is_picture, read_image
from equipoise.samplers.export.metadata import DRAWS

SUFFIXES = (".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".tif", ".tiff")
"""Suffixes of image files. A file of another suffix is read if its first bytes are a picture's."""

_BESIDE = ("pictures", "plots")
"""Folders beside the images of a folder that Equipoise drew."""

_BATCH = 16
"""Files that one thread looks at at a time, chosen by hand."""


@dataclass(frozen=True)
class PictureFolder:
    """What a folder holds.

    Attributes
    ----------
    files : list of Path
        Images, sorted by path.
    left_out : dict of list of Path
        The other files, and folders that are not followed, by reason.
    """

    files: list[Path] = field(default_factory=list)
    left_out: dict[str, list[Path]] = field(default_factory=dict)

    def described(self) -> list[str]:
        """Return a line for each reason: how many were left out, and their suffixes."""
        lines = []
        for reason, paths in sorted(self.left_out.items()):
            kinds = sorted({path.suffix.lower() or "no suffix" for path in paths})
            some = ", ".join(shown(kind) for kind in kinds[:8]) + (", .." if kinds[8:] else "")
            lines.append(f"left out {len(paths):,}: {reason} ({some})")
        return lines


def find_pictures(folder: Path) -> PictureFolder:
    """Return the image files below a folder; links to folders are followed once.

    Hidden files and folders, whose names begin with a dot, are left out, as are files that are no
    picture by suffix or content. Of a folder that Equipoise drew, the contact sheets and plots
    beside its images are left out too.

    Raises
    ------
    InputError
        When there are no images.
    """
    found = PictureFolder()
    drawn = (folder / DRAWS).is_file()
    for path, reason in _walk(folder):
        if not reason and drawn and path.relative_to(folder).parts[0] in _BESIDE:
            reason = "pictures of a report"
        if reason:
            found.left_out.setdefault(reason, []).append(path)
        else:
            found.files.append(path)
    found.files.sort()
    if not found.files:
        raise InputError(
            f"folder {folder}",
            f"must hold images ({', '.join(SUFFIXES)})",
            "; ".join(found.described()) or "none",
            "Give a folder of images or a sampler file.",
        )
    return found


def _walk(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield each file below a folder, with the reason why it is left out, or "".

    Real folders go before links to folders, so that a link never takes the place of what it names.
    A link to a file is a file.
    """
    links = [folder]
    seen: set[tuple[int, int]] = set()
    while links:
        waiting = [(links.pop(0), False)]
        while waiting:
            here, hidden = waiting.pop()
            try:
                if _identity(here) in seen and not hidden:
                    yield here, "links to folders that are read already"
                    continue
                entries = sorted(here.iterdir())
            except OSError:
                yield here, "folders that cannot be opened"
                continue
            if not hidden:
                seen.add(_identity(here))
            for path in entries:
                unseen = hidden or path.name.startswith(".")
                if not path.is_dir():
                    yield path, "hidden files" if unseen else _reason(path)
                elif not path.is_symlink():
                    waiting.append((path, unseen))
                elif not unseen:
                    links.append(path)


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _reason(path: Path) -> str:
    """Return why a file is left out, or "" for an image."""
    try:
        if not path.exists():
            return "links to nothing"
        if not path.is_file():
            return "neither files nor folders"
        if path.suffix.lower() in SUFFIXES or is_picture(path):
            return ""
    except OSError:
        return "files that cannot be opened"
    return "files of other kinds"


def whole_pictures(
    files: Sequence[Path],
    *,
    skip_broken: bool = False,
    remedy: str = "Save them again, or leave them out with --skip-broken.",
    execution: Execution = Execution(),
) -> list[Path]:
    """Return the files that `read_image` can read. All are decoded, before longer work begins.

    Parameters
    ----------
    files : sequence of Path
        At least one.
    skip_broken : bool
        Whether broken files are left out. Otherwise they are an error.
    remedy : str
        Last sentence of that error.
    execution : Execution

    Raises
    ------
    FileFormatError
        When files are broken and not to be skipped, or all are broken. It names each, with its
        reason.
    """

    def look(bounds: tuple[int, int]) -> list[FileFormatError | None]:
        return [_fault(path) for path in files[slice(*bounds)]]

    faults: list[FileFormatError | None] = []
    with closing(ordered_map(look, batches(0, len(files), _BATCH), execution.workers)) as results:
        for part in results:
            faults += part
            execution.progress("look", len(faults), len(files))
    whole = [path for path, fault in zip(files, faults, strict=True) if fault is None]
    broken = [fault for fault in faults if fault is not None]
    if not broken or (skip_broken and whole):
        return whole
    raise FileFormatError(
        f"{len(broken):,} of {len(files):,} images",
        broken[0].rule,
        Listed(f"{fault.argument}: {fault.got}" for fault in broken),
        remedy,
    )


def _fault(path: Path) -> FileFormatError | None:
    try:
        read_image(path)
    except FileFormatError as error:
        return error
    return None
