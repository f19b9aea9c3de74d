from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import hypothesis
import numpy as np
import pytest

from equipoise.classifiers import ClassifierPanel, open_panel
from equipoise.classifiers.models import Models
from equipoise.core.attributes import Attribute, AttributeGrid
from equipoise.core.labels import Labels
from equipoise.core.settings import Settings
from equipoise.core.targets import Target
from equipoise.generators import Generator, open_generator
from equipoise.generators.toy import ToyGenerator
from equipoise.labelling.collect import collect
from equipoise.samplers.mixture import Mixture, MixtureSource
from equipoise.samplers.sampler import GeneratorRef, Sampler
from tests.builders.command_line import Done, run

# The same examples at each run, and no time limit: a machine that is busy must not fail a test.
hypothesis.settings.register_profile(
    "equipoise", derandomize=True, deadline=None, max_examples=60, database=None
)
hypothesis.settings.load_profile("equipoise")


@pytest.fixture(scope="session")
def cli() -> Callable[..., Done]:
    """The command line: `cli("balance", "--out", path, code=2)`."""
    return run


@pytest.fixture(scope="session")
def toy() -> ToyGenerator:
    return ToyGenerator()


@pytest.fixture(scope="session")
def toy_panel(toy: ToyGenerator) -> ClassifierPanel:
    return open_panel(["smiling", "skin_tone"], toy)


@pytest.fixture(scope="session")
def toy_labels(
    toy: ToyGenerator, toy_panel: ClassifierPanel, tmp_path_factory: pytest.TempPathFactory
) -> Labels:
    """Exact labels of 10,000 codes of the toy, seed 0."""
    folder: Path = tmp_path_factory.mktemp("toy-labels")
    return collect(Models(toy, toy_panel), 10_000, 0, folder).labels()


@pytest.fixture(scope="session")
def toy_sampler(toy: ToyGenerator, toy_panel: ClassifierPanel) -> Sampler:
    """The prior itself for every cell: verified draws are rejection."""
    target = Target.uniform(toy_panel.grid)
    one = Mixture(np.ones(1), np.zeros((1, toy.dim)), np.eye(toy.dim)[None])
    source = MixtureSource((one,) * target.grid.size)
    settings = Settings(generator="toy", attributes=toy_panel.grid.names).to_dict()
    return Sampler(GeneratorRef.of(toy), target, target.shares, source, settings)


@pytest.fixture(scope="session")
def dcgan() -> Generator:
    """The pinned real generator, fetched once to the cache."""
    return open_generator("digiface-dcgan")


def _gaussian(mean: float) -> Mixture:
    return Mixture(np.ones(1), np.full((1, 3), mean), np.eye(3)[None] * 0.01)


@pytest.fixture
def sampler() -> Sampler:
    """A sampler of mixtures: cell k lies around (10 k, 10 k, 10 k), the last has target 0."""
    grid = AttributeGrid(
        (Attribute("smiling", ("no", "yes")), Attribute("tone", ("dark", "light")))
    )
    target = Target(grid, np.array([0.5, 0.3, 0.2, 0.0]))
    source = MixtureSource((_gaussian(0), _gaussian(10), _gaussian(20), None))
    return Sampler(
        GeneratorRef("toy", "ab" * 32, "z", 3), target, target.shares, source, {"seed": 3}
    )
