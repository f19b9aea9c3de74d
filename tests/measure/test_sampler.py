from pathlib import Path

import numpy as np
import pytest

from equipoise.classifiers import ClassifierPanel, open_panel
from equipoise.classifiers.models import Models
from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.targets import Target
from equipoise.generators.toy import ToyGenerator
from equipoise.measure.sampler import measure_sampler
from equipoise.samplers.sampler import Sampler


def test_the_measured_mix_is_the_truth(
    toy_sampler: Sampler, toy: ToyGenerator, toy_panel: ClassifierPanel, tmp_path: Path
) -> None:
    measured = measure_sampler(toy_sampler, Models(toy, toy_panel), 3000, 1, tmp_path)
    draws = toy_sampler.draw(3000, 1)
    truth = toy.levels(draws.codes)[:, [toy.grid.attribute(n) for n in toy_panel.grid.names]]
    cells = toy_panel.grid.cell_of(truth)
    assert [s.count for s in measured.representation.cells] == np.bincount(cells).tolist()
    assert measured.confusion.counts.sum() == 3000
    assert measured.confusion.counts[2].sum() == (draws.requested == 2).sum()


def test_another_generator_or_panel_is_refused(
    toy_sampler: Sampler, toy: ToyGenerator, toy_panel: ClassifierPanel, tmp_path: Path
) -> None:
    with pytest.raises(FileFormatError, match="must be of the generator"):
        measure_sampler(toy_sampler, Models(ToyGenerator(dim=20), toy_panel), 10, 0, tmp_path)
    with pytest.raises(InputError, match="must be those of the sampler, smiling, skin_tone, with"):
        measure_sampler(toy_sampler, Models(toy, open_panel(["glasses"], toy)), 10, 0, tmp_path)


def test_what_cannot_be_compared_is_refused_before_images_are_paid_for(
    toy_sampler: Sampler, toy: ToyGenerator, toy_panel: ClassifierPanel, tmp_path: Path
) -> None:
    other = Target.uniform(open_panel(["glasses"], toy).grid)
    with pytest.raises(InputError, match=r"tolerance must be in \(0, 1\), got 2"):
        measure_sampler(toy_sampler, Models(toy, toy_panel), 10, 0, tmp_path, tolerance=2.0)
    with pytest.raises(InputError, match="target must have the cells of smiling x skin_tone"):
        measure_sampler(toy_sampler, Models(toy, toy_panel), 10, 0, tmp_path, target=other)
    assert not any(tmp_path.iterdir())
