"""Mixtures of scikit-learn come back as they were fitted; hostile pickles are refused, unrun."""

import contextlib
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from equipoise.core.errors import FileFormatError
from equipoise.samplers.released import read_mixtures

KINDS = ("full", "tied", "diag", "spherical")
PARTS = ("weights_", "means_", "covariances_", "covariance_type")


def fitted(kind: str = "full", seed: int = 0, dim: int = 4, kind_of_number: Any = float) -> Any:
    rows = np.random.default_rng(seed).standard_normal((80, dim)) * np.arange(1, dim + 1)
    return GaussianMixture(2, covariance_type=kind, random_state=seed).fit(
        rows.astype(kind_of_number)
    )


def written(content: object, folder: Path, protocol: int | None = None) -> Path:
    file = folder / "gmm.pkl"
    file.write_bytes(pickle.dumps(content, protocol))
    return file


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("kind", KINDS)
def test_densities_are_those_of_scikit_learn(tmp_path: Path, kind: str, protocol: int) -> None:
    theirs = fitted(kind)
    found = read_mixtures(written({"3.0_-3.0": theirs}, tmp_path, protocol))["3.0_-3.0"]
    codes = np.random.default_rng(1).standard_normal((50, 4)).astype(np.float32)
    assert np.allclose(found.log_density(codes), theirs.score_samples(codes), rtol=1e-6)


def test_dicts_of_parameters_and_single_precision_are_read(tmp_path: Path) -> None:
    theirs = fitted(kind_of_number=np.float32)
    content = {"1_1": {name: getattr(theirs, name) for name in PARTS}}
    found = read_mixtures(written(content, tmp_path))["1_1"]
    assert np.allclose(found.means, theirs.means_)
    assert found.weights.sum() == pytest.approx(1, abs=1e-12)


def test_arrays_with_columns_first_are_read(tmp_path: Path) -> None:
    theirs = fitted()
    theirs.means_ = np.asfortranarray(theirs.means_)
    found = read_mixtures(written({"1": theirs}, tmp_path))["1"]
    assert np.array_equal(found.means, theirs.means_)


class Runs:
    """Calls a program when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.file}",)


def test_nothing_in_a_file_is_run(tmp_path: Path) -> None:
    trace = tmp_path / "ran"
    nested = fitted()
    nested.random_state = Runs(trace)
    for content in (Runs(trace), {"1": Runs(trace)}):
        with pytest.raises(FileFormatError, match=r"got 'posix\.system'"):
            read_mixtures(written(content, tmp_path))
    assert read_mixtures(written({"1": nested}, tmp_path))["1"].means.shape == (2, 4)
    assert not trace.exists()


def changed(**parts: Any) -> Any:
    mixture = fitted()
    vars(mixture).update(parts)
    return mixture


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([], "must be a dict of 1 to 4096 mixtures, got list"),
        ({}, "must be a dict of 1 to 4096 mixtures, got a dict of 0"),
        ({3: fitted()}, "must have text as keys, got 3"),
        ({"1": 3}, "must be a mixture, got 3"),
        ({"1": np.zeros(3)}, "must be a mixture"),
        ({"1": GaussianMixture(2)}, "must be fitted, got one without weights_, means_"),
        ({"1": changed(means_=None)}, "means_ of .* must hold arrays of numbers, got NoneType"),
        ({"1": changed(means_=np.array(["x", None]))}, "must hold numbers of f8"),
        ({"1": changed(means_=np.zeros((3, 4)))}, "must have a weight for each mean"),
        (
            {"1": changed(covariances_=np.zeros((2, 4)))},
            "must have covariances of its type, 'full'",
        ),
        ({"1": changed(covariance_type="round")}, "its type, 'round'"),
        ({"1": changed(weights_=np.array([0.5, 0.7]))}, "must have weights that sum to 1"),
        ({"1": changed(weights_=np.array([0.5, np.nan]))}, "must have weights that sum to 1"),
        (
            {
                "1": changed(
                    means_=np.zeros((2, 2**15)),
                    covariances_=np.ones(2),
                    covariance_type="spherical",
                )
            },
            "must have at most 268,435,456 covariances",
        ),
        (
            {"1": changed(means_=np.zeros((2, 4)).astype(">f8"))},
            "must be little-endian, got big-endian numbers",
        ),
    ],
)
def test_what_is_no_file_of_mixtures_is_named(tmp_path: Path, content: Any, said: str) -> None:
    with pytest.raises(FileFormatError, match=said):
        read_mixtures(written(content, tmp_path))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.99])
def test_cut_files_are_refused(tmp_path: Path, share: float) -> None:
    file = written({"1": fitted()}, tmp_path)
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    with pytest.raises(FileFormatError, match="Give a pickle of a dict"):
        read_mixtures(file)


@pytest.mark.parametrize("seed", range(60))
def test_damaged_files_are_read_or_refused(tmp_path: Path, seed: int) -> None:
    file = written({"1": fitted()}, tmp_path)
    rng = np.random.default_rng(seed)
    content = bytearray(file.read_bytes())
    for place in rng.integers(len(content), size=4):
        content[place] = rng.integers(256)
    file.write_bytes(content)
    with contextlib.suppress(FileFormatError):
        read_mixtures(file)
