import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import equipoise
from equipoise.core.errors import InputError
from equipoise.core.seeds import BLOCK_ROWS, Stream, blocks, child_seed, generator_for, normal_rows


@pytest.mark.parametrize("size", [1, 7, 64, 3000])
def test_rows_do_not_depend_on_batch_size(size: int) -> None:
    whole = normal_rows(5, 0, 2100, 4)
    parts = [normal_rows(5, low, min(low + size, 2100), 4) for low in range(0, 2100, size)]
    assert np.array_equal(np.concatenate(parts), whole)


def test_rows_are_standard_normal_and_blocks_differ() -> None:
    rows = normal_rows(0, 0, 50 * BLOCK_ROWS, 2)
    assert abs(rows.mean()) < 4 / np.sqrt(rows.size)
    assert abs(rows.std() - 1) < 4 / np.sqrt(2 * rows.size)
    assert not np.array_equal(rows[:BLOCK_ROWS], rows[BLOCK_ROWS : 2 * BLOCK_ROWS])


def test_of_wide_rows_one_block_is_kept() -> None:
    dim = 5000
    block = BLOCK_ROWS * dim * 4
    whole = normal_rows(1, 1000, 1040, dim)
    assert np.array_equal(normal_rows(1, 1020, 1040, dim), whole[20:])
    tracemalloc.start()
    for seed in range(2, 6):
        normal_rows(seed, 0, 1, dim)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 1.1 * block


def test_seeds_and_streams_differ() -> None:
    assert not np.array_equal(normal_rows(0, 0, 5, 3), normal_rows(1, 0, 5, 3))
    assert not np.array_equal(normal_rows(0, 0, 5, 3), normal_rows(0, 0, 5, 3, Stream.TOY_AXES))
    a, b = (generator_for(0, Stream.LATENT_FOLDS, k).random() for k in (0, 1))
    assert a != b


def test_blocks_cover_exactly() -> None:
    rows = [b * BLOCK_ROWS + i for b, s in blocks(1000, 3100) for i in range(s.start, s.stop)]
    assert rows == list(range(1000, 3100))
    assert blocks(5, 5) == []


@pytest.mark.parametrize("seed", [-1, 2**63, 0.5, True])
def test_bad_seed_is_named(seed: object) -> None:
    with pytest.raises(InputError, match=r"seed must be a whole number in \[0, 2\*\*63\), got"):
        normal_rows(seed, 0, 1, 1)  # type: ignore[arg-type]


def test_bad_rows_are_named() -> None:
    with pytest.raises(InputError, match=r"got \(5, 3\)"):
        normal_rows(0, 5, 3, 1)


def test_no_stream_serves_two_modules() -> None:
    """Two purposes that share a stream would draw the same numbers."""
    source = Path(equipoise.__file__).parent
    used: dict[str, set[str]] = {member.name: set() for member in Stream}
    for path in source.rglob("*.py"):
        for name in re.findall(r"\bStream\.([A-Z_]+)", path.read_text(encoding="utf-8")):
            if path.name != "seeds.py" or name == "PRIOR":
                used[name].add(path.relative_to(source).as_posix())
    assert {name: files for name, files in used.items() if len(files) != 1} == {}


def test_seeds_are_neither_offset_nor_global() -> None:
    """A purpose is a stream; sums of seeds meet."""
    forbidden = re.compile(r"seed\s*\+|2\s*\*\*\s*6[01]|default_rng\(seed|np\.random\.seed")
    source = Path(equipoise.__file__).parent
    found = [p.name for p in source.rglob("*.py") if forbidden.search(p.read_text("utf-8"))]
    assert found == []


def test_a_child_seed_is_its_own(seed: int = 3) -> None:
    found = {
        child_seed(seed, stream, key)
        for stream in (Stream.MEASURED_DRAWS, Stream.DIRECTED_DRAWS)
        for key in range(50)
    }
    assert len(found) == 100
    assert all(0 <= child < 2**62 for child in found)
