"""Random numbers that depend on a seed and an index only.

Batch size and number of workers do not matter: rows are generated in blocks of `BLOCK_ROWS`, each
from its own child of a `numpy.random.SeedSequence`, keyed by the purpose and the number of the
block. Slices are cut from whole blocks.

Values are those of NumPy's PCG64 and `standard_normal`. NumPy may change them between feature
releases (NEP 19). Labels, samplers and records therefore store the versions of the libraries, and
labels also a digest of the first code.
"""

from __future__ import annotations

from enum import IntEnum, unique
from functools import lru_cache
from numbers import Integral

import numpy as np
from numpy.typing import NDArray

from equipoise.core.errors import InputError

BLOCK_ROWS = 1024
"""Rows of a block, chosen by hand. It never changes: stored labels and samplers depend on it."""

_WIDE = 4096
"""Values in a row from which on only one block, of 16 MiB or more, is cached; chosen by hand."""


@unique
class Stream(IntEnum):
    """Every purpose of random numbers. Two streams of one seed are independent.

    The number of a member never changes, because stored labels and samplers depend on it. Each
    member is used by one module only, which `tests/core/test_seeds.py` checks.
    """

    # Codes and images
    PRIOR = 0
    PRIOR_CLASS = 1
    NOISE_MAPS = 2
    TOY_AXES = 3
    RESTORATION_START = 4
    TOY_WORDS = 5
    # What a sampler draws
    REQUEST = 10
    TILT_CANDIDATES = 11
    MIXTURE_CODES = 12
    TRAINING_ORDER = 13
    CONTEXT_DRAWS = 14
    SHARED_CANDIDATES = 15
    # How a sampler is fitted
    SHIFT_CODES = 20
    HYPERPLANE_HELD_OUT = 21
    HYPERPLANE_ROWS = 22
    MIXTURE_FIT = 23
    LATENT_FOLDS = 24
    DIRECTED_DRAWS = 25
    PILOT_CODES = 26
    PROPOSAL_SEARCH = 27
    PREFILTER_FIT = 28
    CALIBRATION_DRAWS = 29
    CALIBRATION_POSTERIOR = 30
    HELD_OUT_BOOTSTRAP = 31
    CONTEXT_POSTERIOR = 32
    # What measures a sampler
    MEASURED_DRAWS = 40
    REFERENCE_CODES = 41
    ANNOTATION_SAMPLE = 42
    THINNED_DRAWS = 43
    # Methods side by side
    COMPARED_POOL = 50
    COMPARED_PRIOR = 51
    COMPARED_DRAWS = 52
    COMPARED_RESAMPLING = 53
    COMPARED_CONSTRAINT = 54
    COMPARED_CANDIDATES = 55
    COMPARED_WAYS = 56
    # Statistics
    CRITICAL_VALUE = 60
    MULTINOMIAL_TEST = 61
    CORRECTION = 62
    GAP_TEST = 63
    PAIRED_TEST = 64
    RATE_BOOTSTRAP = 65
    DISTANCE_SHUFFLE = 66
    SIMILARITY_BOOTSTRAP = 67
    TWO_SAMPLE_SPLIT = 68
    DECISIVE_SHARES = 69
    CONTEXT_DEVIATION = 70
    RANK_AGREEMENT = 71
    DIVERSITY_BOOTSTRAP = 72
    PROMPT_DESCRIPTION = 73
    ASKED_PAIRS = 74


def check_seed(seed: int) -> int:
    """Return `seed` as an int after checking that it is a whole number in [0, 2**63).

    Raises
    ------
    InputError
        When it is not.
    """
    if isinstance(seed, bool) or not isinstance(seed, Integral) or not 0 <= seed < 2**63:
        raise InputError("seed", "must be a whole number in [0, 2**63)", seed, "Pass --seed 0.")
    return int(seed)


def generator_for(seed: int, stream: Stream, *key: int) -> np.random.Generator:
    """Return the random generator of a seed for one purpose and one key.

    Parameters
    ----------
    seed : int
        In [0, 2**63).
    stream : Stream
        The purpose.
    key : int
        Further numbers, such as a cell or a fold. Other numbers give independent generators.

    Raises
    ------
    InputError
        When the seed breaks its rule.

    Examples
    --------
    >>> a = generator_for(0, Stream.REQUEST, 3).integers(100)
    >>> bool(a == generator_for(0, Stream.REQUEST, 3).integers(100))
    True
    """
    sequence = np.random.SeedSequence(check_seed(seed), spawn_key=(int(stream), *key))
    return np.random.Generator(np.random.PCG64(sequence))


def child_seed(seed: int, stream: Stream, *key: int) -> int:
    """Return another seed, in [0, 2**62), derived from a seed for one purpose and one key.

    Parameters
    ----------
    seed, stream, key
        As for `generator_for`.

    Raises
    ------
    InputError
        When the seed breaks its rule.

    Examples
    --------
    >>> child_seed(0, Stream.MEASURED_DRAWS) == child_seed(0, Stream.CALIBRATION_DRAWS)
    False
    """
    return int(generator_for(seed, stream, *key).integers(2**62))


def blocks(start: int, stop: int) -> list[tuple[int, slice]]:
    """Return (number of the block, slice within it) for each block of the rows [start, stop).

    Raises
    ------
    InputError
        When start is below 0 or above stop.

    Examples
    --------
    >>> blocks(1000, 1030)
    [(0, slice(1000, 1024, None)), (1, slice(0, 6, None))]
    """
    if not 0 <= start <= stop:
        raise InputError(
            "rows [start, stop)", "must satisfy 0 <= start <= stop", (start, stop), "Swap them."
        )
    numbers = range(start // BLOCK_ROWS, -(-stop // BLOCK_ROWS)) if stop > start else range(0)
    return [
        (b, slice(max(start - b * BLOCK_ROWS, 0), min(stop - b * BLOCK_ROWS, BLOCK_ROWS)))
        for b in numbers
    ]


def _make_block(seed: int, stream: Stream, block: int, dim: int) -> NDArray[np.float32]:
    rows = generator_for(seed, stream, block).standard_normal((BLOCK_ROWS, dim), dtype=np.float32)
    rows.setflags(write=False)
    return rows


_narrow_block, _wide_block = lru_cache(maxsize=16)(_make_block), lru_cache(maxsize=1)(_make_block)


def normal_rows(
    seed: int, start: int, stop: int, dim: int, stream: Stream = Stream.PRIOR
) -> NDArray[np.float32]:
    """Return rows [start, stop) of the unlimited table of standard normal values of a seed.

    Parameters
    ----------
    seed : int
        In [0, 2**63).
    start, stop : int
        Row numbers, 0 <= start <= stop.
    dim : int
        Values in a row.
    stream : Stream
        The purpose; different streams are independent.

    Returns
    -------
    numpy.ndarray, shape (stop - start, dim), float32
        Row i depends on seed, stream, dim and i only.

    Raises
    ------
    InputError
        When the seed or the row numbers break their rule.

    Examples
    --------
    >>> whole = normal_rows(7, 0, 2000, 3)
    >>> bool((whole[1500:1600] == normal_rows(7, 1500, 1600, 3)).all())
    True
    """
    seed = check_seed(seed)
    block_of = _wide_block if dim >= _WIDE else _narrow_block
    parts = [block_of(seed, stream, b, dim)[rows] for b, rows in blocks(start, stop)]
    return np.concatenate(parts) if parts else np.empty((0, dim), np.float32)
