"""A copy of an audit's images for whoever asks the model; names say nothing of their cells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.audit.answer_rows import SHOWN_DIGITS, name_of
from equipoise.audit.images import AuditImages
from equipoise.audit.verification.scores import COLUMNS
from equipoise.core.errors import InputError
from equipoise.core.files import atomic_path, storage, write_text
from equipoise.core.progress import Progress, no_progress
from equipoise.core.synthetic_mark import packet
from equipoise.core.tables import read_rows, write_rows
from equipoise.samplers.export.png import png

TEMPLATE, PAIRS = "answers.csv", "pairs.csv"

_README = """\
Ask the model about each picture in images/, and write its answers into answers.csv, a row an image:

file_name   the picture's name, as given
label       the model's answer in its own words; empty where it gave none (failed, timed out),
            "no_face" where it found no face, "unknown" where it declined to answer
confidence  in [0, 1]; may be left out
seconds     time of the response; may be left out
set_digest  {digest}, of this set; may be left out

In place of label there may be score, a number, or a column p.LEVEL for each level, with its
probability. JSONL and Parquet files with these names will do too. The pictures are synthetic.
"""


_OF_PAIRS = """
Ask a model that compares faces about each pair of pairs.csv, and write the similarity of its two
pictures into the column score, larger for more alike; leave it empty where there was no answer.
"""


def write_blind_set(
    images: AuditImages,
    out: Path,
    progress: Progress = no_progress,
    *,
    pairs: NDArray[np.int64] | None = None,
) -> None:
    """Write every image once under the digest of its file, with a table to fill in.

    Pictures are encoded again, so that nothing is handed on but their pixels and the mark that they
    are synthetic. Names are in the order of the digests, which has nothing to do with cells.

    Parameters
    ----------
    images : AuditImages
    out : Path
        Empty, or a set of these images that was not finished.
    progress : Progress
        Reports written images, as stage "write".
    pairs : numpy.ndarray, shape (m, 2), int64, optional
        Places of images that a model is to compare; a second table names them.

    Raises
    ------
    InputError
        When the folder holds anything else.
    FileFormatError
        When an image cannot be decoded.
    StorageError
        When a file cannot be written.
    """
    rows = {name_of(digest): row for row, digest in enumerate(images.digests)}
    with storage(out):
        (out / "images").mkdir(parents=True, exist_ok=True)
        known = {f"images/{name}" for name in rows} | {"images", "README.txt", TEMPLATE, PAIRS}
        there = {path.relative_to(out).as_posix() for path in out.rglob("*")}
    if strangers := sorted(there - known):
        raise InputError(
            f"folder {out}", "must be empty or hold this set", strangers[0], "Choose another."
        )
    for count, name in enumerate(sorted(rows)):
        progress("write", count, len(rows))
        if f"images/{name}" not in there:
            content = png(images.images([rows[name]])[0], packet())
            with storage(out), atomic_path(out / "images" / name) as path:
                path.write_bytes(content)
    progress("write", len(rows), len(rows))
    if not (out / TEMPLATE).exists():
        columns = ("file_name", "label", "confidence", "seconds")
        empty = dict.fromkeys(columns, "")
        write_rows(out / TEMPLATE, columns, ({**empty, "file_name": n} for n in sorted(rows)))
    if pairs is not None:
        names = [name_of(digest) for digest in images.digests]
        _write_pairs(out / PAIRS, [(names[first], names[second]) for first, second in pairs])
    words = _README + _OF_PAIRS if (out / PAIRS).exists() else _README
    write_text(out / "README.txt", words.format(digest=images.digest[:SHOWN_DIGITS]))


def _write_pairs(path: Path, pairs: list[tuple[str, str]]) -> None:
    """Write the table of pairs, unless it is there; it may be filled already.

    Raises
    ------
    InputError
        When it is there with other pairs.
    """
    if path.exists():
        known = [(row[COLUMNS[0]], row[COLUMNS[1]]) for _, row in read_rows(path, COLUMNS[:2])]
        if sorted(known) != sorted(pairs):
            got = f"{len(known):,} others"
            raise InputError(
                f"table {path}", "must hold the pairs that are asked for", got, "Move it away."
            )
        return
    rows = (dict(zip(COLUMNS, (*pair, ""), strict=True)) for pair in pairs)
    write_rows(path, COLUMNS, rows)
