"""Label images in files, or in the tars of a WebDataset, shard by shard on any engine.

The unit of work is a tar, or some files. The labels of each are a table beside the others; those of
all are read from these tables.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from equipoise.classifiers import open_panel
from equipoise.classifiers.panel import ClassifierPanel
from equipoise.core.alone import alone
from equipoise.core.completion import completions
from equipoise.core.devices import device_type
from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.files import parse_json
from equipoise.core.folders import Folder, LocalFolder
from equipoise.core.labels import Labels, concatenate, from_table, to_columns
from equipoise.core.progress import Execution
from equipoise.core.resumable import DEVICE, ResumableFolder
from equipoise.core.synthetic_mark import is_marked
from equipoise.core.threads import mapped
from equipoise.engines import Finished, ResumedTask, Shard, ShardInputs, check_opened, run
from equipoise.labelling.image_files import Source, label_sources
from equipoise.labelling.picture import FORMATS, decoded, read_image
from equipoise.labelling.picture_folder import SUFFIXES

FILES = 256
"""Image files of a shard, chosen by hand; a multiple of the batches that threads label."""

_MARKED = "=marked"
"""Column of tables of tars: whether each picture is marked as synthetic. No attribute has it."""

_LARGEST_IMAGE = 2**28
"""Bytes of an image in a tar at most, chosen by hand."""


@dataclass(frozen=True)
class PanelAddress:
    """Names by which any process opens the same panel for images of anybody.

    Labels of another type of device count as its own where `mixed_devices`.
    """

    attributes: tuple[str, ...]
    classifiers: tuple[str, ...]
    device: str = "cpu"
    mixed_devices: bool = False

    @property
    def may_differ(self) -> frozenset[str]:
        """Keys of an identity in which labels may differ, as of `ResumableFolder`."""
        return frozenset({DEVICE} if self.mixed_devices else ())

    def open(self) -> ClassifierPanel:
        """Open the classifiers, as `open_panel`."""
        return open_panel(self.attributes, classifiers=self.classifiers, device=self.device)


def webdataset_tars(images: Folder) -> tuple[list[str], str]:
    """Return the names of the tars of a folder, sorted, and a digest of what they hold.

    The digest of an export of ours is that of its completion records, else of names, sizes, and
    the digests or times that the folder knows. The list is empty where the folder holds no tars,
    or images or folders beside them.

    Raises
    ------
    InputError
        When an export is not finished, by its records.
    """
    names = sorted(images.names())
    tars = [name for name in names if name.endswith(".tar")]
    if not tars or images.folders() or any(Path(name).suffix.lower() in SUFFIXES for name in names):
        return [], ""
    done = {found.file: found for found in completions(images)}
    total = max((found.total for found in done.values()), default=0)
    rows = sum(found.rows for found in done.values())
    if done and (rows != total or set(done) != set(tars)):
        raise InputError(
            f"export {images}",
            f"must be finished: {total:,} images in tars that have completion records",
            f"{rows:,} images in {len(done):,} of {len(tars):,} tars",
            "Run its command again; or wait a little, where a store lists its newest files late.",
        )
    stamps = (
        (done[name].sha256 for name in tars)
        if done
        else mapped(images.stamp, tars, images.at_a_time)
    )
    held = list(zip(tars, stamps, strict=True))
    return tars, hashlib.sha256(json.dumps(held).encode()).hexdigest()


def files_digest(files: Sequence[Path]) -> str:
    """Return a digest of the names, sizes and times of files: of what they hold, without a look."""
    held = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return hashlib.sha256(json.dumps(held).encode()).hexdigest()


def label_images(
    images: Folder,
    names: Sequence[str],
    digest: str,
    address: PanelAddress,
    home: Folder,
    *,
    tars: bool,
    panel: ClassifierPanel | None = None,
    execution: Execution = Execution(),
) -> tuple[Labels, int | None]:
    """Return the labels of images in files or tars; a stopped call goes on in the same folder.

    Parameters
    ----------
    images : Folder
        Holds them.
    names : sequence of str
        Of tars, or of image files of a `LocalFolder`; at least one.
    digest : str
        Of what they hold. Labels of something else are refused.
    address : PanelAddress
        What workers open.
    home : Folder
        Where the tables of labels are kept.
    tars : bool
        Whether names are of tars.
    panel : ClassifierPanel, optional
        The panel of `address`, where it is open already.
    execution : Execution
        Threads, engine and progress. The labels do not depend on it.

    Returns
    -------
    labels : Labels
        One row an image, in the order of names, and of each tar.
    marked : int, optional
        How many pictures in tars say that they are synthetic. None for files, and where labels
        were kept by a version that did not count.

    Raises
    ------
    FileFormatError
        When an image or a tar cannot be read; the error names it.
    InputError
        When the folder holds other labels.
    ModelOutputError, StorageError, WorkerError
        As for `collect`.
    """
    panel = panel or address.open()
    size, total = 1 if tars else FILES, len(names)
    determined = {"panel": panel.digest, "images": digest, DEVICE: device_type(address.device)}
    identity = json.dumps(determined, sort_keys=True)
    stored = ResumableFolder(home, identity, "labels of these images", address.may_differ)

    def done_rows(shard: Shard) -> int:
        """Return the rows of a shard that is done: a tar counts as one, whatever it holds."""
        done = stored.done_rows(_table_name(shard.number), total=total)
        return shard.rows if done else 0

    labelled = ResumedTask(
        home,
        total,
        size,
        file=_table_name,
        done_rows=done_rows,
        report=lambda done, total: execution.progress("measure", done, total),
    )
    task = ImageTask(
        address, panel.digest, images.absolute(), home.absolute(), identity, total, tars
    )

    inputs = ShardInputs.of_images(home)
    given = inputs.given(
        labelled.missing(), lambda shard: json.dumps(names[shard.start : shard.stop]).encode()
    )

    def ended() -> Iterator[Finished]:
        if execution.engine is not None:
            yield from run(execution.engine, task, given)
            return
        for shard in given:
            task.write(panel, shard, execution.workers)
            yield Finished(shard)

    with alone(home):
        labelled.finish(inputs.taken(ended()))
    parts: list[Labels] = []
    marked: int | None = 0
    for number in range(-(-total // size)):
        table = stored.read(_table_name(number))
        parts.append(from_table(table, panel.grid))
        if marked is not None:
            known = _MARKED in table.column_names
            marked = marked + int(table[_MARKED].to_numpy().sum()) if known else None
    return concatenate(parts), marked


def _table_name(number: int) -> str:
    return f"labels-{number:05d}.parquet"


@dataclass(frozen=True)
class ImageTask:
    """What a worker needs to label shards of images.

    Attributes
    ----------
    address : PanelAddress
    panel : str
        Digest of the panel. A worker that opens another is refused.
    images, home : Folder
        Where the images are, and where labels are written; every worker must reach both.
    identity : str
        Of the labels.
    total : int
        Tars or files.
    tars : bool
        Whether they are tars.
    """

    address: PanelAddress
    panel: str
    images: Folder
    home: Folder
    identity: str
    total: int
    tars: bool

    def open(self) -> Callable[[Shard], None]:
        """Open the panel, and return what labels one shard.

        Raises
        ------
        InputError
            When the panel is not that of the measurement.
        """
        panel = self.address.open()
        check_opened("the measurement", panel.digest, self.panel)
        return lambda shard: self.write(panel, shard)

    def write(self, panel: ClassifierPanel, shard: Shard, workers: int | None = None) -> None:
        """Label one shard by an opened panel."""
        began = time.monotonic()
        names = parse_json(ShardInputs.of_images(self.home).read(shard))
        marked: list[bool] = []
        sources = (
            _in_tars(self.images, names, marked) if self.tars else _in_files(self.images, names)
        )
        parts = list(label_sources(sources, panel, workers=workers))
        if not parts:
            raise FileFormatError(
                f"tar {self.images / names[0]}" if names else f"folder {self.home}",
                f"must hold images ({', '.join(SUFFIXES)})",
                "none",
                "Leave it out.",
            )
        stored = ResumableFolder(self.home, self.identity, "labels of these images")
        columns = to_columns(concatenate(parts))
        if self.tars:
            columns[_MARKED] = pa.array(marked)
        name = _table_name(shard.number)
        stored.write_shard(
            name, pa.table(columns), total=self.total, device=self.address.device, began=began
        )


def _in_files(images: Folder, names: Sequence[str]) -> Iterator[Source]:
    assert isinstance(images, LocalFolder)
    return (partial(read_image, images.path / name) for name in names)


def _in_tars(images: Folder, names: Sequence[str], marked: list[bool]) -> Iterator[Source]:
    """Yield a function for each image of tars that decodes it, and append whether it is marked."""
    for name in names:
        try:
            with images.opened(name) as file, tarfile.open(fileobj=file, mode="r|") as tar:
                for member in tar:
                    if not member.isfile() or Path(member.name).suffix.lower() not in SUFFIXES:
                        continue
                    if member.size > _LARGEST_IMAGE:
                        raise ValueError(f"an image of {member.size:,} bytes")
                    packed = tar.extractfile(member)
                    assert packed is not None
                    content = packed.read()
                    marked.append(is_marked(content))
                    yield partial(_decoded, f"{images / name}, {member.name}", content)
        except (tarfile.TarError, ValueError, EOFError) as error:
            raise FileFormatError(
                f"tar {images / name}", "must be a whole tar", str(error), "Make it again."
            ) from error


def _decoded(where: str, content: bytes) -> NDArray[np.uint8]:
    try:
        return decoded(content)
    # Whatever a decoder trips over, it is the image that is wrong.
    except Exception as error:
        rule = f"must be a whole, opaque picture ({', '.join(FORMATS)})"
        raise FileFormatError(f"image {where}", rule, str(error), "Make its tar again.") from error
