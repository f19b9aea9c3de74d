import numpy as np
import pytest
import torch

from equipoise.core.attributes import Attribute, AttributeGrid
from equipoise.core.errors import FileFormatError
from equipoise.core.labels import LabelledCodes, Labels
from equipoise.core.progress import Execution
from equipoise.generators import Generator, open_generator
from equipoise.generators.toy import ToyGenerator
from equipoise.methods.tilt.fit_latent import (
    LatentFit,
    fit_latent,
    normal_scores,
    score_bounds,
)
from equipoise.samplers.latent_classifier import (
    LatentClassifier,
    Networks,
    latent_from_tensors,
)


def first(generator: Generator, labels: Labels, n: int) -> LabelledCodes:
    return LabelledCodes.of_prior(generator.prior.codes(0, 0, n), labels.take(slice(0, n)))


@pytest.fixture(scope="module")
def fit(toy_latent: LatentFit) -> LatentFit:
    return toy_latent


def test_it_knows_much_more_than_the_shares(fit: LatentFit) -> None:
    assert fit.quality.loss < 0.1 * fit.quality.base
    for _, loss, base in fit.quality.attributes:
        assert loss < 0.15 * base
    assert [name for name, _, _ in fit.quality.cells] == list(fit.classifier.grid.cells)
    for name, loss, base in fit.quality.cells:
        assert loss < 0.2 * base, name


def test_probabilities_are_a_distribution_and_calibrated(
    fit: LatentFit, toy: ToyGenerator, toy_labels: Labels
) -> None:
    """On codes that no network saw, what it says comes true as often as it says."""
    codes = toy.prior.codes(0, 4000, 10_000)
    folds = np.arange(6000) % fit.classifier.folds
    h = np.exp(fit.classifier.log_probabilities(toy.stem(codes), folds))
    assert np.allclose(h.sum(axis=1), 1, atol=1e-5)
    cells = toy_labels.cells[4000:]
    for k in range(6):
        expected, found = h[:, k].sum(), (cells == k).sum()
        # The variance of these cells given h, and that of the labels which the fit learnt from.
        variance = (h[:, k] * (1 - h[:, k])).sum() * (1 + len(cells) / 4000)
        assert abs(expected - found) < 4 * np.sqrt(variance) + 0.1 * found


def test_held_out_is_what_the_networks_of_the_other_folds_say(
    fit: LatentFit, toy: ToyGenerator, toy_codes: LabelledCodes
) -> None:
    """The stored networks, each code by its fold: no code by networks that saw its label."""
    said = fit.classifier.log_probabilities(toy.stem(toy_codes.codes), fit.folds)
    likely = fit.held_out > -8
    assert np.allclose(np.exp(said), np.exp(fit.held_out), atol=1e-5)
    assert np.allclose(said[likely], fit.held_out[likely], atol=1e-3)
    by_fold = fit.classifier.by_fold(toy.stem(toy_codes.codes))
    assert np.array_equal(np.unique(fit.folds), np.arange(len(by_fold)))
    rows = np.arange(len(toy_codes))
    assert np.allclose(by_fold[fit.folds, rows], said, atol=1e-3)
    cells = toy_codes.labels.cells
    seen = np.mean([-by_fold[(fit.folds + i) % 5, rows, cells].mean() for i in range(1, 5)])
    assert seen < -fit.held_out[rows, cells].mean(), "who saw a label knows it better"


def test_held_out_codes_are_as_well_known_as_fresh_ones(
    fit: LatentFit, toy: ToyGenerator, toy_labels: Labels
) -> None:
    fresh = toy.prior.codes(0, 4000, 10_000)
    losses = -fit.held_out[np.arange(4000), toy_labels.cells[:4000]].astype(float)
    by_fold = fit.classifier.by_fold(toy.stem(fresh))
    of_fresh = -by_fold[:, np.arange(6000), toy_labels.cells[4000:]].mean(axis=0)
    spread = np.sqrt(losses.var() / 4000 + of_fresh.var() / 6000)
    assert abs(losses.mean() - of_fresh.mean()) < 4 * spread


@pytest.fixture(scope="module")
def few(toy: ToyGenerator, toy_labels: Labels) -> LabelledCodes:
    return first(toy, toy_labels, 500)


def tensors_of(
    toy: ToyGenerator, labelled: LabelledCodes, workers: int, threads: int
) -> dict[str, bytes]:
    """Return all bytes of a fit by so many workers, with so many threads of torch outside."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        execution = Execution(workers=workers)
        fit = fit_latent(toy.stem, labelled, seed=5, folds=2, members=2, execution=execution)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    found = {name: array.tobytes() for name, array in fit.classifier.tensors().items()}
    return {
        **found,
        "held_out": fit.held_out.tobytes(),
        "temperature": repr(fit.classifier.temperature).encode(),
    }


def test_the_same_bytes_for_any_number_of_workers_and_threads(
    toy: ToyGenerator, few: LabelledCodes
) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    one = tensors_of(toy, few, 1, 1)
    assert torch.equal(torch.rand(3), expected), "global randomness is untouched"
    for workers, threads in [(1, 2), (2, 1), (4, 4)]:
        assert tensors_of(toy, few, workers, threads) == one, (workers, threads)


def test_the_stem_is_asked_once_for_each_code_and_kept_or_not_fits_the_same(
    toy: ToyGenerator, few: LabelledCodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def stem(codes: np.ndarray) -> np.ndarray:
        asked.append(len(codes))
        return toy.stem(codes)

    kept = fit_latent(stem, few, seed=5, folds=2, members=1)
    assert sum(asked) == 2 * 500 + 1, "once to standardise, once to keep, and one for its shape"
    asked.clear()
    monkeypatch.setattr("equipoise.methods.tilt.fit_latent._MOST_KEPT", 500 * toy.dim - 1)
    made_anew = fit_latent(stem, few, seed=5, folds=2, members=1)
    assert sum(asked) > 10_000
    assert np.array_equal(kept.held_out, made_anew.held_out)


def test_unknown_rows_are_left_out(toy: ToyGenerator, toy_labels: Labels) -> None:
    labels = toy_labels.take(slice(0, 800))
    levels = labels.levels.copy()
    levels[::2, 0] = -1
    scores = labels.scores.copy()
    scores[::2, 0] = np.nan
    part = Labels(labels.grid, levels, labels.probabilities, scores)
    codes = toy.prior.codes(0, 0, 800)
    found = fit_latent(toy.stem, LabelledCodes.of_prior(codes, part), folds=2, members=1)
    assert np.isfinite(found.held_out).all()
    assert sum(count for _, _, count in found.quality.reliability) == 400


def test_losses_of_cells_add_up_to_the_whole(fit: LatentFit, toy_labels: Labels) -> None:
    cells = toy_labels.cells[:4000]
    shares = np.bincount(cells, minlength=6) / 4000
    losses, bases = np.array([(loss, base) for _, loss, base in fit.quality.cells]).T
    assert shares @ losses == pytest.approx(fit.quality.loss)
    assert shares @ bases == pytest.approx(fit.quality.base)


def test_stored_it_says_the_same(fit: LatentFit, toy: ToyGenerator) -> None:
    classifier = fit.classifier
    parameters = classifier.parameters()
    back = latent_from_tensors(classifier.tensors(), parameters, classifier.grid, "x")
    features, folds = toy.stem(toy.prior.codes(1, 0, 50)), np.arange(50) % 5
    assert np.array_equal(
        back.log_probabilities(features, folds), classifier.log_probabilities(features, folds)
    )
    for wrong in ({"folds": 6}, {"members": 3}, {"folds": 0}, {"folds": 65}):
        with pytest.raises(FileFormatError, match="must h"):
            latent_from_tensors(classifier.tensors(), {**parameters, **wrong}, classifier.grid, "x")


@pytest.mark.parametrize("channels", [3, 32])
def test_a_file_has_its_own_number_of_channels(
    channels: int, fit: LatentFit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files outlive the width that new networks have."""
    grid, rng = fit.classifier.grid, torch.Generator().manual_seed(0)
    networks = Networks((5, 2, 2), grid, 3, channels)
    networks.initialise(rng)
    none = np.zeros((sum(grid.shape), 2), np.float32)
    wide = LatentClassifier(
        grid, (5, 2, 2), np.zeros(5, np.float32), np.ones(5, np.float32), none, (networks,)
    )
    back = latent_from_tensors(wide.tensors(), wide.parameters(), grid, "x")
    features = np.random.default_rng(0).normal(size=(7, 5, 2, 2)).astype(np.float32)
    assert np.array_equal(back.by_fold(features), wide.by_fold(features))
    flat = {**wide.tensors(), "networks0.reduce": np.float32(1).reshape(())}
    with pytest.raises(FileFormatError, match="must have 1 to 1024 channels"):
        latent_from_tensors(flat, wide.parameters(), grid, "x")
    huge = {**wide.parameters(), "stage_shape": [5, 2**20, 2**20]}
    with pytest.raises(FileFormatError, match="must hold the arrays of the latent classifier"):
        latent_from_tensors(wide.tensors(), huge, grid, "x")
    monkeypatch.setattr("equipoise.samplers.latent_classifier._MOST_CHANNELS", channels - 1)
    with pytest.raises(FileFormatError, match=f"must have 1 to {channels - 1} channels"):
        latent_from_tensors(wide.tensors(), wide.parameters(), grid, "x")


@pytest.mark.parametrize("name", ["toy", pytest.param("digiface-dcgan", marks=pytest.mark.real)])
def test_members_side_by_side_say_what_each_says(name: str, toy_labels: Labels) -> None:
    """The stacked products against the networks as they were fitted, one after the other."""
    generator = open_generator(name)
    codes = generator.prior.codes(0, 0, 300)
    fit = fit_latent(generator.stem, first(generator, toy_labels, 300), folds=2, members=2)
    classifier, features = fit.classifier, generator.stem(codes[:40])
    rows = features.reshape(40, features.shape[1], -1).transpose(0, 2, 1)
    rows = rows if features.ndim == 4 else rows[:, 0]
    standard = torch.from_numpy(((rows - classifier.mean) * classifier.scale).astype(np.float32))
    for fold in range(2):
        with torch.inference_mode():
            logits = [classifier._heads(one(standard)[fold])[0] for one in classifier.networks]
            mean = torch.stack([torch.log_softmax(each, dim=1) for each in logits]).mean(dim=0)
            expected = torch.log_softmax(mean / classifier.temperature, dim=1).numpy()
        found = classifier.log_probabilities(features, np.full(40, fold))
        assert np.allclose(found, expected, atol=1e-3)


def test_networks_do_not_see_the_labels_of_their_fold(toy: ToyGenerator) -> None:
    """Other labels in one fold: its networks stay the same to the byte, all others change."""
    rng, n = np.random.default_rng(0), 400
    grid, codes = AttributeGrid((Attribute("a", ("no", "yes")),)), toy.prior.codes(0, 0, n)
    levels = rng.integers(2, size=n).astype(np.int8)
    fits: list[LatentFit] = []
    for _ in range(2):
        none = np.full((n, 1), np.nan, np.float32)
        labels = Labels(grid, levels[:, None], (np.eye(2, dtype=np.float32)[levels],), none)
        labelled = LabelledCodes.of_prior(codes, labels)
        fits.append(fit_latent(toy.stem, labelled, seed=3, folds=4, members=2))
        levels = np.where(fits[0].folds == 1, 1 - levels, levels)
    for one, other in zip(*(fit.classifier.networks for fit in fits), strict=True):
        same = (one.hidden == other.hidden).flatten(1).all(dim=1)
        assert same.tolist() == [False, True, False, False]
        assert torch.equal(one.heads[1], other.heads[1])


def test_a_spatial_stem_is_read(real: Generator) -> None:
    """The real stem, with labels that are a function of its features."""
    codes = real.prior.codes(0, 0, 600)
    features = real.stem(codes).mean(axis=(2, 3))
    score = features[:, :8].sum(axis=1)
    level = (score > np.median(score)).astype(np.int8)
    grid = AttributeGrid((Attribute("bright", ("no", "yes")),))
    one_hot = np.eye(2, dtype=np.float32)[level]
    labels = Labels(grid, level[:, None], (one_hot,), score[:, None].astype(np.float32))
    fit = fit_latent(real.stem, LabelledCodes.of_prior(codes, labels), folds=2, members=1)
    assert fit.classifier.stage_shape == (512, 4, 4)
    assert fit.quality.loss < 0.9 * fit.quality.base


def test_normal_scores_keep_order_and_ties_and_have_no_tails() -> None:
    rng = np.random.default_rng(0)
    scores = np.exp(3 * rng.standard_normal((5000, 2))).astype(np.float32)
    scores[:10, 0] = np.nan
    scores[10:20, 0] = 1.0
    found = normal_scores(scores)
    assert found.dtype == np.float32
    assert np.isnan(found[:10, 0]).all() and np.isfinite(found[10:]).all()
    assert len(np.unique(found[10:20, 0])) == 1, "equal scores stay equal"
    order = np.argsort(scores[20:, 1])
    assert (np.diff(found[20:, 1][order]) >= 0).all()
    assert np.nanmean(found, axis=0) == pytest.approx([0, 0], abs=0.01)
    assert np.nanstd(found, axis=0) == pytest.approx([1, 1], abs=0.01)
    assert np.abs(found[10:]).max() < 4.5
    assert np.isnan(normal_scores(np.full((3, 1), np.nan, np.float32))).all()


def labels_of(levels: np.ndarray, scores: np.ndarray, names: tuple[str, ...]) -> Labels:
    grid = AttributeGrid((Attribute("a", names),))
    return Labels(
        grid,
        levels.astype(np.int8)[:, None],
        (np.eye(len(names), dtype=np.float32)[levels.clip(0)],),
        scores.astype(np.float32)[:, None],
    )


CUTS = np.array([-0.8, 0.9])


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_levels_that_are_intervals_of_the_score_are_found(order: tuple[int, ...]) -> None:
    """Ascending, descending, or neither: intervals lie side by side, whatever levels are called."""
    scores = np.random.default_rng(0).standard_normal(6000)
    place = np.searchsorted(CUTS, scores)
    levels = np.array(order)[place]
    labels = labels_of(levels, scores, ("low", "mid", "high"))
    bounds = score_bounds(labels, labels.scores)
    assert bounds[list(order)] == pytest.approx(
        np.array([[-30, CUTS[0]], CUTS, [CUTS[1], 30]]), abs=0.01
    )


def test_a_few_broken_labels_and_missing_scores_are_borne_and_more_are_not() -> None:
    rng = np.random.default_rng(1)
    scores = rng.standard_normal(6000)
    levels = np.searchsorted(CUTS, scores)
    wrong = rng.permutation(6000)
    for broken, found in ((30, True), (300, False)):
        changed = levels.copy()
        changed[wrong[:broken]] = (changed[wrong[:broken]] + 1) % 3
        missing = scores.copy()
        missing[wrong[5000:5500]] = np.nan
        changed[wrong[5500:]] = -1
        labels = labels_of(changed, missing, ("low", "mid", "high"))
        bounds = score_bounds(labels, labels.scores)
        assert (bounds[:, 0] < bounds[:, 1]).all() == found
        if found:
            assert bounds[:2, 1] == pytest.approx(CUTS, abs=0.02)
        else:
            assert (bounds == 0).all()


def test_a_score_that_says_nothing_of_the_levels_has_no_intervals() -> None:
    """A categorical attribute, and one whose level never came out."""
    rng = np.random.default_rng(2)
    categorical = labels_of(rng.integers(3, size=3000), rng.standard_normal(3000), ("a", "b", "c"))
    assert (score_bounds(categorical, categorical.scores) == 0).all()
    scores = rng.standard_normal(3000)
    absent = labels_of(np.searchsorted(CUTS[:1], scores), scores, ("low", "high", "never"))
    assert (score_bounds(absent, absent.scores) == 0).all()
    none = labels_of(np.searchsorted(CUTS, scores), np.full(3000, np.nan), ("a", "b", "c"))
    assert (score_bounds(none, none.scores) == 0).all()
