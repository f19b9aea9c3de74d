from __future__ import annotations

from pathlib import Path

import pytest

from equipoise.classifiers import Panel, open_panel
from equipoise.collection import collect
from equipoise.generators import Generator, open_generator
from equipoise.generators.toy import ToyGenerator
from equipoise.labels import Labels


@pytest.fixture(scope="session")
def toy() -> ToyGenerator:
    return ToyGenerator()


@pytest.fixture(scope="session")
def toy_panel(toy: ToyGenerator) -> Panel:
    return open_panel(["smiling", "skin_tone"], toy)


@pytest.fixture(scope="session")
def toy_labels(
    toy: ToyGenerator, toy_panel: Panel, tmp_path_factory: pytest.TempPathFactory
) -> Labels:
    """Exact labels of 10,000 codes of the toy, seed 0."""
    folder: Path = tmp_path_factory.mktemp("toy-labels")
    return collect(toy, toy_panel, 10_000, 0, folder).labels()


@pytest.fixture(scope="session")
def dcgan() -> Generator:
    """The pinned real generator, fetched once to the cache."""
    return open_generator("digiface-dcgan")
