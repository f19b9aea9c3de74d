"""The description of a finished export: dataset.json, croissant.json and README.md beside it.

Counts are merged from the tables of metadata, so they are those of the files.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from equipoise.classifiers.models import Models
from equipoise.core.completion import read_completion
from equipoise.core.devices import device_type
from equipoise.core.errors import FileFormatError
from equipoise.core.folders import Folder
from equipoise.core.records import to_json
from equipoise.core.threads import mapped
from equipoise.core.versions import versions
from equipoise.samplers.export.croissant import (
    FILE,
    column_types,
    of_sampler,
    shards_distribution,
    to_croissant,
)
from equipoise.samplers.export.dataset_card import FILE as CARD
from equipoise.samplers.export.dataset_card import TARS, WEIGHTED, cell_table, dataset_card, reading
from equipoise.samplers.job import DrawRequest
from equipoise.samplers.sampler import Sampler


@dataclass(frozen=True)
class CellCount:
    """Images of one cell.

    Attributes
    ----------
    cell : str
        "unknown" for images that the classifiers abstained on.
    requested, achieved : int
        Images that were drawn for it, and that came out so.
    weight : float
        Sum of the weights of those that came out so.
    """

    cell: str
    requested: int
    achieved: int
    weight: float


@dataclass(frozen=True)
class DatasetDescription:
    """What an export holds, and what it was drawn by.

    Attributes
    ----------
    images, shards : int
    cells : tuple of CellCount
        In the order of the cells; unknown images last, where there are some.
    seed : int
    verified : bool
    faithful : str or None
        As of the request.
    sampler, panel : str
        Digests.
    generator : str
    device : str
        Type of the device that made the images; several, where they are mixed, joined by commas.
    classifiers : tuple of str
        Names of those that gave the labels.
    versions : dict of str to str
        Of the libraries that wrote this description.
    """

    images: int
    shards: int
    cells: tuple[CellCount, ...]
    seed: int
    verified: bool
    faithful: str | None
    sampler: str
    panel: str
    generator: str
    device: str
    classifiers: tuple[str, ...]
    versions: dict[str, str]


def describe_export(
    home: Folder, tables: list[str], sampler: Sampler, models: Models, request: DrawRequest
) -> DatasetDescription:
    """Describe a finished export, and write dataset.json and README.md.

    Parameters
    ----------
    home : Folder
    tables : list of str
        Names of the tables of metadata, one a shard.
    sampler, models, request
        What the images were drawn by.

    Raises
    ------
    FileFormatError
        When a table is missing or damaged, or the images of all are not those asked for.
    StorageError
        When a file cannot be written.
    """

    def read(name: str) -> list[tuple[str, str, float]]:
        try:
            content = pa.BufferReader(home.read(name) or b"")
            table = pq.read_table(content, columns=["requested", "achieved", "weight"])
            return list(zip(*(column.to_pylist() for column in table.columns), strict=True))
        except (pa.ArrowException, OSError, ValueError) as error:
            raise FileFormatError(
                f"metadata {home / name}",
                "must be a whole Parquet file with requested, achieved and weight",
                str(error).partition("\n")[0],
                "Delete its .done.json, and run the same command again.",
            ) from error

    requested, achieved = Counter[str](), Counter[str]()
    weights: defaultdict[str, float] = defaultdict(float)
    for rows in mapped(read, tables, home.at_a_time):
        for wanted, seen, weight in rows:
            requested[wanted] += 1
            achieved[seen] += 1
            weights[seen] += weight
    if achieved.total() != request.n:
        raise FileFormatError(
            f"export {home}",
            f"must have metadata of {request.n:,} images",
            f"{achieved.total():,}",
            "Delete the .done.json of shards whose metadata is short, and run the command again.",
        )
    grid = models.panel.grid
    unknown = [name for name in achieved if name not in grid.cells]
    found = DatasetDescription(
        images=request.n,
        shards=len(tables),
        cells=tuple(
            CellCount(cell, requested[cell], achieved[cell], weights[cell])
            for cell in (*grid.cells, *unknown)
        ),
        seed=request.seed,
        verified=request.verified,
        faithful=request.faithful,
        sampler=sampler.digest,
        panel=models.panel.digest,
        generator=models.generator.name,
        device=_devices(home, tables, models),
        classifiers=tuple(classifier.name for classifier in models.panel.classifiers),
        versions=versions(),
    )
    _write(home, "dataset.json", json.dumps(to_json(found), indent=1) + "\n")
    name = str(home).rstrip("/").rpartition("/")[2]
    _write(home, CARD, _page(name, found))
    counts = {cell.cell: cell.achieved for cell in found.cells}
    text = to_croissant(
        name,
        of_sampler(sampler.generator, sampler.digest, request, counts),
        column_types(_columns(home, tables[0]), grid),
        shards_distribution(),
    )
    _write(home, FILE, text)
    return found


def _devices(home: Folder, tables: Sequence[str], models: Models) -> str:
    """Return the types of device that the shards name, joined by commas."""
    if not models.mixed_devices:
        return device_type(models.generator.device)
    tars = [f"{Path(table).stem}.tar" for table in tables]
    done = mapped(lambda tar: read_completion(home, tar), tars, home.at_a_time)
    return ", ".join(sorted({device_type(found.device) for found in done if found is not None}))


def _columns(home: Folder, table: str) -> list[str]:
    """Return the columns of a table that was read before."""
    names: list[str] = pq.read_schema(pa.BufferReader(home.read(table) or b"")).names
    return names


def _write(home: Folder, name: str, text: str) -> None:
    with home.writing(name) as part:
        part.write_text(text, encoding="utf-8")


def _page(name: str, found: DatasetDescription) -> str:
    kind = "verified draws" if found.verified else "one-shot draws"
    rows = [
        (one.cell, f"{one.requested:,}", f"{one.achieved:,}", f"{one.weight:,.1f}")
        for one in found.cells
    ]
    body = [
        f"{found.images:,} {kind} of the generator {found.generator}, seed {found.seed}, in "
        f"{found.shards:,} tars of the WebDataset layout. `NNNNN.parquet` is the metadata of "
        "`NNNNN.tar`. `dataset.json` holds the numbers of this page.",
        "",
        *cell_table(("cell", "requested", "achieved", "weight"), rows),
        "",
        reading(found.classifiers),
        "",
        WEIGHTED,
    ]
    return dataset_card(name, found.images, TARS, body)
