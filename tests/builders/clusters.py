"""Clusters on this machine, whose libraries few machines have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def dask_client() -> Iterator[Any]:
    """Give a client of two Dask workers, processes of one thread each."""
    import distributed

    nodes = distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=None)
    with nodes, distributed.Client(nodes) as client:
        yield client
