import numpy as np
import pytest
import torch

from equipoise.core.attributes import Attribute, AttributeGrid
from equipoise.core.labels import LabelledCodes, Labels
from equipoise.generators import Generator, open_generator
from equipoise.generators.toy import ToyGenerator
from equipoise.methods.tilt.fit_latent import LatentFit, fit_latent
from equipoise.samplers.latent_classifier import latent_from_tensors


def first(generator: Generator, labels: Labels, n: int) -> LabelledCodes:
    return LabelledCodes.of_prior(generator.prior.codes(0, 0, n), labels.take(slice(0, n)))


@pytest.fixture(scope="module")
def fit(toy_latent: LatentFit) -> LatentFit:
    return toy_latent


def test_it_knows_much_more_than_the_shares(fit: LatentFit) -> None:
    assert fit.quality.loss < 0.35 * fit.quality.base
    for _, loss, base in fit.quality.attributes:
        assert loss < 0.35 * base
    assert [name for name, _, _ in fit.quality.cells] == list(fit.classifier.grid.cells)
    for name, loss, base in fit.quality.cells:
        assert loss < base, name


def test_probabilities_are_a_distribution_and_calibrated(
    fit: LatentFit, toy: ToyGenerator, toy_labels: Labels
) -> None:
    """On codes that no member saw, what it says comes true as often as it says."""
    codes = toy.prior.codes(0, 4000, 10_000)
    h = np.exp(fit.classifier.log_probabilities(toy.stem(codes)))
    assert np.allclose(h.sum(axis=1), 1, atol=1e-5)
    cells = toy_labels.cells[4000:]
    for k in range(6):
        expected, found = h[:, k].sum(), (cells == k).sum()
        # The variance of these cells given h, and that of the labels which the fit learnt from.
        variance = (h[:, k] * (1 - h[:, k])).sum() * (1 + len(cells) / 4000)
        assert abs(expected - found) < 4 * np.sqrt(variance)


def test_the_same_seed_fits_the_same_and_global_randomness_is_untouched(
    toy: ToyGenerator, toy_labels: Labels
) -> None:
    labelled = first(toy, toy_labels, 800)
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    one = fit_latent(toy.stem, labelled, seed=5)
    assert torch.equal(torch.rand(3), expected)
    other = fit_latent(toy.stem, labelled, seed=5)
    assert np.array_equal(one.held_out, other.held_out)


def test_the_stem_is_asked_once_for_each_code_and_kept_or_not_fits_the_same(
    toy: ToyGenerator, toy_labels: Labels, monkeypatch: pytest.MonkeyPatch
) -> None:
    labelled, asked = first(toy, toy_labels, 800), []

    def stem(codes: np.ndarray) -> np.ndarray:
        asked.append(len(codes))
        return toy.stem(codes)

    kept = fit_latent(stem, labelled, seed=5)
    assert sum(asked) == 801, "one more tells the shape"
    asked.clear()
    monkeypatch.setattr("equipoise.methods.tilt.fit_latent._MOST_KEPT", 800 * toy.dim - 1)
    made_anew = fit_latent(stem, labelled, seed=5)
    assert sum(asked) > 10_000
    assert np.array_equal(kept.held_out, made_anew.held_out)


def test_unknown_rows_are_left_out(toy: ToyGenerator, toy_labels: Labels) -> None:
    labels = toy_labels.take(slice(0, 800))
    levels = labels.levels.copy()
    levels[::2, 0] = -1
    scores = labels.scores.copy()
    scores[::2, 0] = np.nan
    part = Labels(labels.grid, levels, labels.probabilities, scores)
    found = fit_latent(toy.stem, LabelledCodes.of_prior(toy.prior.codes(0, 0, 800), part))
    assert np.isfinite(found.held_out).all()
    assert sum(count for _, _, count in found.quality.reliability) == 400


def test_losses_of_cells_add_up_to_the_whole(fit: LatentFit, toy_labels: Labels) -> None:
    cells = toy_labels.cells[:4000]
    shares = np.bincount(cells, minlength=6) / 4000
    losses, bases = np.array([(loss, base) for _, loss, base in fit.quality.cells]).T
    assert shares @ losses == pytest.approx(fit.quality.loss)
    assert shares @ bases == pytest.approx(fit.quality.base)


def test_stored_it_says_the_same(fit: LatentFit, toy: ToyGenerator) -> None:
    parameters = {
        "temperature": fit.classifier.temperature,
        "stem_shape": list(fit.classifier.stem_shape),
    }
    back = latent_from_tensors(fit.classifier.tensors(), parameters, fit.classifier.grid, "x")
    features = toy.stem(toy.prior.codes(1, 0, 50))
    assert np.array_equal(
        back.log_probabilities(features), fit.classifier.log_probabilities(features)
    )


@pytest.mark.parametrize("name", ["toy", pytest.param("digiface-dcgan", marks=pytest.mark.real)])
def test_members_side_by_side_say_what_each_says(name: str, toy_labels: Labels) -> None:
    generator = open_generator(name)
    codes = generator.prior.codes(0, 0, 300)
    fit = fit_latent(generator.stem, first(generator, toy_labels, 300))
    features = torch.from_numpy(generator.stem(codes[:40]))
    expected = [torch.log_softmax(member(features)[0], dim=1) for member in fit.classifier.members]
    mean = torch.log_softmax(torch.stack(expected).mean(dim=0) / fit.classifier.temperature, dim=1)
    assert np.allclose(fit.classifier.log_probabilities(features.numpy()), mean.numpy(), atol=1e-4)


def test_a_spatial_stem_is_read(real: Generator) -> None:
    """The real stem, with labels that are a function of its features."""
    codes = real.prior.codes(0, 0, 600)
    features = real.stem(codes).mean(axis=(2, 3))
    score = features[:, :8].sum(axis=1)
    level = (score > np.median(score)).astype(np.int8)
    grid = AttributeGrid((Attribute("bright", ("no", "yes")),))
    one_hot = np.eye(2, dtype=np.float32)[level]
    labels = Labels(grid, level[:, None], (one_hot,), score[:, None].astype(np.float32))
    fit = fit_latent(real.stem, LabelledCodes.of_prior(codes, labels))
    assert fit.classifier.stem_shape == (512, 4, 4)
    assert fit.quality.loss < 0.9 * fit.quality.base
