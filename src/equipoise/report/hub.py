"""A run or an export to the Hugging Face hub: the files that go, and their upload.

A run goes as a model: samplers, record, settings, report and pictures, with its card as README.md.
An export of images goes as a data set; where it has many, they go as tars.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from equipoise.core.completion import SUFFIX
from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.plugins import install, load_library
from equipoise.report.trackers import TRACKER_FILES
from equipoise.runs.folder import RunFolder
from equipoise.samplers.export.metadata import METADATA
from equipoise.samplers.export.packing import listed_images, pack_folder, tar_names
from equipoise.samplers.remote_file import REPOSITORY, hub_errors

_ADDRESS = re.compile(f"hf://{REPOSITORY}")

MOST_FILES = 10_000
"""Files that go in one commit; the hub is slow with more."""

_NOT_OF_AN_EXPORT = ("labels", "view", "plots", "wandb", "tensorboard", *TRACKER_FILES)
"""What lies beside the images of an export and stays here: the labels that draws by context rest
on, pages, and what trackers were given."""

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
    packed : tuple of Path
        Images that go as tars.
    home : Path or None
        The folder that is pushed.
    """

    name: str
    kind: str
    files: dict[str, Path]
    packed: tuple[Path, ...] = ()
    home: Path | None = None

    @property
    def tars(self) -> tuple[str, ...]:
        """Names of the tars that the packed images go as."""
        return tar_names(len(self.packed))

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(path.stat().st_size for path in (*self.files.values(), *self.packed))


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
        When the address is none, or there are too many files.
    FileFormatError
        When the folder is neither, or its metadata do not list the images that it has.
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
            if path.is_file() and not path.name.endswith(SUFFIX)
            for parts in [path.relative_to(home).parts]
            if parts[0] not in _NOT_OF_AN_EXPORT
            if not any(part.startswith(".") for part in parts)
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
    packed: tuple[Path, ...] = ()
    if kind == "dataset" and len(files) > MOST_FILES and (home / METADATA).is_file():
        packed = listed_images(home)
        going = set(packed)
        files = {name: path for name, path in files.items() if path not in going}
    if len(files) > MOST_FILES:
        raise InputError(
            f"folder {home}",
            f"must have at most {MOST_FILES:,} files",
            f"{len(files):,}",
            "Draw it with `equipoise sample --format webdataset`, which makes few large files.",
        )
    return Push(found["name"], kind, files, packed, home)


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
    with (
        _whole(planned) as files,
        hub_errors(
            f"hf://{planned.name}",
            "must take the files",
            "Check the network and HF_ENDPOINT, log in with `hf auth login`, and give the same "
            "command again.",
        ),
    ):
        added = [hub.CommitOperationAdd(name, str(path)) for name, path in files.items()]
        api.create_repo(planned.name, repo_type=planned.kind, private=not public, exist_ok=True)
        done = api.create_commit(
            planned.name, added, commit_message="Add by Equipoise", repo_type=planned.kind
        )
    return str(done.commit_url)


@contextmanager
def _whole(planned: Push) -> Iterator[dict[str, Path]]:
    """Give all files, those with the packed images for the time of the block."""
    if planned.home is None or not planned.packed:
        yield planned.files
        return
    with TemporaryDirectory(
        prefix=".push-", dir=planned.home, ignore_cleanup_errors=True
    ) as folder:
        yield planned.files | pack_folder(planned.home, Path(folder))
