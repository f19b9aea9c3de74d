from pathlib import Path

import numpy as np
import pytest

from equipoise.classifiers import Panel, open_panel
from equipoise.errors import FileFormatError, InputError
from equipoise.generators.toy import ToyGenerator
from equipoise.measure.sampler import measure_sampler
from equipoise.mixture import Mixture, MixtureSource
from equipoise.sampler import Origin, Sampler
from equipoise.targets import Target


@pytest.fixture(scope="module")
def sampler(toy: ToyGenerator, toy_panel: Panel) -> Sampler:
    """Every cell draws from the prior, so what comes out is the prior's mix."""
    target = Target.uniform(toy_panel.groups)
    prior = Mixture(np.ones(1), np.zeros((1, toy.dim)), np.eye(toy.dim)[None])
    return Sampler(Origin.of(toy), target, target.shares, MixtureSource((prior,) * 6))


def test_the_measured_mix_is_the_truth(
    sampler: Sampler, toy: ToyGenerator, toy_panel: Panel, tmp_path: Path
) -> None:
    measured = measure_sampler(sampler, toy, toy_panel, 3000, 1, tmp_path)
    draws = sampler.draw(3000, 1)
    truth = toy.levels(draws.codes)[:, [toy.groups.attribute(n) for n in toy_panel.groups.names]]
    cells = toy_panel.groups.cell_of(truth)
    assert [s.count for s in measured.representation.cells] == np.bincount(cells).tolist()
    assert measured.confusion.counts.sum() == 3000
    assert measured.confusion.counts[2].sum() == (draws.requested == 2).sum()


def test_another_generator_or_panel_is_refused(
    sampler: Sampler, toy: ToyGenerator, toy_panel: Panel, tmp_path: Path
) -> None:
    with pytest.raises(FileFormatError, match="must be of the generator"):
        measure_sampler(sampler, ToyGenerator(dim=20), toy_panel, 10, 0, tmp_path)
    with pytest.raises(InputError, match="must be those of the sampler, smiling, skin_tone, with"):
        measure_sampler(sampler, toy, open_panel(["glasses"], toy), 10, 0, tmp_path)


def test_what_cannot_be_compared_is_refused_before_images_are_paid_for(
    sampler: Sampler, toy: ToyGenerator, toy_panel: Panel, tmp_path: Path
) -> None:
    other = Target.uniform(open_panel(["glasses"], toy).groups)
    with pytest.raises(InputError, match=r"tolerance must be in \(0, 1\), got 2"):
        measure_sampler(sampler, toy, toy_panel, 10, 0, tmp_path, tolerance=2.0)
    with pytest.raises(InputError, match="target must have the cells of smiling x skin_tone"):
        measure_sampler(sampler, toy, toy_panel, 10, 0, tmp_path, target=other)
    assert not any(tmp_path.iterdir())
