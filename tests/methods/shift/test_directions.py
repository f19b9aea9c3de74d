import json
from pathlib import Path

import numpy as np
import pytest
import safetensors
from scipy.special import ndtri

from equipoise.core.attributes import Attribute, AttributeGrid
from equipoise.core.errors import InputError, InsufficientLabelsError
from equipoise.core.labels import Labels
from equipoise.generators.toy import ToyGenerator
from equipoise.methods.shift.directions import FRACTIONS, fit_directions
from equipoise.methods.shift.hyperplanes import save_directions


def exact_labels(toy: ToyGenerator, n: int, seed: int) -> Labels:
    values = toy.values(toy.prior.codes(seed, 0, n))
    levels = toy.levels_of(values)
    probabilities = tuple(
        np.eye(len(a.levels), dtype=np.float32)[levels[:, i]]
        for i, a in enumerate(toy.grid.attributes)
    )
    return Labels(toy.grid, levels, probabilities, values.astype(np.float32) / 255)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("multilevel", ["ordered", "one-vs-rest"])
def test_recovers_the_true_axes(toy: ToyGenerator, seed: int, multilevel: str) -> None:
    labels = exact_labels(toy, 10_000, seed)
    found = fit_directions(
        toy.prior.codes(seed, 0, 10_000), labels, multilevel=multilevel, seed=seed
    )
    for name, axis in zip(toy.grid.names, toy.axes, strict=True):
        normals = found[name].normals
        # A middle level has no side of its own on a linear axis, so its plane is left out.
        outer = normals[[-1]] if found[name].ordered else normals[[0, -1]]
        cosines = np.abs(outer @ axis)
        assert cosines.min() > 0.98, (name, cosines)
        assert found[name].planes[-1].auc > 0.999


def test_normals_are_unit_and_planes_tell_their_positive_side(toy: ToyGenerator) -> None:
    found = fit_directions(toy.prior.codes(0, 0, 5000), exact_labels(toy, 5000, 0))
    assert np.allclose(np.linalg.norm(found.normals, axis=1), 1)
    assert np.allclose(np.diag(found.cosines), 1)
    positive = [plane.positive for plane in found["skin_tone"].planes]
    assert positive == [("medium", "light"), ("light",)]
    assert found.normal_names == toy.grid.names


@pytest.mark.parametrize("multilevel", ["ordered", "one-vs-rest"])
def test_conditional_directions_are_blind_to_all_other_attributes(multilevel: str) -> None:
    toy = ToyGenerator(entanglement=0.6)
    found = fit_directions(
        toy.prior.codes(0, 0, 5000), exact_labels(toy, 5000, 0), multilevel=multilevel
    )
    for name in toy.grid.names:
        own = found.conditional(name)
        assert np.allclose(np.linalg.norm(own, axis=1), 1)
        for other in set(toy.grid.names) - {name}:
            assert np.abs(own @ found[other].normals.T).max() < 1e-9
        assert (np.sum(own * found[name].normals, axis=1) > 0.3).all()


def test_a_direction_in_the_span_of_the_others_is_refused(toy: ToyGenerator) -> None:
    labels = exact_labels(toy, 2000, 0)
    twin = AttributeGrid((Attribute("one", ("no", "yes")), Attribute("two", ("no", "yes"))))
    doubled = Labels(
        twin, labels.levels[:, [1, 1]], (labels.probabilities[1],) * 2, labels.scores[:, [1, 1]]
    )
    found = fit_directions(toy.prior.codes(0, 0, 2000), doubled)
    with pytest.raises(InputError, match="'one' must not lie in the span"):
        found.conditional("one")


def test_the_default_fraction_has_the_best_held_out_accuracy(toy: ToyGenerator) -> None:
    codes, labels = toy.prior.codes(3, 0, 4000), exact_labels(toy, 4000, 3)
    best = fit_directions(codes, labels)["smiling"].planes[0]
    each = {f: fit_directions(codes, labels, fraction=f)["smiling"].planes[0] for f in FRACTIONS}
    # Codes that neither fitted nor chose it agree with the choice, within their noise.
    assert best.accuracy == each[best.fraction].accuracy
    assert best.accuracy > max(p.accuracy for p in each.values()) - 2 / np.sqrt(best.held_out)


def test_boundaries_are_the_true_ones(toy: ToyGenerator) -> None:
    """With exact labels on a linear toy, a boundary is where the level truly begins."""
    found = fit_directions(toy.prior.codes(0, 0, 20_000), exact_labels(toy, 20_000, 0))
    for name, cuts in zip(toy.grid.names, toy.thresholds, strict=True):
        true = ndtri((cuts - 0.5) / 255)
        offsets = [plane.offset for plane in found[name].planes]
        assert np.allclose(offsets, true, atol=0.08), name
        assert min(plane.accuracy for plane in found[name].planes) > 0.985


def test_held_out_accuracy_is_not_that_of_noise(toy: ToyGenerator) -> None:
    """Labels without any relation to the code are separated no better than by chance."""
    rng = np.random.default_rng(0)
    codes = toy.prior.codes(0, 0, 4000)
    grid = AttributeGrid((Attribute("coin", ("heads", "tails")),))
    score = rng.random(4000, np.float32)
    levels = (score > 0.5).astype(np.int8)[:, None]
    labels = Labels(grid, levels, (np.stack([1 - score, score], 1),), score[:, None])
    plane = fit_directions(codes, labels, fraction=1.0)["coin"].planes[0]
    assert abs(plane.auc - 0.5) < 4 / np.sqrt(plane.held_out)


def test_unknown_codes_are_left_out(toy: ToyGenerator) -> None:
    labels = exact_labels(toy, 4000, 0)
    labels.levels[::2, 1] = -1
    plane = fit_directions(toy.prior.codes(0, 0, 4000), labels, fraction=1.0)["smiling"].planes[0]
    assert plane.fitted + plane.held_out < 2000
    assert plane.fitted > 1300


def test_too_few_samples_say_how_many_are_missing(toy: ToyGenerator) -> None:
    labels = exact_labels(toy, 100, 0)
    have = int((labels.levels[:, 0] == 2).sum())
    assert 0 < have < 20
    with pytest.raises(
        InsufficientLabelsError, match=f"level skin_tone=light needs .* got {have} of 100"
    ):
        fit_directions(toy.prior.codes(0, 0, 100), labels)
    more = int(np.ceil((20 - have) * 100 / have))
    with pytest.raises(
        InsufficientLabelsError, match=f"About {more:,} more codes .* the {20 - have} that"
    ):
        fit_directions(toy.prior.codes(0, 0, 100), labels)


def test_a_level_that_never_showed_bounds_its_share(toy: ToyGenerator) -> None:
    labels = exact_labels(toy, 1000, 0)
    labels.levels[labels.levels[:, 0] == 2, 0] = 1
    with pytest.raises(InsufficientLabelsError, match=r"its share is below 0\.003 \(95 %\)"):
        fit_directions(toy.prior.codes(0, 0, 1000), labels)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"fraction": 0.0}, r"fraction must be in \(0, 1\], got 0.0"),
        ({"fraction": 1.5}, "got 1.5"),
        ({"multilevel": "tree"}, "must be one of ordered, one-vs-rest, got tree"),
    ],
)
def test_bad_settings_are_named(toy: ToyGenerator, setting: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        fit_directions(toy.prior.codes(0, 0, 500), exact_labels(toy, 500, 0), **setting)


def test_directions_are_saved_for_other_tools(toy: ToyGenerator, tmp_path: Path) -> None:
    found = fit_directions(toy.prior.codes(0, 0, 2000), exact_labels(toy, 2000, 0))
    save_directions(found, tmp_path / "d.safetensors")
    with safetensors.safe_open(tmp_path / "d.safetensors", "numpy") as stored:
        assert np.array_equal(stored.get_tensor("normals"), found.normals)
        assert stored.get_tensor("offsets").shape == (4,)
        assert json.loads(stored.metadata()["equipoise"])["normals"] == list(toy.grid.names)
