from __future__ import annotations

from collections.abc import Callable
from collections.abc import Generator as Generator_
from importlib.util import find_spec
from pathlib import Path
from unittest import mock

import hypothesis
import numpy as np
import pytest

from equipoise.classifiers import ClassifierPanel, open_panel
from equipoise.classifiers.models import Models
from equipoise.core.attributes import Attribute, AttributeGrid
from equipoise.core.labels import LabelledCodes, Labels
from equipoise.core.settings import Settings
from equipoise.core.targets import Target
from equipoise.generators import Generator, open_generator
from equipoise.generators.toy import ToyGenerator
from equipoise.labelling.collect import collect
from equipoise.methods.tilt.fit import TiltFit, fit_tilt
from equipoise.methods.tilt.fit_latent import LatentFit, fit_latent
from equipoise.runtimes import zoo
from equipoise.samplers.mixture import Mixture, MixtureSource
from equipoise.samplers.sampler import GeneratorRef, Sampler
from tests.builders.command_line import Done, run

# The same examples at each run, and no time limit: a machine that is busy must not fail a test.
hypothesis.settings.register_profile(
    "equipoise", derandomize=True, deadline=None, max_examples=60, database=None
)
hypothesis.settings.load_profile("equipoise")


collect_ignore = ["builders/diffusion.py", "builders/text_pipelines.py"]
"""Without doctests; and what skips when it is collected would stay half imported for others."""

SLOW = frozenset((Path(__file__).parent / "slow.txt").read_text(encoding="utf-8").splitlines())
"""Files and tests that `make test-fast` leaves out: over 0.5 s, or a fixture over 0.5 s."""

DEAR = frozenset({"toy_latent", "finished"})
"""Fixtures whose tests are slow: the fitted tilt, and the run that the viewer shows."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what uses the pinned generator or the fitted tilt, and group tests for pytest-xdist.

    Tests whose libraries are missing are skipped here. Groups count with `--dist loadgroup`.

    A file's tests run in one process, because they share fixtures; so do all files that use the
    fitted tilt. Tests of `test_pipeline.py` share nothing, and each may run anywhere. Clusters
    and stores of this machine would find one another, so those of extras run one by one. Slow
    groups begin first, so that no process waits for the last one.
    """
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if "real" in fixtures:
            item.add_marker(pytest.mark.real)
        wanted = [name for mark in item.iter_markers("extras") for name in mark.args]
        if missing := [name for name in wanted if find_spec(name) is None]:
            item.add_marker(pytest.mark.skip(f"not applicable without {' and '.join(missing)}"))
        node = item.nodeid.partition("[")[0]
        listed = not SLOW.isdisjoint((node, node.partition("::")[0]))
        if listed or not DEAR.isdisjoint(fixtures) or "extras" in item.keywords:
            item.add_marker(pytest.mark.slow)
    tilted = {item.path for item in items if "toy_latent" in getattr(item, "fixturenames", ())}
    slow: set[str] = set()
    names: dict[pytest.Item, str] = {}
    for item in items:
        names[item] = "tilt" if item.path in tilted else str(item.path)
        if item.path.name == "test_pipeline.py":
            names[item] = item.nodeid
        if "extras" in item.keywords:
            names[item] = "extras"
        item.add_marker(pytest.mark.xdist_group(names[item].replace("@", "_")))
        if item.get_closest_marker("slow"):
            slow.add(names[item])
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: names[item] not in slow)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Fail where pytest-xdist ignores the groups: each process would make every fixture."""
    grouped = hasattr(session.config, "workerinput") and session.config.getoption("loadgroup")
    if grouped and any("@" not in item.nodeid for item in session.items):
        raise pytest.UsageError("pytest-xdist does not group tests under this pytest.")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator_[None, object, object]:
    """Refuse pinned models to a test that is not marked `real`, fixtures included."""
    fetch, pinned = zoo.fetch, frozenset(zoo.MODELS)

    def refuse(name: str) -> Path:
        if name in pinned:
            pytest.fail(f"loads {name}, so it must use the fixture real or be marked real")
        return fetch(name)

    if item.get_closest_marker("real") is not None:
        return (yield)
    with mock.patch.object(zoo, "fetch", refuse):
        return (yield)


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


TOY_CODES = 4000
"""Codes of the prior, from the first on, that `toy_latent` is fitted on. Later ones are fresh."""


@pytest.fixture(scope="session")
def toy_codes(toy: ToyGenerator, toy_labels: Labels) -> LabelledCodes:
    """The first codes of `toy_labels` with their labels."""
    labels = toy_labels.take(slice(0, TOY_CODES))
    return LabelledCodes.of_prior(toy.prior.codes(0, 0, TOY_CODES), labels)


@pytest.fixture(scope="session")
def toy_latent(toy: ToyGenerator, toy_codes: LabelledCodes) -> LatentFit:
    """The latent classifier of `toy_codes`."""
    return fit_latent(toy.stem, toy_codes)


@pytest.fixture(scope="session")
def toy_tilt(toy: ToyGenerator, toy_latent: LatentFit, toy_codes: LabelledCodes) -> TiltFit:
    """The tilt of the toy to a uniform target."""
    return fit_tilt(toy, toy_latent, toy_codes, Target.uniform(toy_codes.labels.grid))


@pytest.fixture(scope="session")
def toy_sampler(toy: ToyGenerator, toy_panel: ClassifierPanel) -> Sampler:
    """The prior itself for every cell: verified draws are rejection."""
    target = Target.uniform(toy_panel.grid)
    one = Mixture(np.ones(1), np.zeros((1, toy.dim)), np.eye(toy.dim)[None])
    source = MixtureSource((one,) * target.grid.size)
    settings = Settings(generator="toy", attributes=toy_panel.grid.names).to_dict()
    return Sampler(GeneratorRef.of(toy), target, target.shares, source, settings)


@pytest.fixture(scope="session")
def real() -> Generator:
    """The pinned generator of faces, fetched once to the cache.

    Whatever uses it has the marker `real`: so does a test that needs other pinned models, and says
    `@pytest.mark.real` itself.
    """
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
        GeneratorRef(name="toy", digest="ab" * 32, space="z", dim=3),
        target,
        target.shares,
        source,
        {"seed": 3},
    )
