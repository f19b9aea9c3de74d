"""Our numbers against those of kept libraries, on the same features."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from prdc import compute_prdc
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from equipoise.stats.distances import frechet_distance, kernel_distance, moments
from equipoise.stats.precision_recall import coverage, density, precision, recall

Rows = NDArray[np.float64]

pytestmark = pytest.mark.filterwarnings("ignore")  # The libraries' own warnings are theirs.


@pytest.fixture
def sets() -> tuple[Rows, Rows]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((300, 16)) * 1.2 + 0.2, rng.standard_normal((300, 16))


def test_frechet_and_kernel_distance_are_those_of_torchmetrics(sets: tuple[Rows, Rows]) -> None:

    class Given(torch.nn.Module):
        """The features themselves stand in for images."""

        num_features = 16

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            return rows

    drawn, reference = sets
    frechet = FrechetInceptionDistance(feature=Given()).set_dtype(torch.float64)
    kernel = KernelInceptionDistance(feature=Given(), subsets=1, subset_size=300)
    for metric in (frechet, kernel):
        metric.update(torch.from_numpy(reference), real=True)
        metric.update(torch.from_numpy(drawn), real=False)
    ours = frechet_distance(moments(drawn, ddof=1), moments(reference, ddof=1))
    assert ours == pytest.approx(float(frechet.compute()), rel=1e-5)
    assert kernel_distance(drawn, reference).value == pytest.approx(float(kernel.compute()[0]))


def test_neighbours_are_those_of_the_authors_package(sets: tuple[Rows, Rows]) -> None:
    drawn, reference = sets
    theirs = compute_prdc(reference, drawn, nearest_k=5)
    ours = [m(drawn, reference, 5) for m in (precision, recall, density, coverage)]
    assert ours == pytest.approx(
        [theirs[m] for m in ("precision", "recall", "density", "coverage")]
    )
