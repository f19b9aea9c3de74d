"""Released mixtures become a sampler of the generator that they are said to be of."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from equipoise.classifiers import ClassifierPanel
from equipoise.cli.files import import_gmm
from equipoise.core.errors import FileFormatError
from equipoise.core.labels import Labels
from equipoise.generators import Generator
from equipoise.samplers.file import load_sampler
from equipoise.samplers.released import import_mixtures


@pytest.fixture(scope="module")
def released(toy: Generator, toy_labels: Labels, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Mixtures over the toy's codes of each sign, by scikit-learn."""
    codes = toy.prior.codes(0, 0, len(toy_labels))
    grid = toy_labels.grid
    levels = grid.levels[toy_labels.cells]
    last = np.array(grid.shape) - 1
    mixtures = {}
    for smile in (-1, 1):
        for tone in (-1, 1):
            wanted = np.where(np.array([smile, tone]) > 0, last, 0)
            rows = codes[(levels == wanted).all(axis=1)]
            mixtures[f"{3.0 * smile}_{3.0 * tone}"] = GaussianMixture(1).fit(rows)
    file = tmp_path_factory.mktemp("released") / "gmm.pkl"
    file.write_bytes(pickle.dumps(mixtures))
    return file


def test_a_cell_is_drawn_by_the_mixture_of_its_signs(
    released: Path, toy: Generator, toy_panel: ClassifierPanel
) -> None:
    grid = toy_panel.grid
    sampler = import_mixtures(released, toy, grid, {})
    assert sampler.weights[sampler.source.cells].tolist() == [0.25] * 4
    theirs = pickle.loads(released.read_bytes())
    drawn = sampler.draw(4000, cell=grid.cells[-1]).codes
    assert np.abs(drawn.mean(axis=0) - theirs["3.0_3.0"].means_[0]).max() < 0.1


def test_the_command_writes_a_sampler_of_its_generator(
    released: Path, toy: Generator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "gmm.safetensors"
    import_gmm(released, out, "toy", "smiling,skin_tone")
    assert "sampler of mixture for toy" in capsys.readouterr().out
    sampler = load_sampler(out, toy)
    assert sampler.settings["generator"] == "toy"
    assert sampler.draw(10).codes.shape == (10, toy.dim)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (["3.0"], "must hold a signed distance for each of smiling, skin_tone, got 1 parts"),
        (["3_x"], "key '3_x' of"),
        (["0.0_3.0"], "key '0.0_3.0' of"),
        (["nan_1"], "key 'nan_1' of"),
        (["3.0_3.0", "2.0_2.0"], "must have one mixture for 'smiling=yes, .*another, '2.0_2.0'"),
    ],
)
def test_keys_that_do_not_fit_are_named(
    toy: Generator, toy_panel: ClassifierPanel, tmp_path: Path, keys: list[str], said: str
) -> None:
    rows = np.random.default_rng(0).standard_normal((50, toy.dim))
    file = tmp_path / "gmm.pkl"
    file.write_bytes(pickle.dumps({key: GaussianMixture(1).fit(rows) for key in keys}))
    with pytest.raises(FileFormatError, match=said):
        import_mixtures(file, toy, toy_panel.grid, {})


def test_mixtures_of_another_dimension_are_refused(
    toy: Generator, toy_panel: ClassifierPanel, tmp_path: Path
) -> None:
    rows = np.random.default_rng(0).standard_normal((50, toy.dim + 1))
    file = tmp_path / "gmm.pkl"
    file.write_bytes(pickle.dumps({"1_1": GaussianMixture(1).fit(rows)}))
    with pytest.raises(FileFormatError, match=f"a mixture of dimension {toy.dim}"):
        import_mixtures(file, toy, toy_panel.grid, {})
