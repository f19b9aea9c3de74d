"""What describes faces: a user's own function, or a model that a .toml file describes.

A function without a `digest` is asked again by each call: nothing says when its weights change. The
answers of services are kept beside those of classifiers, by picture.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from equipoise.classifiers.local import open_local_describer
from equipoise.classifiers.remote import open_remote_describer
from equipoise.core.errors import InputError, ModelOutputError
from equipoise.core.files import digest_of, read_toml, storage
from equipoise.core.folders import LocalFolder
from equipoise.core.plugins import imported
from equipoise.core.resumable import ResumableFolder
from equipoise.core.tables import shown

COLUMN = "descriptor"
"""Of the tables of descriptors."""

_TOML = ".toml"


@runtime_checkable
class Describe(Protocol):
    """A function of images.

    A text `digest`, where it has one, changes when its descriptors do; so they are kept.
    """

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.floating]:
        """Return descriptors, shape (n, d); rows of NaN where no face was found.

        Parameters
        ----------
        images : numpy.ndarray, shape (n, 3, height, width), uint8
            RGB.
        """
        ...


@dataclass(frozen=True)
class Describer:
    """A model that is asked for descriptors, as `Asked`.

    Attributes
    ----------
    name : str
        Of the model; of a function its "module:object".
    describe : Describe
    digest : str
        SHA-256 of all that determines its descriptors, as far as it is known.
    keeps : bool
        Whether the digest changes with its weights, so that descriptors are kept under it.
    """

    name: str
    describe: Describe
    digest: str
    keeps: bool

    def home(self, folder: Path) -> ResumableFolder:
        """Return where its descriptors are kept in a folder of those of several."""
        identity = json.dumps({"descriptors": self.digest})
        home = LocalFolder(folder / self.digest[:16])
        return ResumableFolder(home, identity, "descriptors of this model")

    @contextmanager
    def kept_in(self, folder: Path) -> Iterator[ResumableFolder]:
        """Give the home in a folder, or one that ends with the block where it does not keep.

        Raises
        ------
        StorageError
            When the folder cannot be written.
        """
        home = self.home(folder)
        if self.keeps:
            yield home
            return
        LocalFolder(folder).prepare()
        with storage(folder):
            own = TemporaryDirectory(prefix="once-", dir=folder, ignore_cleanup_errors=True)
        with own as path:
            yield replace(home, home=LocalFolder(Path(path)))

    def answers(self, images: NDArray[np.uint8]) -> dict[str, pa.Array]:
        """Describe images.

        Raises
        ------
        ModelOutputError
            When it returns something else than descriptors.
        """
        found = np.asarray(self.describe(images))
        whole = found.ndim == 2 and len(found) == len(images) and found.size > 0
        if not whole or found.dtype.kind not in "fiu":
            raise ModelOutputError(
                f"output of {self.name}",
                f"must be numbers of shape ({len(images)}, d)",
                f"{found.dtype} of shape {found.shape}",
                "Return one descriptor an image.",
            )
        numbers = pa.array(found.astype(np.float32).ravel())
        return {COLUMN: pa.FixedSizeListArray.from_arrays(numbers, found.shape[1])}


@dataclass(frozen=True)
class DescriberAddress:
    """A name by which any process opens the same model.

    Attributes
    ----------
    uri : str
        "module:object", a function as `Describe`; or a .toml file of a model file or a service.
    """

    uri: str

    def open(self) -> Describer:
        """Open the model.

        Raises
        ------
        InputError
            When a function cannot be imported, or its `digest` is no text; when a field of the
            file breaks its rule.
        FileFormatError
            When the model file is damaged or of another kind.
        """
        if not self.uri.endswith(_TOML):
            return self._imported()
        path = Path(self.uri)
        if "kind" in read_toml(path, "docs/auditing.md shows one."):
            network = open_local_describer(path)
            return Describer(network.name, network, network.digest, keeps=True)
        service = open_remote_describer(path)
        return Describer(service.name, service, service.digest, keeps=False)

    def _imported(self) -> Describer:
        describe = imported(self.uri, "function of descriptors", Describe)  # type: ignore[type-abstract]
        file = getattr(sys.modules[self.uri.partition(":")[0]], "__file__", None)
        of_file = digest_of(Path(file)) if file and Path(file).is_file() else ""
        digest = getattr(describe, "digest", "")
        if not isinstance(digest, str):
            raise InputError(
                f"digest of {self.uri}",
                "must be a text",
                shown(repr(digest)),
                "Set a text that changes with its weights, or none.",
            )
        own = hashlib.sha256(json.dumps([self.uri, of_file, digest]).encode()).hexdigest()
        return Describer(self.uri, describe, own, bool(digest))
