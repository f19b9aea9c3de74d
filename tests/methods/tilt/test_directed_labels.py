from pathlib import Path

import numpy as np
import pytest

from equipoise.classifiers import ClassifierPanel, open_panel
from equipoise.classifiers.models import Models
from equipoise.core.labels import LabelledCodes
from equipoise.core.targets import Target
from equipoise.generators.toy import ToyGenerator
from equipoise.labelling.collect import collect
from equipoise.methods.tilt.directed_labels import Labelled, label_adaptively
from equipoise.methods.tilt.fit import fit_tilt
from equipoise.methods.tilt.fit_latent import fit_latent
from equipoise.methods.tilt.rules import STARVING
from equipoise.samplers.sampler import GeneratorRef, Sampler

RARE = 3
"""Number of the cell of probability 1e-4."""


@pytest.fixture(scope="module")
def toy() -> ToyGenerator:
    """Two independent attributes, each with a level of one in a hundred."""
    shares = {
        "smiling": {"no": 0.99, "yes": 0.01},
        "skin_tone": {"dark": 0.99, "light": 0.01},
    }
    return ToyGenerator(shares, entanglement=0.0)


@pytest.fixture(scope="module")
def panel(toy: ToyGenerator) -> ClassifierPanel:
    return open_panel(["smiling", "skin_tone"], toy)


def label(
    toy: ToyGenerator, panel: ClassifierPanel, prior: int, n: int, seed: int, folder: Path
) -> Labelled:
    labels = collect(Models(toy, panel), prior, seed, folder / f"prior-{prior}").labels()
    return label_adaptively(
        Models(toy, panel),
        LabelledCodes.of_prior(toy.prior.codes(seed, 0, prior), labels),
        Target.uniform(panel.grid),
        n,
        seed=seed,
        draws_folder=lambda digest, stage: folder / f"{stage}-{digest[:12]}",
    )


def true_purity(toy: ToyGenerator, labelled: Labelled, seed: int) -> np.ndarray:
    """Return how often each requested cell truly comes out of a tilt fitted to these labels."""
    target = Target.uniform(labelled.codes.labels.grid)
    fit = fit_latent(toy.stem, labelled.codes, seed=seed)
    source = fit_tilt(toy, fit, labelled.codes, target, seed=seed).source
    draws = Sampler(GeneratorRef.of(toy), target, target.shares, source).draw(2000, 9)
    achieved = target.grid.cell_of(toy.levels(draws.codes))
    return np.array([(achieved[draws.requested == k] == k).mean() for k in range(4)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the labels of `directed`, by seed."""
    return tmp_path_factory.mktemp("directed")


@pytest.fixture(scope="module")
def directed(toy: ToyGenerator, panel: ClassifierPanel, folder: Path) -> list[Labelled]:
    """Half of the labels directed, for two seeds."""
    return [label(toy, panel, 2000, 2000, seed, folder / str(seed)) for seed in range(2)]


def test_a_cell_of_one_in_ten_thousand_gets_labels_and_is_drawn(
    toy: ToyGenerator, directed: list[Labelled]
) -> None:
    """As many labels of the prior alone would hold less than one of it."""
    for labelled in directed:
        assert sum(labelled.account.counts) == 4000
        assert labelled.account.counts[RARE] > 2 * STARVING
    assert true_purity(toy, directed[0], 0)[RARE] > 0.6


def test_weighted_labels_stand_for_the_prior(toy: ToyGenerator, directed: list[Labelled]) -> None:
    """The share of every cell, within 4 standard errors, that of one in ten thousand included."""
    for labelled in directed:
        weights, cells = labelled.codes.weights, labelled.codes.labels.cells
        assert weights.max() <= 4000 / 2000 + 1e-9, "the prior's own codes bound the weights"
        assert weights.mean() == pytest.approx(1, abs=0.05)
        # Linearised, as for any ratio of two weighted sums.
        own = (np.eye(4)[cells] - toy.cell_shares) * weights[:, None]
        errors = np.sqrt(np.square(own).sum(axis=0)) / weights.sum()
        assert (np.abs(labelled.codes.shares() - toy.cell_shares) < 4 * errors).all()


def test_the_account_adds_up(directed: list[Labelled]) -> None:
    for account in (labelled.account for labelled in directed):
        assert account.of_prior == 2000
        assert sum(sum(r.requested) for r in account.rounds) == 2000
        assert sum(sum(r.achieved) for r in account.rounds) + 2000 == sum(account.counts)
        assert (np.array(account.effective) <= np.array(account.counts) + 1e-6).all()


def test_a_second_run_labels_nothing_anew_and_ends_alike(
    toy: ToyGenerator, panel: ClassifierPanel, directed: list[Labelled], folder: Path
) -> None:
    written = {path: path.stat().st_mtime_ns for path in folder.rglob("*.parquet")}
    again = label(toy, panel, 2000, 2000, 0, folder / "0")
    assert np.array_equal(directed[0].codes.codes, again.codes.codes)
    assert np.array_equal(directed[0].codes.weights, again.codes.weights)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.parquet")} == written


def test_no_rounds_leave_the_labels_as_they_are(
    toy: ToyGenerator, panel: ClassifierPanel, tmp_path: Path
) -> None:
    labelled = label(toy, panel, 500, 0, 0, tmp_path)
    assert labelled.account.rounds == ()
    assert (labelled.codes.weights == 1).all()
