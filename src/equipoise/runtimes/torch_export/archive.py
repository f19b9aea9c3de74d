"""What a `.pt2` file holds: a graph as JSON, and tensors as raw numbers.

Names are those of torch 2.13's `torch/_export/serde/schema.py`, version 8.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from equipoise.core.errors import FileFormatError
from equipoise.core.files import parse_json
from equipoise.runtimes.tensor_views import bounded, checked_view
from equipoise.runtimes.torchscript import check_archive

SCHEMA = 8
"""Major version of the graph's format."""

DTYPES = {
    1: torch.uint8,
    2: torch.int8,
    3: torch.int16,
    4: torch.int32,
    5: torch.int64,
    6: torch.float16,
    7: torch.float32,
    8: torch.float64,
    12: torch.bool,
    13: torch.bfloat16,
}
"""Types of numbers, by the schema's `ScalarType`."""

_LARGEST_GRAPH = 64 * 2**20
_REMEDY = "Export it again by torch.export.save, or bring it as module:object."


@dataclass(frozen=True, eq=False)
class Exported:
    """A network as it was saved.

    Attributes
    ----------
    graph : mapping
        `GraphModule` of the schema: graph and signature.
    tensors : mapping of str to torch.Tensor
        Parameters, buffers and constants, by their dotted names.
    """

    graph: Mapping[str, Any]
    tensors: Mapping[str, torch.Tensor]


def refused(path: Path, rule: str, error: Exception) -> FileFormatError:
    """Return the error of a file that breaks a rule, by what was raised when it was read."""
    # What we raise ourselves says what it is about.
    got = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
    return FileFormatError(f"model file {path}", rule, got[:200], _REMEDY)


def read_exported(path: Path, content: bytes) -> Exported:
    """Read a file that torch.export.save wrote. Nothing of it is run or unpickled.

    Raises
    ------
    FileFormatError
        When it is damaged, packed, of another version, or holds tensors as pickles.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            check_archive(archive, len(content))
            return _read(archive)
    except (
        *(zipfile.BadZipFile, NotImplementedError, EOFError, RecursionError),
        *(KeyError, TypeError, AttributeError, ValueError, RuntimeError),
    ) as error:
        raise refused(path, "must be whole and as torch.export.save writes it", error) from error


def _read(archive: zipfile.ZipFile) -> Exported:
    heads = [name for name in archive.namelist() if name.endswith("/models/model.json")]
    if len(heads) != 1:
        raise ValueError(f"{len(heads)} models/model.json")
    root = heads[0].removesuffix("models/model.json")
    if f"{root}byteorder" in archive.namelist() and archive.read(f"{root}byteorder") != b"little":
        raise ValueError("most significant bytes first")
    saved = _json(archive, heads[0])
    version = saved["schema_version"]["major"]
    if version != SCHEMA:
        raise ValueError(f"version {version} of the graph's format; {SCHEMA} is known")
    weights = _tensors(archive, f"{root}data/weights/", "model_weights_config.json")
    constants = _tensors(archive, f"{root}data/constants/", "model_constants_config.json")
    return Exported(saved["graph_module"], {**weights, **constants})


def _json(archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    if archive.getinfo(name).file_size > _LARGEST_GRAPH:
        raise ValueError(f"{name} of over 64 MiB")
    found = parse_json(archive.read(name))
    if not isinstance(found, dict):
        raise ValueError(f"no object in {name}")
    return found


def _tensors(archive: zipfile.ZipFile, folder: str, config: str) -> dict[str, torch.Tensor]:
    """Return the tensors of a folder, each a copy, by their dotted names."""
    return dict(bounded(_copies(archive, folder, config)))


def _copies(
    archive: zipfile.ZipFile, folder: str, config: str
) -> Iterator[tuple[str, torch.Tensor]]:
    for name, payload in _json(archive, folder + config)["config"].items():
        if payload["use_pickle"] or payload["tensor_meta"] is None:
            raise ValueError(f"{name} as a pickle or an object")
        meta = payload["tensor_meta"]
        dtype = DTYPES[meta["dtype"]]
        stored = bytearray(archive.read(folder + payload["path_name"]))
        flat = torch.frombuffer(stored, dtype=dtype) if stored else torch.empty(0, dtype=dtype)
        sizes, strides = ([n["as_int"] for n in meta[key]] for key in ("sizes", "strides"))
        yield name, checked_view(flat, sizes, strides, meta["storage_offset"]["as_int"])
