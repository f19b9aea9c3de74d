"""A run or an export to the Hugging Face hub: the files that go, and their upload.

A run goes as a model: samplers, record, settings, report and pictures, with its card as README.md.
An export of images goes as a data set.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from equipoise.core.completion import SUFFIX
from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.plugins import install, load_library
from equipoise.runs.folder import RunFolder
from equipoise.samplers.export.metadata import METADATA
from equipoise.samplers.remote_file import REPOSITORY, hub_errors

_ADDRESS = re.compile(f"hf://{REPOSITORY}")

MOST_FILES = 10_000
"""Files that go in one commit; the hub is slow with more."""

_NOT_OF_AN_EXPORT = ("labels", "view")
"""Folders beside the images of an export: the labels that draws by context rest on, and pages."""

_OF_A_RUN = ("sampler*.safetensors", "record.json", "card.json", "settings.toml", "report.html")


@dataclass(frozen=True)
class Push:
    """What goes to the hub.

    Attributes
    ----------
    name : str
        Repository, "user/name".
    kind : str
        "model" or "dataset".
    files : dict of str to Path
        From the name in the repository to the file here.
    """

    name: str
    kind: str
    files: dict[str, Path]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(path.stat().st_size for path in self.files.values())


def plan_push(place: Path | str, address: str) -> Push:
    """Return what goes to the hub of a run folder or an export.

    Parameters
    ----------
    place : Path
        A finished run, or a folder that `equipoise sample` wrote.
    address : str
        "hf://user/name".

    Raises
    ------
    InputError
        When the address is none, or the export has too many files.
    FileFormatError
        When the folder is neither.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise InputError("address", "must be hf://user/name", address, "Correct it.")
    home = Path(place)
    if (home / "card.md").is_file():
        paths = [path for pattern in _OF_A_RUN for path in home.glob(pattern)]
        paths += (RunFolder(home).path / "pictures").glob("*.png")
        kind, own = "model", {"README.md": home / "card.md"}
    elif (home / "dataset.json").is_file() or (home / METADATA).is_file():
        paths = [
            path
            for path in home.rglob("*")
            if path.is_file() and not path.name.startswith(".") and not path.name.endswith(SUFFIX)
            if path.relative_to(home).parts[0] not in _NOT_OF_AN_EXPORT
        ]
        kind, own = "dataset", {}
    else:
        raise FileFormatError(
            f"folder {home}",
            f"must hold card.md of a finished run, or {METADATA} or dataset.json of an export",
            "none of them",
            "Name the folder that `equipoise balance` or `equipoise sample` finished.",
        )
    files = own | {path.relative_to(home).as_posix(): path for path in sorted(paths)}
    if links := [name for name, path in files.items() if path.is_symlink()]:
        raise InputError(f"file {home / links[0]}", "must be no link", links[0], "Copy the file.")
    if len(files) > MOST_FILES:
        raise InputError(
            f"folder {home}",
            f"must have at most {MOST_FILES:,} files",
            f"{len(files):,}",
            "Draw it with `equipoise sample --format webdataset`, which makes few large files, or "
            "draw fewer images of each context.",
        )
    return Push(found["name"], kind, files)


def push(planned: Push, *, public: bool = False) -> str:
    """Upload what `plan_push` found in one commit, and return the address of the commit.

    The repository is made where there is none, private unless `public` is given. The login is that
    of huggingface_hub; `HF_ENDPOINT` names another hub.

    Raises
    ------
    InputError
        When huggingface_hub is not installed.
    RemoteError
        When the hub does not take it.
    """
    hub = load_library("a push", "huggingface_hub", f"{install('hf')}.")
    api = hub.HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
    added = [hub.CommitOperationAdd(name, str(path)) for name, path in planned.files.items()]
    with hub_errors(
        f"hf://{planned.name}",
        "must take the files",
        "Check the network and HF_ENDPOINT, log in with `hf auth login`, and give the same command "
        "again.",
    ):
        api.create_repo(planned.name, repo_type=planned.kind, private=not public, exist_ok=True)
        done = api.create_commit(
            planned.name, added, commit_message="Add by Equipoise", repo_type=planned.kind
        )
    return str(done.commit_url)
