import numpy as np
import pytest
from scipy.stats import chisquare

from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.seeds import BLOCK_ROWS
from equipoise.generators.toy import ToyGenerator
from equipoise.samplers.sampler import Sampler


@pytest.mark.parametrize("size", [1, 7, 64])
@pytest.mark.parametrize("cell", [None, "smiling=no, tone=light"])
def test_draws_do_not_depend_on_batch_size(sampler: Sampler, size: int, cell: str | None) -> None:
    whole = sampler.draw(1100, 5, cell=cell)
    parts = list(sampler.stream(1100, 5, cell=cell, batch=size))
    assert np.array_equal(np.concatenate([p.codes for p in parts]), whole.codes)
    assert np.array_equal(np.concatenate([p.requested for p in parts]), whole.requested)
    assert np.array_equal(sampler.draw(3, 5, cell=cell, start=1050).codes, whole.codes[1050:1053])


@pytest.mark.parametrize("seed", range(5))
def test_cells_are_requested_as_the_weights_say_and_codes_follow(
    sampler: Sampler, seed: int
) -> None:
    draws = sampler.draw(5000, seed)
    counts = np.bincount(draws.requested, minlength=4)
    assert counts[3] == 0
    assert chisquare(counts[:3], sampler.weights[:3] * 5000).pvalue > 1e-4
    assert np.allclose(draws.codes, draws.requested[:, None] * 10, atol=1)


def test_every_block_asks_for_its_exact_part_of_each_cell(sampler: Sampler) -> None:
    for seed in range(20):
        requested = sampler.requested(3 * BLOCK_ROWS, seed).reshape(3, BLOCK_ROWS)
        for block in requested:
            counts = np.bincount(block, minlength=4)
            assert np.abs(counts - sampler.weights * BLOCK_ROWS).max() < 1


def test_remainders_even_out(sampler: Sampler) -> None:
    counts = np.bincount(sampler.requested(400 * BLOCK_ROWS, 3), minlength=4)
    expected = sampler.weights * 400 * BLOCK_ROWS
    # A remainder is a coin a block: its standard error over 400 blocks is at most 10 requests.
    assert np.abs(counts - expected).max() < 40


def test_any_slice_is_a_fair_sample(sampler: Sampler) -> None:
    counts = np.bincount(sampler.draw(200, 0).requested, minlength=4)[:3]
    assert chisquare(counts, sampler.weights[:3] * 200).pvalue > 1e-4


def test_seeds_and_cells_differ(sampler: Sampler) -> None:
    cell = "smiling=no, tone=dark"
    assert not np.array_equal(sampler.draw(9, 0).codes, sampler.draw(9, 1).codes)
    assert not np.array_equal(
        sampler.draw(9, 0, cell=cell).codes, sampler.draw(9, 1, cell=cell).codes
    )


def test_a_cell_of_zero_target_cannot_be_requested(sampler: Sampler) -> None:
    with pytest.raises(InputError, match=r"positive share.*got smiling=yes, tone=light"):
        sampler.draw(5, cell="tone=light, smiling=yes")


@pytest.mark.parametrize("n", [0, -4])
def test_bad_n_is_named(sampler: Sampler, n: int) -> None:
    with pytest.raises(InputError, match=f"n must be .* got {n}"):
        sampler.draw(n)


def test_weights_must_be_a_distribution_over_cells_with_a_source(sampler: Sampler) -> None:
    with pytest.raises(InputError, match="weights must be at least 0 and sum to 1"):
        Sampler(sampler.generator, sampler.target, np.array([1.0, 1, 0, 0]), sampler.source)
    with pytest.raises(InputError, match="'smiling=yes, tone=light' must be 0 where"):
        Sampler(sampler.generator, sampler.target, np.array([0.5, 0, 0, 0.5]), sampler.source)


def test_another_generator_is_refused(sampler: Sampler, toy: ToyGenerator) -> None:
    with pytest.raises(FileFormatError, match=r"must be of the generator 'toy'.*got one of 'toy'"):
        sampler.check_generator(toy)


def test_what_is_requested_is_told_without_drawing(sampler: Sampler) -> None:
    assert np.array_equal(sampler.requested(1500, 5), sampler.draw(1500, 5).requested)
