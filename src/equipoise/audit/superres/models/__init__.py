"""Super-resolution models: low-resolution images in, restored images out.

`open_super_resolution_model` opens one by its name.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from equipoise.audit.superres.models.base import SuperResolutionModel, restore
from equipoise.audit.superres.models.bicubic import Bicubic, reduced
from equipoise.audit.superres.models.files import FileRestorer
from equipoise.audit.superres.models.pulse import STEPS, Pulse
from equipoise.core.errors import InputError
from equipoise.core.plugins import imported
from equipoise.generators import open_generator
from equipoise.generators.base import Differentiable, Generator

__all__ = [
    "NAMES",
    "RestorerAddress",
    "SuperResolutionModel",
    "open_super_resolution_model",
    "reduced",
    "restore",
]


NAMES = ("bicubic", "pulse")
"""Names of the models that come with Equipoise."""

_SUFFIXES = (".onnx", ".pt")


@dataclass(frozen=True)
class RestorerAddress:
    """Names by which any process opens the same super-resolution model.

    Attributes
    ----------
    uri, factor, steps
        As for `open_super_resolution_model`.
    generator : str or None
        The generator that "pulse" searches, as for `open_generator`.
    device : str
        Of the generator.
    batch_size : int or None
        Of the generator.
    """

    uri: str
    factor: int
    steps: int = STEPS
    generator: str | None = None
    device: str = "cpu"
    batch_size: int | None = None

    def open(self) -> SuperResolutionModel:
        """Open the model.

        Raises
        ------
        InputError, FileFormatError, FetchError, StorageError
            As `open_super_resolution_model` and `open_generator`.
        """
        searched = None
        if self.uri == "pulse" and self.generator is not None:
            searched = open_generator(
                self.generator, device=self.device, batch_size=self.batch_size
            )
        return open_super_resolution_model(self.uri, self.factor, searched, steps=self.steps)


def open_super_resolution_model(
    uri: str, factor: int, generator: Generator | None = None, *, steps: int = STEPS
) -> SuperResolutionModel:
    """Open the super-resolution model of a name.

    Parameters
    ----------
    uri : str
        "bicubic"; "pulse", a search in `generator`; an .onnx file or a TorchScript .pt file; a
        .toml file that describes a service; or "module:object": an importable model, or a function
        without arguments that returns one.
    factor : int
        Restored pixels per low-resolution pixel, in each direction.
    generator : Generator, optional
        The generator that "pulse" searches.
    steps : int
        Steps of that search.

    Raises
    ------
    InputError
        When the name has none of these forms, the model has another factor, or "pulse" has no
        differentiable generator.
    FileFormatError
        When a file is damaged.

    Examples
    --------
    >>> open_super_resolution_model("bicubic", 4).name
    'bicubic'
    """
    if uri == "bicubic":
        return Bicubic(factor)
    if uri == "pulse":
        if not isinstance(generator, Differentiable):
            raise InputError(
                "generator",
                "must be differentiable, for pulse",
                "none" if generator is None else generator.name,
                "Pass --generator digiface-dcgan.",
            )
        return Pulse(generator, factor, steps)
    if uri.endswith(_SUFFIXES):
        return FileRestorer(Path(uri), factor)
    if uri.endswith(".toml"):
        from equipoise.audit.superres.models.http import HttpRestorer

        return HttpRestorer(Path(uri), factor)
    if ":" not in uri:
        raise InputError(
            "model",
            f"must be {', '.join(NAMES)}, module:object, or a file {', '.join(_SUFFIXES)}, .toml",
            uri,
            "Write, for example, --model pulse.",
        )
    found = imported(uri, "super-resolution model", SuperResolutionModel)  # type: ignore[type-abstract]
    if found.factor != factor:
        raise InputError(
            "factor",
            f"must be that of the model, {found.factor}",
            factor,
            f"Pass --factor {found.factor}.",
        )
    return found
