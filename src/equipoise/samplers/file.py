"""Samplers as files, without pickle.

A file is safetensors: arrays, and one text that holds the digest of everything and JSON: generator,
cells, target, weights, settings and statements. Loading runs no code from it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from equipoise.core.attributes import Attribute, AttributeGrid
from equipoise.core.errors import FileFormatError
from equipoise.core.files import atomic_path, parse_json
from equipoise.core.reasons import reason_of
from equipoise.core.records import from_json, to_json
from equipoise.core.targets import Target
from equipoise.core.versions import versions
from equipoise.generators.base import Generator
from equipoise.samplers.mixture import MixtureSource
from equipoise.samplers.remote_file import SAMPLER_FILE, fetched
from equipoise.samplers.sampler import (
    GeneratorRef,
    LatentSource,
    Sampler,
    digest_arrays,
    grid_to_json,
)
from equipoise.samplers.statements import ModeStatement
from equipoise.samplers.tilt import TiltSource

_FORMAT = 3
_LARGEST_FILE = 4 * 2**30
_REMEDY = "Make the sampler again with `equipoise balance`."
_SOURCES: dict[str, Any] = {source.method: source for source in (MixtureSource, TiltSource)}


def save_sampler(sampler: Sampler, path: Path | str) -> None:
    """Write the sampler to a safetensors file, whole or not at all.

    Raises
    ------
    StorageError
        When the file cannot be written.
    """
    tensors = {k: np.ascontiguousarray(v) for k, v in sampler.source.tensors().items()}
    metadata = {
        "format": _FORMAT,
        "method": sampler.source.method,
        "generator": vars(sampler.generator),
        "attributes": grid_to_json(sampler.grid),
        "target": {"text": sampler.target.text, "shares": sampler.target.shares.tolist()},
        "weights": sampler.weights.tolist(),
        "parameters": dict(sampler.source.parameters()),
        "settings": dict(sampler.settings),
        "panel": sampler.panel,
        "statements": to_json(sampler.statements),
        "versions": versions(),
    }
    text = json.dumps(metadata)
    with atomic_path(Path(path)) as part:
        # One key of metadata alone: safetensors writes several in random order.
        described = {"equipoise": f"{digest_arrays(tensors, text)}\n{text}"}
        part.write_bytes(safetensors.numpy.save(tensors, described))


def load_sampler(
    path: Path | str, generator: Generator | None = None, *, digest: str | None = None
) -> Sampler:
    """Read a sampler file; no code from it is run.

    Parameters
    ----------
    path : Path or str
        A file that `save_sampler` wrote, or its address: "hf://user/name" on the Hugging Face hub,
        with "@revision" and "/file" where they are not main and sampler.safetensors, or
        "s3://bucket/folder/sampler.safetensors" in any store that fsspec knows.
    digest : str, optional
        `Sampler.digest` that is expected, or its first 12 or more digits.
    generator : Generator, optional
        The one that the sampler was made for. A tilt draws through the generator's stem, so it
        needs it; a mixture does not.

    Raises
    ------
    FileFormatError
        When the file is missing, damaged, cut, too large, no sampler, of another digest, or of
        another generator.
    RemoteError
        When the hub does not give it.
    """
    path = fetched(path, _LARGEST_FILE)
    where = f"sampler file {path}"
    if (path / SAMPLER_FILE).is_file():
        inside = f"Give the sampler in it, {path / SAMPLER_FILE}."
        raise FileFormatError(where, "must be a file", "the folder of a run", inside)
    if not path.is_file():
        raise FileFormatError(where, "must exist", "no such file", f"Correct the path. {_REMEDY}")
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise FileFormatError(where, "must be under 4 GiB", path.stat().st_size, _REMEDY)
        with safetensors.safe_open(path, framework="numpy") as stored:
            kinds = stored.metadata() or {}
            described = kinds.get("equipoise")
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    except (
        *(OSError, safetensors.SafetensorError),
        *(TypeError, AttributeError, ValueError),  # kinds of numbers that NumPy does not have
    ) as error:
        if isinstance(error, FileFormatError):
            raise
        raise FileFormatError(where, "must be a whole safetensors file", error, _REMEDY) from error
    if described is None or described.startswith("{"):
        given = _other_kind(kinds, described)
        remedy = "Give the sampler.safetensors of a run folder, or make one with `balance`."
        raise FileFormatError(where, "must be a sampler", given, remedy)
    written, _, text = described.partition("\n")
    if written != digest_arrays(tensors, text):
        raise FileFormatError(
            where, "must hold what was saved, to the byte", "another digest", _REMEDY
        )
    try:
        metadata = parse_json(text)
        if metadata["format"] != _FORMAT or metadata["method"] not in _SOURCES:
            raise FileFormatError(
                where,
                f"must have format {_FORMAT} and a method of {', '.join(_SOURCES)}",
                f"format {metadata['format']} and method {metadata['method']!r}",
                "Update Equipoise, or make the sampler again.",
            )
        if not isinstance(metadata["settings"], dict):
            raise TypeError("settings must be an object")
        grid = _grid_from_json(metadata["attributes"])
        target = Target(
            grid, np.array(metadata["target"]["shares"]), str(metadata["target"]["text"])
        )
        made_for = GeneratorRef(**metadata["generator"])
        source: LatentSource = _SOURCES[metadata["method"]].from_stored(
            tensors, metadata["parameters"], grid, made_for.dim, where
        )
        weights = np.array(metadata["weights"], dtype=np.float64)
        statements = from_json(metadata["statements"], tuple[ModeStatement, ...], where, _REMEDY)
        sampler = Sampler(
            made_for,
            target,
            weights,
            source,
            metadata["settings"],
            str(metadata["panel"]),
            statements,
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, FileFormatError):
            raise
        raise FileFormatError(
            where, "must have whole metadata", reason_of(error), _REMEDY
        ) from error
    if digest is not None and (len(digest) < 12 or not sampler.digest.startswith(digest)):
        remedy = "Load the file that was meant, or leave the digest out."
        raise FileFormatError(where, f"must have the digest {digest}", sampler.digest, remedy)
    return sampler if generator is None else sampler.bound(generator)


def _other_kind(metadata: dict[str, str], described: str | None) -> str:
    """Return what a safetensors file is that holds no sampler."""
    if any(key.startswith("equipoise.") for key in metadata):
        return "a generator that `equipoise convert` wrote"
    if described is None:
        return "a safetensors file of another program"
    known = "directions" if '"normals"' in described else "counterfactual codes"
    return f"{known} of Equipoise"


def _grid_from_json(items: list[dict[str, Any]]) -> AttributeGrid:
    return AttributeGrid(
        tuple(Attribute(i["name"], tuple(i["levels"]), i["ordered"]) for i in items)
    )
