"""A sampler file from the Hugging Face hub, kept in the cache of huggingface_hub."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from equipoise.core.errors import FileFormatError, RemoteError
from equipoise.core.plugins import load_library

REPOSITORY = r"(?P<name>[\w.-]{1,96}/[\w.-]{1,96})"
"""Pattern of a name on the hub."""

_ADDRESS = re.compile(
    rf"hf:/{{1,2}}{REPOSITORY}(@(?P<revision>[\w.-]{{1,96}}))?(/(?P<file>.{{1,200}}))?"
)
"""A path turns two slashes into one."""

_FILE = "sampler.safetensors"


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
    """Return a path as it is, and for an address on the hub the file that was fetched from there.

    Parameters
    ----------
    path : Path or str
        A path, or "hf://user/name", "hf://user/name@revision" or "hf://user/name@revision/file".
        `HF_ENDPOINT` names another hub.
    largest : int
        Bytes up to which a file is fetched.

    Raises
    ------
    InputError
        When huggingface_hub is not installed.
    FileFormatError
        When the file is larger.
    RemoteError
        When the hub does not give it.
    """
    found = _ADDRESS.fullmatch(str(path))
    if found is None:
        return Path(path)
    hub = load_library("a sampler on the hub", "huggingface_hub", "pip install 'equipoise[hf]'.")
    where, file = f"hf://{found['name']}", found["file"] or _FILE
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
