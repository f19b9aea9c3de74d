"""Models behind HTTP services, described in TOML.

`open_remote` opens a classifier, `open_remote_describer` a model of descriptors.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from equipoise.classifiers.remote.answers import AnswerReading
from equipoise.classifiers.remote.cached_service import UsageStats
from equipoise.classifiers.remote.classifier import RemoteClassifier
from equipoise.classifiers.remote.describer import RemoteDescriber
from equipoise.classifiers.remote.description import Answer, Description
from equipoise.classifiers.remote.toml_file import (
    make_description,
    read_description,
    read_descriptor_description,
)
from equipoise.core.errors import InputError
from equipoise.runtimes import zoo
from equipoise.runtimes.http.answer_cache import AnswerCache
from equipoise.runtimes.http.service import HttpRequest
from equipoise.runtimes.http.transport import Transport

__all__ = [
    "SERVICES",
    "Description",
    "RemoteClassifier",
    "RemoteDescriber",
    "UsageStats",
    "connect",
    "make_description",
    "open_remote",
    "open_remote_describer",
    "read_description",
]

SERVICES = ("facepp", "rekognition")
"""Services whose descriptions come with the package."""


def open_remote(
    name: str | Path, *, folder: Path | None = None, origin: str | None = None
) -> RemoteClassifier:
    """Open the classifier behind a service.

    Parameters
    ----------
    name : str or Path
        A .toml file, or one of `SERVICES`.
    folder : Path, optional
        Folder of the answer cache; by default "remote" in the cache folder of the zoo.
    origin : str, optional
        Scheme, host and port that replace those of the file: "http://127.0.0.1:8700".

    Raises
    ------
    InputError
        When the name, the file or a key is wrong, or a library is missing.
    StorageError
        When the folder cannot be written.
    """
    if str(name) in SERVICES:
        with resources.as_file(resources.files(__package__) / f"{name}.toml") as path:
            description = read_description(path)
    elif str(name).endswith(".toml"):
        description = read_description(Path(name))
    else:
        raise InputError(
            "remote classifier",
            f"must be a .toml file or one of {', '.join(SERVICES)}",
            str(name),
            "docs/remote-classifiers.md shows how to describe a service.",
        )
    return connect(description.at(origin) if origin else description, folder)


def connect(
    description: Description[AnswerReading], folder: Path | None = None
) -> RemoteClassifier:
    """Open the classifier of a description; see `open_remote`."""
    return RemoteClassifier(description, _transport(description), _cache(folder))


def open_remote_describer(path: Path, *, folder: Path | None = None) -> RemoteDescriber:
    """Open the model of descriptors behind a service.

    Parameters
    ----------
    path : Path
        A .toml file.
    folder : Path, optional
        As for `open_remote`.

    Raises
    ------
    InputError, StorageError
        As `open_remote`.
    """
    description = read_descriptor_description(path)
    return RemoteDescriber(description, _transport(description), _cache(folder))


def _cache(folder: Path | None) -> AnswerCache:
    return AnswerCache(folder or zoo.cache_folder() / "remote")


def _transport(description: Description[Answer]) -> Transport:
    limits = description.limits
    if isinstance(description.request, HttpRequest):
        from equipoise.runtimes.http.transport import HttpTransport

        return HttpTransport(
            description.request,
            description.picture.media_type,
            limits.time_out,
            limits.concurrency,
        )
    from equipoise.classifiers.remote.rekognition import RekognitionTransport, open_client

    return RekognitionTransport(
        open_client(description.request, limits.time_out, limits.concurrency)
    )
