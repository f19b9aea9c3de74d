"""Rows of results by seed, kept in a file of JSON lines: seeds that it holds are not run again."""

from __future__ import annotations

import json
import multiprocessing
import operator
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from equipoise.core.files import write_text
from equipoise.core.threads import set_threads

Row = dict[str, Any]


def rows_by_seed(
    run: Callable[[int], list[Row]], seeds: int, path: Path, workers: int = 1
) -> list[Row]:
    """Return the rows of the seeds below a number, and those that the file holds already.

    Parameters
    ----------
    run : callable
        Picklable. Returns the rows of a seed, each with its "seed".
    seeds : int
    path : Path
        Written after each seed, so that a stopped run leaves whole seeds.
    workers : int
        Processes, of one thread each.
    """
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    rows = [json.loads(line) for line in lines]
    done = {row["seed"] for row in rows}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, set_threads, (1,)) as pool:
        missing = [pool.submit(run, seed) for seed in range(seeds) if seed not in done]
        for count, work in enumerate(as_completed(missing), 1):
            rows = sorted(rows + work.result(), key=operator.itemgetter("seed"))
            write_text(path, "".join(json.dumps(row) + "\n" for row in rows))
            print(f"{count} of {len(missing)} seeds", flush=True)
    return rows
