from __future__ import annotations

import pickle
from collections.abc import Iterable
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, DistributedSampler

from equipoise.classifiers import ClassifierPanel
from equipoise.classifiers.models import Models
from equipoise.core.errors import InputError
from equipoise.generators.toy import ToyGenerator
from equipoise.samplers.draw import gather_latents
from equipoise.samplers.sampler import Sampler
from equipoise.samplers.training import BalancedImages
from equipoise.samplers.verified import exact_counts, verified

N = 1200
"""Images: more than one block of codes."""


def pairs(batches: Iterable[Any]) -> list[tuple[int, int, int]]:
    """Return (seed, cell, index) of each image of a loader."""
    return [
        (int(seed), int(cell), int(index))
        for batch in batches
        for seed, cell, index in zip(batch.seed, batch.cell, batch.index, strict=True)
    ]


def loader(images: Any, workers: int, **more: Any) -> DataLoader[Any]:
    return DataLoader(images, batch_size=100, num_workers=workers, **more)


@pytest.fixture(scope="module")
def expected(toy_sampler: Sampler) -> list[tuple[int, int, int]]:
    draws = toy_sampler.draw(N, 5)
    return [(5, int(k), int(i)) for k, i in zip(draws.requested, draws.index, strict=True)]


@pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker processes")
@pytest.mark.parametrize(("workers", "ranks"), [(0, 1), (1, 1), (2, 1), (4, 1), (0, 2), (2, 2)])
def test_the_same_images_for_any_number_of_workers_and_ranks(
    toy_sampler: Sampler,
    toy: ToyGenerator,
    expected: list[tuple[int, int, int]],
    workers: int,
    ranks: int,
) -> None:
    parts = []
    for rank in range(ranks):
        images = BalancedImages(toy_sampler, toy, N, 5, rank=rank, ranks=ranks)
        parts.append(pairs(loader(images, workers)))
    assert [len(part) for part in parts] == [N / ranks] * ranks
    found = [pair for part in parts for pair in part]
    assert sorted(found) == sorted(expected)
    assert (found == expected) is (workers < 2)


def test_images_by_number_under_a_shuffling_sampler_of_two_ranks(
    toy_sampler: Sampler, toy: ToyGenerator, expected: list[tuple[int, int, int]]
) -> None:
    images = BalancedImages(toy_sampler, toy, N, 5).indexed()
    found = []
    for rank in range(2):
        shared: DistributedSampler[Any] = DistributedSampler(images, num_replicas=2, rank=rank)
        found += pairs(loader(images, 1, sampler=shared))
    assert found != expected
    assert sorted(found) == sorted(expected)
    last = images[-1]
    assert (last.seed, last.cell, last.index) == expected[-1]
    assert len(images) == N
    with pytest.raises(IndexError):
        images[N]


def test_an_item_is_the_image_of_its_draw(toy_sampler: Sampler, toy: ToyGenerator) -> None:
    stream = BalancedImages(toy_sampler, toy, 30, 5)
    draws = toy_sampler.draw(30, 5)
    images = toy.images(draws.codes)
    for number, item in enumerate(stream):
        assert np.array_equal(item.image, images[number])
        assert item.image.dtype == torch.uint8
        assert item.levels.tolist() == toy_sampler.grid.levels[item.cell].tolist()
        assert item.weight == np.float32(draws.weights[number])
        assert item.weight.dtype == torch.float32


def test_a_transform_is_given_each_image(toy_sampler: Sampler, toy: ToyGenerator) -> None:
    stream = BalancedImages(toy_sampler, toy, 5, transform=lambda image: image.float() / 255)
    assert all(item.image.dtype == torch.float32 and item.image.max() <= 1 for item in stream)


def test_transforms_of_torchvision(toy_sampler: Sampler, toy: ToyGenerator) -> None:
    v2 = pytest.importorskip("torchvision.transforms.v2")
    change = v2.Compose([v2.Resize(8), v2.ToDtype(torch.float32, scale=True)])
    item = next(iter(BalancedImages(toy_sampler, toy, 5, transform=change)))
    assert item.image.shape[-1] == 8


def test_verified_images_are_those_of_verified_draws_with_all_cells_in_each_batch(
    toy_sampler: Sampler, toy: ToyGenerator, toy_panel: ClassifierPanel
) -> None:
    stream = BalancedImages(toy_sampler, toy, 24, 5, panel=toy_panel)
    counts = exact_counts(toy_sampler.target, 24)
    kept, _ = gather_latents(verified(toy_sampler, Models(toy, toy_panel), counts, 5))
    wanted = [(5, int(k), int(i)) for k, i in zip(kept.requested, kept.index, strict=True)]
    found = pairs(loader(stream, 2))
    assert sorted(found) == sorted(wanted)
    assert len({cell for _, cell, _ in pairs(islice(loader(stream, 0), 1))}) == 6
    images = np.stack([item.image for item in stream])
    assert toy_panel.predict(images).cells.tolist() == [item.cell for item in stream]


@pytest.mark.parametrize("stop", [0, 7, 1100, N])
def test_a_stopped_stream_goes_on(
    toy_sampler: Sampler, toy: ToyGenerator, expected: list[tuple[int, int, int]], stop: int
) -> None:
    stream = BalancedImages(toy_sampler, toy, N, 5)
    first = [(one.seed, one.cell, one.index) for one in islice(stream, stop)]
    fresh = BalancedImages(toy_sampler, toy, N, 5)
    state = stream.state_dict() if stop else fresh.state_dict()
    fresh.load_state_dict(pickle.loads(pickle.dumps(state)))
    rest = [(one.seed, one.cell, one.index) for one in fresh]
    assert first + rest == expected
    assert sum(1 for _ in fresh) == N, "a later loop begins at the start"


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("stop", [0, 30])
def test_a_state_of_the_main_process_is_refused_by_workers(
    toy_sampler: Sampler, toy: ToyGenerator, stop: int, workers: int
) -> None:
    """They would leave images out, or make them again, and nobody would notice."""
    stream = BalancedImages(toy_sampler, toy, N, 5)
    list(islice(stream, stop))
    fresh = BalancedImages(toy_sampler, toy, N, 5)
    fresh.load_state_dict(stream.state_dict())
    with pytest.raises(RuntimeError, match="must be loaded by each worker of a loader"):
        list(DataLoader(fresh, batch_size=10, num_workers=workers))
    assert len(list(DataLoader(fresh, batch_size=None))) == N - stop


@pytest.mark.extras("torchdata")
@pytest.mark.filterwarnings("ignore")  # It warns of torch.
def test_a_loader_of_torchdata_goes_on_in_the_middle(
    toy_sampler: Sampler, toy: ToyGenerator, expected: list[tuple[int, int, int]]
) -> None:
    from torchdata.stateful_dataloader import StatefulDataLoader as stateful

    for workers in (0, 2):
        images = BalancedImages(toy_sampler, toy, N, 5)
        whole = pairs(stateful(images, batch_size=100, num_workers=workers))
        begun = stateful(images, batch_size=100, num_workers=workers)
        first = pairs(islice(begun, 5))
        fresh = stateful(images, batch_size=100, num_workers=workers)
        fresh.load_state_dict(begun.state_dict())
        assert first + pairs(fresh) == whole
        assert sorted(whole) == sorted(expected)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"seed": 6}, "state, draws must be 'n=50, seed=6"),
        ({"rank": 1, "ranks": 2}, "state, part must be 1, got 0"),
    ],
)
def test_a_state_of_other_draws_is_refused(
    toy_sampler: Sampler, toy: ToyGenerator, changed: dict[str, int], words: str
) -> None:
    state = BalancedImages(toy_sampler, toy, 50, 5).state_dict()
    other = BalancedImages(toy_sampler, toy, 50, **{"seed": 5, **changed})
    with pytest.raises(InputError, match=words):
        other.load_state_dict(state)
    with pytest.raises(InputError, match="state, done must be at most 50, got 51"):
        BalancedImages(toy_sampler, toy, 50, 5).load_state_dict({**state, "done": 51})


def test_arguments_that_break_a_rule_are_named(toy_sampler: Sampler, toy: ToyGenerator) -> None:
    with pytest.raises(InputError, match="rank must be below ranks, 2, got 2"):
        BalancedImages(toy_sampler, toy, 50, rank=2, ranks=2)
    with pytest.raises(InputError, match="faithful must not be given without a panel"):
        BalancedImages(toy_sampler, toy, 50, faithful="0.9")
    with pytest.raises(InputError, match="n must be a whole number of at least 1, got 0"):
        BalancedImages(toy_sampler, toy, 0)


def test_a_worker_that_is_a_fresh_process_gets_the_same_draws(
    toy_sampler: Sampler, toy: ToyGenerator
) -> None:
    stream = BalancedImages(toy_sampler, toy, 20, 5)
    sent = pickle.loads(pickle.dumps(stream))
    assert all(torch.equal(a.image, b.image) for a, b in zip(stream, sent, strict=True))
