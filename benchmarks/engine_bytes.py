"""The same bytes, whatever engine: labels and exports of faces by threads, processes, Ray and Dask.

Each engine labels codes of the pinned generator and writes draws of a sampler as tars, in a folder
of its own. Ray is a cluster of three nodes on this machine, Dask one of two processes. The page has
a digest of all tables and tars of each. Needs `make .venv/.extras` and a sampler of faces.

    python benchmarks/engine_bytes.py --sampler runs/demo/sampler.safetensors
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import distributed
import ray
from ray import cluster_utils

from equipoise.classifiers.models import ModelAddresses
from equipoise.core.files import write_text
from equipoise.core.progress import Engine, Execution
from equipoise.core.settings import from_dict
from equipoise.core.threads import usable_cores
from equipoise.engines import OnExecutor, Processes, RayActors
from equipoise.labelling.collect import collect
from equipoise.samplers.export.shards import write_shards
from equipoise.samplers.file import load_sampler
from equipoise.samplers.job import DrawRequest

RESULTS = Path(__file__).parent / "results"
ENGINES = ("threads", "processes", "ray", "dask")
NODES = 3


@contextmanager
def opened(name: str) -> Iterator[Engine | None]:
    """Give an engine, and end what it runs on."""
    if name == "ray":
        node = {"num_cpus": 1, "object_store_memory": 10**8}
        head = {**node, "include_dashboard": False}
        cluster = cluster_utils.Cluster(initialize_head=True, head_node_args=head)
        try:
            for _ in range(NODES - 1):
                cluster.add_node(**node)
            cluster.wait_for_nodes()
            yield RayActors(NODES, cluster.address)
        finally:
            ray.shutdown()
            cluster.shutdown()
    elif name == "dask":
        with (
            distributed.LocalCluster(
                n_workers=2, threads_per_worker=1, dashboard_address=None
            ) as on,
            distributed.Client(on) as client,
        ):
            yield OnExecutor(client.get_executor(retries=0), 2)
    else:
        yield Processes(2) if name == "processes" else None


def digest(folder: Path, suffix: str) -> tuple[int, str]:
    """Return the number of files of a kind, and one digest of their names and bytes."""
    files = sorted(folder.glob(f"*{suffix}"))
    whole = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            whole.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return len(files), whole.hexdigest()[:16]


def main() -> None:
    """Label and export by each engine, print the digests, and store the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sampler", type=Path, required=True)
    parser.add_argument("--n", type=int, default=20_000)
    parser.add_argument("--work", type=Path, default=Path("runs/engine-bytes"))
    arguments = parser.parse_args()
    models = ModelAddresses.of(from_dict(load_sampler(arguments.sampler).settings)).open()
    sampler = load_sampler(arguments.sampler, models.generator)
    rows, kinds = [], (("labels", ".parquet"), ("tars", ".tar"), ("tars", ".parquet"))
    for name in ENGINES:
        home = arguments.work / name
        shutil.rmtree(home, ignore_errors=True)
        began = time.perf_counter()
        with opened(name) as engine:
            on = Execution(engine=engine)
            collect(models, arguments.n, 5, home / "labels", execution=on)
            write_shards(
                arguments.sampler,
                (sampler, models),
                DrawRequest(arguments.n, seed=5),
                home / "tars",
                shard_size=2000,
                execution=on,
            )
        took = time.perf_counter() - began
        found = [digest(home / part, suffix) for part, suffix in kinds]
        rows.append((name, found))
        print(name, f"{took:.0f} s", found, flush=True)
        shutil.rmtree(home)
    same = all(found == rows[0][1] for _, found in rows)
    lines = [
        "# The same bytes on every engine",
        "",
        f"`python benchmarks/engine_bytes.py --sampler {arguments.sampler} --n {arguments.n}`",
        f"on {usable_cores()} cores: labels of {arguments.n:,} codes, and {arguments.n:,} draws "
        f"in tars. Ray has {NODES} nodes on this machine. Digests are of names and bytes.",
        "",
        "| engine | tables of labels | digest | tars | digest | tables beside them | digest |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, found in rows:
        cells = " | ".join(f"{count} | `{text}`" for count, text in found)
        lines.append(f"| {name} | {cells} |")
    lines += ["", "All are equal." if same else "**They differ.**", ""]
    write_text(RESULTS / "engine_bytes.md", "\n".join(lines))
    sys.exit(not same)


if __name__ == "__main__":
    main()
