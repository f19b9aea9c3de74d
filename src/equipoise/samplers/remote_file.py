"""A sampler file from elsewhere: the Hugging Face hub, or an object store that fsspec knows.

Files of the hub are kept in the cache of huggingface_hub, others in that of Equipoise.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from equipoise.core.errors import FileFormatError, RemoteError
from equipoise.core.files import atomic_path, storage
from equipoise.core.folders import open_folder
from equipoise.core.plugins import install, load_library
from equipoise.runtimes.zoo import cache_folder

REPOSITORY = r"(?P<name>[\w.-]{1,96}/[\w.-]{1,96})"
"""Pattern of a name on the hub."""

_ADDRESS = re.compile(
    rf"hf:/{{1,2}}{REPOSITORY}(@(?P<revision>[\w.-]{{1,96}}))?(/(?P<file>.{{1,200}}))?"
)
"""A path turns two slashes into one."""

_STORED = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]+):/{1,2}(?P<folder>.+)/(?P<file>[^/]+)")
"""A file in a store; a scheme of one letter is a drive."""

SAMPLER_FILE = "sampler.safetensors"


@contextmanager
def hub_errors(where: str, rule: str, remedy: str) -> Iterator[None]:
    """Turn whatever the library, or what carries its requests, raises into a `RemoteError`."""
    try:
        yield
    except FileFormatError:
        raise
    except Exception as error:
        raise RemoteError(where, rule, f"{type(error).__name__}: {error}", remedy) from error


def fetched(path: Path | str, largest: int) -> Path:
    """Return a path as it is, and for an address the file that was fetched from there.

    Parameters
    ----------
    path : Path or str
        A path; "hf://user/name", "hf://user/name@revision" or "hf://user/name@revision/file", where
        `HF_ENDPOINT` names another hub; or the address of a file in a store, "s3://bucket/file".
    largest : int
        Bytes up to which a file is fetched.

    Raises
    ------
    InputError
        When the library of the hub or the store is not installed.
    FileFormatError
        When the file is larger, or a store has none.
    RemoteError
        When the hub does not give it.
    StorageError
        When the store does not answer.
    """
    if found := _ADDRESS.fullmatch(str(path)):
        return _of_hub(found, largest)
    if found := _STORED.fullmatch(str(path)):
        return _of_store(found, largest)
    return Path(path)


def shared_name(path: Path) -> Path:
    """Return what names a file alike in every process: an absolute path; an address as it is."""
    text = str(path)
    return path if _ADDRESS.fullmatch(text) or _STORED.fullmatch(text) else path.absolute()


def _of_hub(found: re.Match[str], largest: int) -> Path:
    hub = load_library("a sampler on the hub", "huggingface_hub", f"{install('hf')}.")
    where, file = f"hf://{found['name']}", found["file"] or SAMPLER_FILE
    place, endpoint = {"revision": found["revision"]}, os.environ.get("HF_ENDPOINT")
    with hub_errors(
        where,
        f"must have {file} at {found['revision'] or 'main'}",
        "Check name and revision, and log in with `hf auth login` where it is private.",
    ):
        address = hub.hf_hub_url(found["name"], file, endpoint=endpoint, **place)
        size = hub.get_hf_file_metadata(address, endpoint=endpoint).size
        if size is None or size > largest:
            raise FileFormatError(
                f"{file} of {where}", f"must be under {largest:,} bytes", size, "Name another file."
            )
        return Path(hub.hf_hub_download(found["name"], file, endpoint=endpoint, **place))


def _of_store(found: re.Match[str], largest: int) -> Path:
    folder, file = open_folder(f"{found['scheme']}://{found['folder']}"), found["file"]
    content = folder.read(file, largest + 1)
    if content is None or len(content) > largest:
        given = "no file" if content is None else "more"
        rule = f"must be there, of at most {largest:,} bytes"
        raise FileFormatError(f"file {folder / file}", rule, given, "Name another file.")
    kept = cache_folder() / "fetched" / f"{hashlib.sha256(content).hexdigest()}-{file}"
    if not kept.is_file():
        with storage(kept.parent):
            kept.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(kept) as part:
            part.write_bytes(content)
    return kept
