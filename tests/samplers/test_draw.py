import numpy as np
import pytest

from equipoise.classifiers import ClassifierPanel, open_panel
from equipoise.classifiers.models import Models
from equipoise.classifiers.toy import ToyClassifier
from equipoise.core.errors import InputError, InsufficientLabelsError
from equipoise.core.labels import concatenate
from equipoise.core.progress import Execution
from equipoise.core.targets import Target
from equipoise.generators.toy import ToyGenerator
from equipoise.samplers.draw import one_shot
from equipoise.samplers.sampler import Sampler
from equipoise.samplers.verified import exact_counts, verified


@pytest.mark.parametrize("n", [1, 7, 100])
def test_counts_are_exact_and_nearest_to_the_target(n: int, toy_panel: ClassifierPanel) -> None:
    target = Target(toy_panel.grid, np.array([0.5, 0.2, 0.1, 0.1, 0.1, 0.0]))
    counts = exact_counts(target, n)
    assert counts.sum() == n
    assert counts[5] == 0
    assert (np.abs(counts - target.shares * n) < 1).all()


def test_kept_images_are_truly_of_their_cell_and_calls_are_one_over_purity(
    toy_sampler: Sampler, toy: ToyGenerator, toy_panel: ClassifierPanel
) -> None:
    wanted = np.array([30, 0, 20, 40, 0, 10])
    parts = list(verified(toy_sampler, Models(toy, toy_panel), wanted, seed=3))
    labels = concatenate([part.labels for part in parts])
    codes = np.concatenate([part.latents.codes for part in parts])
    columns = [toy.grid.attribute(name) for name in toy_panel.grid.names]
    truth = toy_panel.grid.cell_of(toy.levels(codes)[:, columns])
    assert np.bincount(truth, minlength=6).tolist() == wanted.tolist()
    assert np.array_equal(truth, labels.cells)
    shares = np.bincount(
        toy_panel.grid.cell_of(toy.levels(toy.prior.codes(1, 0, 50_000))[:, columns])
    )
    expected = (wanted * 50_000 / shares).sum()
    assert sum(part.calls for part in parts) == pytest.approx(expected, rel=0.35)


@pytest.mark.parametrize(("batch", "workers"), [(7, 1), (64, 4)])
def test_which_are_kept_does_not_depend_on_batch_size_or_workers(
    toy_sampler: Sampler, toy: ToyGenerator, toy_panel: ClassifierPanel, batch: int, workers: int
) -> None:
    wanted = exact_counts(toy_sampler.target, 60)
    expected = [
        d.latents.codes for d in verified(toy_sampler, Models(toy, toy_panel), wanted, seed=1)
    ]
    other = ToyGenerator(batch_size=batch)
    found = list(
        verified(
            toy_sampler,
            Models(other, toy_panel),
            wanted,
            seed=1,
            execution=Execution(workers=workers),
        )
    )
    assert np.array_equal(
        np.concatenate([d.latents.codes for d in found]), np.concatenate(expected)
    )


def test_a_panel_of_another_order_or_of_more_attributes_is_refused(
    toy_sampler: Sampler, toy: ToyGenerator
) -> None:
    """Cells are numbers: such a panel would deliver other cells under the same names."""
    for names in (["skin_tone", "smiling"], ["smiling", "skin_tone", "glasses"]):
        panel = open_panel(names, toy)
        with pytest.raises(InputError, match="must be those of the sampler, smiling, skin_tone,"):
            next(one_shot(toy_sampler, Models(toy, panel), 10))
        with pytest.raises(InputError, match="must be those of the sampler, smiling, skin_tone,"):
            next(verified(toy_sampler, Models(toy, panel), [1] * 6))


def test_a_starving_cell_is_named_with_its_purity_and_the_rest_stands(
    toy_sampler: Sampler, toy: ToyGenerator, toy_panel: ClassifierPanel
) -> None:
    kept = []
    with pytest.raises(
        InsufficientLabelsError, match=r"'smiling=yes, skin_tone=light' must give 400 .* purity of"
    ):
        for drawn in verified(
            toy_sampler, Models(toy, toy_panel), [20, 0, 0, 0, 0, 400], attempts=5
        ):
            kept.append(drawn)
    assert sum((d.labels.cells == 0).sum() for d in kept) == 20


def test_one_shot_images_are_those_of_the_draws(
    toy_sampler: Sampler, toy: ToyGenerator, toy_panel: ClassifierPanel
) -> None:
    parts = list(one_shot(toy_sampler, Models(toy, toy_panel), 600, 4, start=100))
    draws = toy_sampler.draw(600, 4, start=100)
    assert np.array_equal(np.concatenate([p.latents.index for p in parts]), draws.index)
    assert np.array_equal(np.concatenate([p.images for p in parts]), toy.images(draws.codes))
    assert sum(p.calls for p in parts) == 600


def test_an_abstaining_classifier_keeps_fewer(toy_sampler: Sampler, toy: ToyGenerator) -> None:
    panel = ClassifierPanel([ToyClassifier(toy, abstain=0.5)], ["smiling", "skin_tone"])
    parts = list(verified(toy_sampler, Models(toy, panel), [50, 0, 0, 0, 0, 0]))
    assert sum(len(p.images) for p in parts) == 50
    assert sum(p.calls for p in parts) > 100


@pytest.mark.parametrize("counts", [[1, 2], [-1, 0, 0, 0, 0, 0], [0.5, 0, 0, 0, 0, 0]])
def test_bad_counts_are_named(
    toy_sampler: Sampler, toy: ToyGenerator, toy_panel: ClassifierPanel, counts: list[float]
) -> None:
    with pytest.raises(InputError, match="counts must be 6 whole numbers"):
        next(verified(toy_sampler, Models(toy, toy_panel), counts))  # type: ignore[arg-type]
