"""The description of an export in Croissant 1.1, with its vocabulary of responsible AI.

MLCommons, "Croissant Format Specification", version 1.1, and "Croissant RAI", version 1.0. Readers
of data sets, such as those of hubs and of TensorFlow Datasets, load an export by it.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from equipoise.core.attributes import AttributeGrid
from equipoise.core.errors import FileFormatError
from equipoise.core.files import digest_of, parse_json, write_text
from equipoise.core.synthetic_mark import SOURCE_TYPE
from equipoise.samplers.export.metadata import METADATA
from equipoise.samplers.job import DrawRequest
from equipoise.samplers.sampler import GeneratorRef

FILE = "croissant.json"

_CR, _RAI = "http://mlcommons.org/croissant/", "http://mlcommons.org/croissant/RAI/"
_TERMS = (
    *("arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract", "field"),
    *("fileProperty", "fileObject", "fileSet", "format", "includes", "isArray", "isLiveDataset"),
    *("jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex"),
    *("repeated", "replace", "samplingRate", "separator", "source", "subField", "transform"),
)
"""Terms of the context that stand for those of Croissant of the same name."""

_NATURES: Mapping[type, str] = {int: "sc:Integer", float: "sc:Float", str: "sc:Text"}

Distribution = Sequence[dict[str, Any]]


def folder_distribution(table: Path) -> Distribution:
    """Return the files of a folder: its table of metadata, and its pictures."""
    return (
        _file(table, "text/csv"),
        _files("pictures", "images/*.png", "image/png"),
    )


def shards_distribution() -> Distribution:
    """Return the files of an export in shards: tables of metadata, and tars of pictures."""
    return (
        _files("metadata", "*.parquet", "application/x-parquet"),
        _files("pictures", "*.tar", "application/x-tar"),
    )


def _in_tar(tar: Path) -> Distribution:
    """Return the files in a tar, a picture and a document for each image, and the tar."""
    archive = _file(tar, "application/x-tar") | {"@id": _TAR}
    inside = {"containedIn": {"@id": _TAR}}
    return (
        _files("pictures", "*.png", "image/png") | inside,
        _files("metadata", "*.json", "application/json") | inside,
        archive,
    )


_TAR = "tar"
_PICTURES = (
    (
        "file_name",
        "sc:Text",
        {"fileSet": {"@id": "pictures"}, "extract": {"fileProperty": "filename"}},
    ),
    (
        "image",
        "sc:ImageObject",
        {"fileSet": {"@id": "pictures"}, "extract": {"fileProperty": "content"}},
    ),
)
"""Fields of the pictures in a tar. Of documents in one, readers of Croissant extract none."""


def tarred(description: str) -> str:
    """Return the description of a folder whose pictures have gone into tars beside its table.

    Raises
    ------
    FileFormatError
        When it is none.
    """
    try:
        found = parse_json(description)
        found["distribution"][1] = _files("pictures", "*.tar", "application/x-tar")
    except (LookupError, TypeError, ValueError) as error:
        raise FileFormatError(
            FILE,
            "must be as Equipoise wrote it",
            f"{type(error).__name__}: {error}",
            "Give the command that drew the folder again.",
        ) from error
    return _text(found)


def _text(found: dict[str, Any]) -> str:
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def _file(path: Path, kind: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": path.name,
        "name": path.name,
        "contentUrl": path.name,
        "encodingFormat": kind,
        "sha256": digest_of(path),
    }


def _files(name: str, includes: str, kind: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": name,
        "name": name,
        "includes": includes,
        "encodingFormat": kind,
    }


def column_types(columns: Sequence[str], grid: AttributeGrid) -> dict[str, type]:
    """Return the type of each column of metadata, as `metadata_rows` writes them."""
    texts = {"file_name", "context", "proposal", "requested", "achieved", *grid.names}
    numbers = {"seed": int, "index": int}
    return {name: str if name in texts else numbers.get(name, float) for name in columns}


def of_sampler(
    generator: GeneratorRef, sampler: str, request: DrawRequest, counts: Mapping[str, int]
) -> str:
    """Return in words what the images of a sampler are.

    Parameters
    ----------
    generator : GeneratorRef
    sampler : str
        Digest of the sampler that drew the images.
    request : DrawRequest
    counts : mapping of str to int
        Images of each cell, as classifiers read them.
    """
    mix = ", ".join(f"{cell}: {count:,}" for cell, count in counts.items())
    kept = "not verified"
    if request.verified:
        mode = "" if request.faithful is None else f" in the mode {request.faithful}"
        kept = f"verified by classifiers{mode}, for means under the column weight"
    return (
        f"{sum(counts.values()):,} synthetic images, drawn from the generator {generator.name} "
        f"(SHA-256 {generator.digest}) by the sampler {sampler}, seed {request.seed}, {kept}. "
        f"Images by cell: {mix}."
    )


def describe_folder(folder: Path, grid: AttributeGrid, description: str) -> None:
    """Write croissant.json beside the metadata of a folder of images.

    Parameters
    ----------
    folder : Path
    grid : AttributeGrid
        Of the metadata.
    description : str
        What the images are.

    Raises
    ------
    StorageError
        When the file cannot be written.
    """
    table = folder / METADATA
    with table.open(encoding="utf-8", newline="") as file:
        columns = column_types(next(csv.reader(file)), grid)
    files = folder_distribution(table)
    write_text(folder / FILE, to_croissant(folder.resolve().name, description, columns, files))


def describe_file(path: Path, kind: str, description: str) -> None:
    """Write PATH.croissant.json beside a tar or an npz file of images.

    Parameters
    ----------
    path : Path
    kind : str
        "npz" or "tar".
    description : str
        What the images are.

    Raises
    ------
    StorageError
        When the file cannot be written.
    """
    if kind == "npz":
        # Croissant has no way to name the arrays of one.
        found = _data_set(path.stem, description, [_file(path, "application/x-npz")], [])
    else:
        found = _data_set(path.stem, description, _in_tar(path), _PICTURES)
    write_text(path.with_name(f"{path.name}.{FILE}"), _text(found))


def to_croissant(
    name: str, description: str, columns: Mapping[str, type], distribution: Distribution
) -> str:
    """Return the description of an export as JSON-LD.

    Parameters
    ----------
    name : str
        Of the data set.
    description : str
        What the images are.
    columns : mapping of str to type
        Type of each column of metadata.
    distribution : sequence of dict
        As of `folder_distribution` or `shards_distribution`; the first has the metadata.
    """
    table = distribution[0]
    where = {"cr:FileObject": "fileObject", "cr:FileSet": "fileSet"}[table["@type"]]
    fields = [
        (column, _NATURES[kind], {where: {"@id": table["@id"]}, "extract": {"column": column}})
        for column, kind in columns.items()
    ]
    return _text(_data_set(name, description, distribution, fields))


def _data_set(
    name: str,
    description: str,
    distribution: Distribution,
    fields: Sequence[tuple[str, str, dict[str, Any]]],
) -> dict[str, Any]:
    """Return a data set whose records have fields of a name, a type and a source."""
    found = {
        "@context": _context(),
        "@type": "sc:Dataset",
        "conformsTo": [f"{_CR}1.1", f"{_RAI}1.0"],
        "name": name,
        "description": description,
        "version": "1.0.0",
        "isLiveDataset": False,
        "distribution": list(distribution),
        "rai:dataCollection": f"Generated, not collected: {SOURCE_TYPE}.",
        "rai:dataCollectionType": "Synthetic data generation",
        "rai:machineAnnotationTools": "Attributes are the predictions of classifiers.",
        "rai:dataBiases": "The mix of attributes is what classifiers read, and as true as they are "
        "right. What they do not read follows the generator's training data.",
        "rai:dataLimitations": "Synthetic images reveal failures of a model; they do not certify "
        "its performance on photographs.",
        "rai:dataUseCases": "Audits of classifiers, of face verification and of super-resolution.",
        "rai:personalSensitiveInformation": "No picture is of a person. A generator can repeat "
        "pictures of its training data.",
    }
    if fields:
        records = {
            "@type": "cr:RecordSet",
            "@id": "images",
            "name": "images",
            "description": "One record an image.",
            "field": [
                {
                    "@type": "cr:Field",
                    "@id": f"images/{field}",
                    "name": field,
                    "dataType": kind,
                    "source": source,
                }
                for field, kind, source in fields
            ],
        }
        found["recordSet"] = [records]
    return found


def _context() -> dict[str, Any]:
    """Return the context that the specification prescribes."""
    fixed = {
        "@language": "en",
        "@vocab": "https://schema.org/",
        "conformsTo": "dct:conformsTo",
        "cr": _CR,
        "rai": _RAI,
        "data": {"@id": "cr:data", "@type": "@json"},
        "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
        "dct": "http://purl.org/dc/terms/",
        "description": {"@container": "@language"},
        "examples": {"@id": "cr:examples", "@type": "@json"},
        "name": {"@container": "@language"},
        "sc": "https://schema.org/",
    }
    return {**fixed, **{term: f"cr:{term}" for term in _TERMS}}
