"""Released mixtures become a sampler of the generator that they are said to be of."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from equipoise.classifiers import ClassifierPanel
from equipoise.cli.files import import_gmm
from equipoise.core.errors import FileFormatError
from equipoise.core.labels import Labels
from equipoise.generators import Generator, open_generator
from equipoise.generators.stylegan.file import save_network
from equipoise.samplers.file import load_sampler
from equipoise.samplers.released import import_mixtures, read_mixtures
from tests.builders.stylegan2_reference import small


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
            # As in the notebook, smiles lie on the negative side.
            wanted = np.where(np.array([-smile, tone]) > 0, last, 0)
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
    seen = toy_panel.predict(toy.images(drawn[:500])).levels
    assert (seen == [1, 2]).all(axis=1).mean() > 0.5, "they are seen as what was asked for"
    assert np.abs(drawn.mean(axis=0) - theirs["-3.0_3.0"].means_[0]).max() < 0.1


def test_the_command_writes_a_sampler_of_its_generator(
    released: Path, toy: Generator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "gmm.safetensors"
    import_gmm(released, out, "toy", "smiling,skin_tone")
    said = capsys.readouterr().out
    assert "sampler of mixture for toy" in said
    assert "smiling: - yes, + no; skin_tone: - dark, + light" in said
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
        (["3.0_3.0", "2.0_2.0"], "must have one mixture for 'smiling=no, .*another, '2.0_2.0'"),
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


def by_the_notebook(mixtures: dict[str, GaussianMixture], kind: type) -> dict[str, Any]:
    """The layout that the paper's notebook reads."""
    return {
        key: {
            "params": {"n_components": len(one.means_)},
            "mean": one.means_.astype(kind),
            "cov": one.covariances_.astype(kind),
            "weights": one.weights_.astype(kind),
        }
        for key, one in mixtures.items()
    }


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """A small network whose file keeps the names of the mixtures' paper: codes of w."""
    file = tmp_path / "faces.safetensors"
    save_network(small(2), file)
    return file


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_file_of_the_papers_notebook_is_drawn_with_its_options_and_signs(
    kind: type, network: Path, tmp_path: Path, cli: Callable[..., Any]
) -> None:
    codes = open_generator(f"stylegan2:{network}?space=w").prior.codes(0, 0, 400)
    middles = {f"{g}_{e}": codes[i * 100 : i * 100 + 100] for i, (g, e) in enumerate(SIGNS)}
    mixtures = {key: GaussianMixture(1, random_state=0).fit(c) for key, c in middles.items()}
    (tmp_path / "gmm.pkl").write_bytes(pickle.dumps(by_the_notebook(mixtures, kind)))
    out = tmp_path / "faces.gmm.safetensors"
    address = f"stylegan2:{network}"
    done = cli(
        "import-gmm", tmp_path / "gmm.pkl", out, "--generator", address,
        "--attributes", "eyeglasses,black_hair",
    )  # fmt: skip
    words = " ".join(done.stdout.split())
    assert "truncation=0.7, cutoff=8" in words
    assert "eyeglasses: - yes, + no; black_hair: - yes, + no" in words
    assert "without a classifier" in words
    sampler = load_sampler(out, open_generator(f"{address}?space=w&truncation=0.7&cutoff=8"))
    drawn = sampler.draw(3000, cell="eyeglasses=yes, black_hair=no").codes
    assert np.abs(drawn.mean(axis=0) - mixtures["-3.0_3.0"].means_[0]).max() < 0.15


SIGNS = [("-3.0", "3.0"), ("-3.0", "-3.0"), ("3.0", "3.0"), ("3.0", "-3.0")]


@pytest.mark.parametrize("params", [{"n_components": 2, "covariance_type": "diag"}, 2, None])
def test_the_arguments_of_a_mixture_may_be_a_dict(params: object, tmp_path: Path) -> None:
    kind = "diag" if isinstance(params, dict) else "full"
    rows = np.random.default_rng(0).standard_normal((80, 3))
    theirs = GaussianMixture(2, covariance_type=kind, random_state=0).fit(rows)
    content = by_the_notebook({"1": theirs}, np.float64)
    content["1"]["params"] = params
    (tmp_path / "gmm.pkl").write_bytes(pickle.dumps(content))
    found = read_mixtures(tmp_path / "gmm.pkl")["1"]
    assert np.allclose(found.log_density(rows.astype(np.float32)), theirs.score_samples(rows))
