"""`Models`: a generator together with the classifiers of its images; and addresses of models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from equipoise.classifiers import open_classifier, open_panel
from equipoise.classifiers.base import Classifier
from equipoise.classifiers.panel import ClassifierPanel
from equipoise.core.devices import device_type
from equipoise.core.errors import InputError
from equipoise.core.resumable import DEVICE
from equipoise.core.settings import Settings
from equipoise.generators import open_generator
from equipoise.generators.base import Generator


@dataclass(frozen=True)
class ModelAddresses:
    """Names by which any process opens the same models; fields are those of `Settings`."""

    generator: str
    attributes: tuple[str, ...]
    classifiers: tuple[str, ...]
    abstain_below: float
    device: str
    batch_size: int | None
    mixed_devices: bool = False

    @classmethod
    def of(cls, settings: Settings) -> ModelAddresses:
        """Return the addresses that settings name."""
        return cls(
            settings.generator,
            settings.attributes,
            settings.classifiers,
            settings.abstain_below,
            settings.device,
            settings.batch_size,
            settings.mixed_devices,
        )

    def open(self) -> Models:
        """Open the models; fetch what the cache lacks.

        Raises
        ------
        InputError, FileFormatError, FetchError, StorageError, ModelOutputError
            As `open_generator` and `open_panel`.
        """
        generator = open_generator(self.generator, device=self.device, batch_size=self.batch_size)
        panel = open_panel(
            self.attributes,
            generator,
            abstain_below=self.abstain_below,
            classifiers=self.classifiers,
        )
        return Models(generator, panel, self, self.mixed_devices)


@dataclass(frozen=True)
class ClassifierAddress:
    """A name by which any process opens the same classifier, as `open_classifier`."""

    uri: str
    device: str = "cpu"

    def open(self) -> Classifier:
        """Open the classifier; fetch what the cache lacks.

        Raises
        ------
        InputError, FileFormatError, FetchError
            As `open_classifier`.
        """
        return open_classifier(self.uri, device=self.device)


@dataclass(frozen=True)
class PanelClassifierAddress:
    """A name by which any process opens the same classifier of a panel.

    Attributes
    ----------
    attributes, classifiers : tuple of str
        As for `open_panel`.
    generator : str or None
        Name of the generator whose images are classified.
    place : int
        Of the classifier among those of the panel.
    device : str
        Of the generator, whose device its classifiers take.
    """

    attributes: tuple[str, ...]
    classifiers: tuple[str, ...]
    generator: str | None
    place: int
    device: str = "cpu"

    def open(self) -> Classifier:
        """Open the classifier; fetch what the cache lacks.

        Raises
        ------
        InputError, FileFormatError, FetchError
            As `open_generator` and `open_panel`.
        """
        generator = self.generator and open_generator(self.generator, device=self.device)
        panel = open_panel(self.attributes, generator or None, classifiers=self.classifiers)
        return panel.classifiers[self.place]


class AnyClassifierAddress(Protocol):
    """A name by which any process opens the same classifier; it can be pickled and hashed."""

    def open(self) -> Classifier:
        """Open the classifier."""
        ...

    def __hash__(self) -> int:
        """Return the same for equal addresses."""
        ...


@dataclass(frozen=True, eq=False)
class Models:
    """A generator and the classifiers that label its images.

    Attributes
    ----------
    generator : Generator
        Makes images from codes.
    panel : ClassifierPanel
        Predicts the levels of the attributes in those images.
    addresses : ModelAddresses or None
        How other processes open the same models, where they were opened by address.
    mixed_devices : bool
        Whether results of the same models on another type of device count as theirs.
    """

    generator: Generator
    panel: ClassifierPanel
    addresses: ModelAddresses | None = None
    mixed_devices: bool = False

    @property
    def may_differ(self) -> frozenset[str]:
        """Keys of `identity` in which results may differ, as of `ResumableFolder`."""
        return frozenset({DEVICE} if self.mixed_devices else ())

    @property
    def identity(self) -> dict[str, object]:
        """What of both determines images and their labels."""
        return {
            "generator": self.generator.digest,
            DEVICE: device_type(self.generator.device),
            "batch_size": self.generator.batch_size,
            "panel": self.panel.digest,
        }

    @property
    def shared_addresses(self) -> ModelAddresses:
        """The addresses, for workers of an engine.

        Raises
        ------
        InputError
            When there are none.
        """
        if self.addresses is None:
            raise InputError(
                "models",
                "must be opened by address, so that workers can open them",
                "models made in this process",
                "Open them by equipoise.pipeline.open_models(settings), or leave the engine out.",
            )
        return self.addresses

    @property
    def caveats(self) -> tuple[str, ...]:
        """What a reader of numbers from both must know."""
        return (*getattr(self.generator, "caveats", ()), *self.panel.caveats)
