from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from equipoise.classifiers import ClassifierPanel, open_panel
from equipoise.classifiers.models import ModelAddresses, Models
from equipoise.core.attributes import AttributeGrid
from equipoise.core.errors import InputError, InsufficientLabelsError
from equipoise.core.progress import Execution
from equipoise.core.settings import Settings
from equipoise.engines import OnExecutor
from equipoise.generators.toy import ToyGenerator
from equipoise.measure.features.offline import PixelFeatures
from equipoise.measure.references import reject, see_codes, see_files


@pytest.fixture(scope="module")
def panel(toy: ToyGenerator) -> ClassifierPanel:
    return open_panel(["smiling", "skin_tone", "glasses"], toy)


@pytest.fixture(scope="module")
def grid(toy_panel: ClassifierPanel) -> AttributeGrid:
    return toy_panel.grid


def test_a_folder_of_images_is_seen_as_the_codes_that_made_it(
    toy: ToyGenerator, panel: ClassifierPanel, tmp_path: Path
) -> None:
    codes = toy.prior.codes(3, 0, 150)
    files = []
    for i, image in enumerate(toy.images(codes)):
        files.append(tmp_path / f"{i:03d}.png")
        Image.fromarray(image.transpose(1, 2, 0)).save(files[-1])
    one, other = (
        see_codes(Models(toy, panel), codes, PixelFeatures()),
        see_files(files, panel, PixelFeatures()),
    )
    assert len(one) == 150
    assert np.allclose(one.features, other.features, atol=1e-6)
    assert np.array_equal(one.labels.levels, other.labels.levels)
    assert one.digest == other.digest == PixelFeatures().digest


def test_files_may_differ_in_size_and_progress_is_told(
    toy: ToyGenerator, panel: ClassifierPanel, tmp_path: Path
) -> None:
    files = []
    for i, side in enumerate((32, 32, 50)):
        files.append(tmp_path / f"{i}.png")
        Image.new("RGB", (side, side), (i, i, i)).save(files[-1])
    told: list[tuple[str, int, int]] = []
    seen = see_files(
        files, panel, PixelFeatures(), execution=Execution(progress=lambda *args: told.append(args))
    )
    assert len(seen) == 3
    assert told == [("quality", 1, 1)]


def test_no_images_are_refused(toy: ToyGenerator, panel: ClassifierPanel) -> None:
    with pytest.raises(InputError, match="images must be at least one, got none"):
        see_files([], panel, PixelFeatures())


@pytest.mark.parametrize("seed", range(3))
def test_a_reference_has_the_first_codes_of_each_cell(
    seed: int, toy: ToyGenerator, panel: ClassifierPanel, grid: AttributeGrid
) -> None:
    counts = [20, 5, 4, 10, 0, 3]
    codes = reject(Models(toy, panel), grid, counts, seed)
    columns = [toy.grid.attribute(name) for name in grid.names]

    def cells(of: np.ndarray) -> np.ndarray:
        return grid.cell_of(toy.levels(of)[:, columns])

    assert np.bincount(cells(codes), minlength=6).tolist() == counts
    stream = toy.prior.codes(seed, 0, 20_000)
    own = cells(stream)
    first = np.concatenate([np.flatnonzero(own == k)[:n] for k, n in enumerate(counts)])
    assert np.array_equal(codes, stream[np.sort(first)])


def test_a_reference_does_not_depend_on_workers(
    toy: ToyGenerator, panel: ClassifierPanel, grid: AttributeGrid
) -> None:
    one, two = (
        reject(Models(toy, panel), grid, [9] * 6, 1, execution=Execution(workers=w)) for w in (1, 2)
    )
    assert np.array_equal(one, two)


def test_a_reference_does_not_depend_on_the_engine() -> None:
    given = Settings(generator="toy", attributes=("smiling", "skin_tone"), batch_size=96)
    models = ModelAddresses.of(given).open()
    counts = [9, 9, 9, 9, 9, 60]
    with ThreadPoolExecutor(2) as executor:
        here, there = (
            reject(models, models.panel.grid, counts, 1, most=5000, execution=Execution(engine=one))
            for one in (None, OnExecutor(executor, 2))
        )
    assert np.array_equal(here, there)


def test_a_cell_that_does_not_fill_keeps_what_it_has_and_an_empty_one_is_named(
    toy: ToyGenerator, panel: ClassifierPanel, grid: AttributeGrid
) -> None:
    assert len(reject(Models(toy, panel), grid, [1000, 0, 0, 0, 0, 0], 0, most=500)) < 500
    with pytest.raises(
        InsufficientLabelsError, match=r"cell 'smiling=.*' of the reference must have an image"
    ):
        reject(Models(toy, panel), grid, [1] * 6, 0, most=3)


@pytest.mark.parametrize("counts", [[1] * 5, [0] * 6, [1, 1, 1, 1, 1, -1]])
def test_counts_are_checked(
    counts: list[int], toy: ToyGenerator, panel: ClassifierPanel, grid: AttributeGrid
) -> None:
    with pytest.raises(InputError, match="counts must be 6 whole numbers"):
        reject(Models(toy, panel), grid, counts, 0)
