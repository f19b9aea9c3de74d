"""Our numbers against those of kept libraries, on the same features, where they are installed."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from equipoise.distances import frechet_distance, kernel_distance, moments
from equipoise.neighbours import coverage, density, precision, recall

Rows = NDArray[np.float64]

pytestmark = pytest.mark.filterwarnings("ignore")  # The libraries' own warnings are theirs.


@pytest.fixture
def sets() -> tuple[Rows, Rows]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((300, 16)) * 1.2 + 0.2, rng.standard_normal((300, 16))


def test_frechet_and_kernel_distance_are_those_of_torchmetrics(sets: tuple[Rows, Rows]) -> None:
    fid = pytest.importorskip("torchmetrics.image.fid")
    kid = pytest.importorskip("torchmetrics.image.kid")

    class Given(torch.nn.Module):
        """The features themselves stand in for images."""

        num_features = 16

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            return rows

    drawn, reference = sets
    frechet = fid.FrechetInceptionDistance(feature=Given()).set_dtype(torch.float64)
    kernel = kid.KernelInceptionDistance(feature=Given(), subsets=1, subset_size=300)
    for metric in (frechet, kernel):
        metric.update(torch.from_numpy(reference), real=True)
        metric.update(torch.from_numpy(drawn), real=False)
    ours = frechet_distance(moments(drawn, ddof=1), moments(reference, ddof=1))
    assert ours == pytest.approx(float(frechet.compute()), rel=1e-5)
    assert kernel_distance(drawn, reference).value == pytest.approx(float(kernel.compute()[0]))


def test_distances_and_precision_are_those_of_torch_fidelity(sets: tuple[Rows, Rows]) -> None:
    pytest.importorskip("torch_fidelity")
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
    from torch_fidelity.metric_kid import kid_features_to_metric
    from torch_fidelity.metric_prc import prc_features_to_metric

    drawn, reference = (torch.from_numpy(rows) for rows in sets)
    theirs = fid_statistics_to_metric(
        fid_features_to_statistics(drawn), fid_features_to_statistics(reference), False
    )
    ours = frechet_distance(moments(drawn, ddof=1), moments(reference, ddof=1))
    assert ours == pytest.approx(theirs["frechet_inception_distance"])
    kernel = kid_features_to_metric(
        drawn, reference, kid_subsets=1, kid_subset_size=300, verbose=False
    )
    assert kernel_distance(*sets).value == pytest.approx(kernel["kernel_inception_distance_mean"])
    near = prc_features_to_metric(drawn, reference, prc_neighborhood=3, verbose=False)
    assert precision(*sets) == pytest.approx(near["precision"])
    assert recall(*sets) == pytest.approx(near["recall"])


def test_neighbours_are_those_of_the_authors_package(sets: tuple[Rows, Rows]) -> None:
    prdc = pytest.importorskip("prdc")
    drawn, reference = sets
    theirs = prdc.compute_prdc(reference, drawn, nearest_k=5)
    ours = [m(drawn, reference, 5) for m in (precision, recall, density, coverage)]
    assert ours == pytest.approx(
        [theirs[m] for m in ("precision", "recall", "density", "coverage")]
    )
