"""Whether a change of structure changed results: the same commands, the same bytes.

Runs a small demo on the real generator, a toy and a StyleGAN2 from a fixed seed, once on the
working tree and once on another commit, and compares what they wrote: labels, samplers, exported
images and measurements. Each tree is run by its own copy of this script where it has one.

    python benchmarks/same_bytes.py COMMIT        (about 4 minutes on 2 cores)
    python benchmarks/same_bytes.py --digests     (prints this tree's digests alone)

Every file has two digests. `bytes` is of the file as it is. `values` is of the arrays and numbers
in it, whatever they are called, so it survives a change of names.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from safetensors.numpy import load_file

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = Path("benchmarks") / Path(__file__).name

SMALL = ("--n", "2000", "--measure-n", "600", "--workers", "2")
TOY = ("--generator", "toy", "--attributes", "smiling,skin_tone")
STYLEGAN = ("--generator", "stylegan2:network.pt?space=w", "--attributes", "skin_tone")

COMMANDS: tuple[tuple[str, ...], ...] = (
    ("demo", *SMALL, "--out", "demo"),
    ("sample", "demo/sampler.safetensors", "--n", "200", "--out", "demo.npz"),
    ("sample", "demo/sampler.safetensors", "--n", "90", "--verified", "--out", "verified.tar"),
    ("balance", *TOY, *SMALL, "--beside", "shift,mixture", "--mixture-n", "600", "--out", "toy"),
    ("sample", "toy/sampler.safetensors", "--n", "100", "--seed", "3", "--out", "toy-images"),
    ("measure", "toy/sampler.safetensors", "--n", "500", "--json", "measured.json"),
    ("balance", *STYLEGAN, *SMALL, "--n", "6000", "--method", "shift", "--out", "stylegan"),
    ("sample", "stylegan/sampler.safetensors", "--n", "100", "--out", "stylegan.npz"),
)


def write_network(path: Path) -> None:
    """Write a random StyleGAN2 of 32 pixels in the layout of rosinality's checkpoints."""
    rng = np.random.default_rng(0)
    width, channels = 16, 8
    state: dict[str, torch.Tensor] = {}

    def add(name: str, *shape: int, scale: float = 1.0) -> None:
        state[name] = torch.from_numpy(scale * rng.standard_normal(shape, dtype=np.float32))

    def add_layer(name: str, outputs: int, kernel: int, scale: float = 1.0) -> None:
        add(f"{name}.conv.weight", 1, outputs, channels, kernel, kernel, scale=scale)
        add(f"{name}.conv.modulation.weight", channels, width)
        add(f"{name}.conv.modulation.bias", channels)

    add("input.input", 1, channels, 4, 4)
    for number in range(7):
        name = "conv1" if number == 0 else f"convs.{number - 1}"
        size = 4 * 2 ** ((number + 1) // 2)
        add_layer(name, channels, 3)
        add(f"{name}.noise.weight", 1, scale=0.1)
        add(f"{name}.activate.bias", channels)
        add(f"noises.noise_{number}", 1, 1, size, size)
    for number in range(4):
        name = "to_rgb1" if number == 0 else f"to_rgbs.{number - 1}"
        add_layer(name, 3, 1, scale=0.3)  # Within the range of colours.
        add(f"{name}.bias", 1, 3, 1, 1, scale=0.1)
    for number in (1, 2):
        add(f"style.{number}.weight", width, width, scale=100.0)
        add(f"style.{number}.bias", width)
    torch.save({"g_ema": state, "latent_avg": torch.zeros(width)}, path)


def sha256(parts: Iterable[bytes]) -> str:
    """Return the digest of parts in their order, 16 hex digits."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:16]


def values_of(path: Path) -> list[bytes]:
    """Return every array, picture or number in a file, without its name."""
    match path.suffix:
        case ".safetensors":
            arrays: list[Any] = list(load_file(path).values())
        case ".parquet":
            arrays = [np.array(column.to_pylist()) for column in pq.read_table(path).columns]
        case ".npz":
            with np.load(path, allow_pickle=False) as archive:
                arrays = [archive[name] for name in archive.files]
        case ".json":
            return sorted(numbers_in(json.loads(path.read_text(encoding="utf-8"))))
        case _:
            return [path.read_bytes()]
    return sorted(sha256([np.asarray(array).tobytes()]).encode() for array in arrays)


def numbers_in(value: object) -> list[bytes]:
    """Return all numbers of a JSON value."""
    if isinstance(value, dict):
        return [number for item in value.values() for number in numbers_in(item)]
    if isinstance(value, list):
        return [number for item in value for number in numbers_in(item)]
    return [repr(value).encode()] if isinstance(value, int | float) else []


def bytes_of(path: Path) -> list[bytes]:
    """Return what a file holds; of a zip its members, since the archive stores times."""
    if path.suffix == ".npz":
        with zipfile.ZipFile(path) as archive:
            return [archive.read(name) for name in sorted(archive.namelist())]
    return [path.read_bytes()]


def digests(folder: Path) -> dict[str, dict[str, list[str]]]:
    """Run the commands in the folder, and return the digests of what they wrote, by name."""
    write_network(folder / "network.pt")
    for command in COMMANDS:
        print("equipoise", *command, file=sys.stderr, flush=True)
        subprocess.run(
            [sys.executable, "-c", "from equipoise.cli import main; main()", *command],
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
            # Networks fitted on all cores collapse to a crawl beside other work.
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    kept = [folder / "measured.json", folder / "toy-images" / "metadata.csv"]
    for suffix in ("parquet", "safetensors", "npz", "tar", "png"):
        kept += sorted(folder.rglob(f"*.{suffix}"))
    found: dict[str, dict[str, list[str]]] = {}
    for path in kept:
        # Folders of draws are named by the sampler's digest, which names change.
        name = re.sub(r"-[0-9a-f]{12}(?=/)", "", path.relative_to(folder).as_posix())
        both = found.setdefault(name, {"bytes": [], "values": []})
        both["bytes"] = sorted([*both["bytes"], sha256(bytes_of(path))])
        both["values"] = sorted([*both["values"], sha256(values_of(path))])
    return found


def digests_of_tree(tree: Path) -> dict[str, dict[str, list[str]]]:
    """Run this script's other copy, or this one, on the package of another tree."""
    script = tree / SCRIPT if (tree / SCRIPT).exists() else ROOT / SCRIPT
    done = subprocess.run(
        [sys.executable, str(script), "--digests"],
        env={**os.environ, "PYTHONPATH": str(tree / "src")},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    found: dict[str, dict[str, list[str]]] = json.loads(done.stdout)
    return found


def digests_of_commit(commit: str) -> dict[str, dict[str, list[str]]]:
    """Check a commit out beside this tree, and return its digests."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        add = ["git", "worktree", "add", "--detach", str(tree), commit]
        subprocess.run(add, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        try:
            return digests_of_tree(tree)
        finally:
            remove = ["git", "worktree", "remove", "--force", str(tree)]
            subprocess.run(remove, cwd=ROOT, check=True)


def main() -> None:
    """Compare, print what differs, and exit with 1 where something does."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("commit", nargs="?", default="HEAD", help="what to compare with")
    parser.add_argument("--digests", action="store_true", help="print this tree's, as JSON")
    parser.add_argument("--values", action="store_true", help="compare values, not whole files")
    arguments = parser.parse_args()
    if arguments.digests:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(digests(Path(folder)), indent=1))
        return
    kind = "values" if arguments.values else "bytes"
    theirs, ours = digests_of_commit(arguments.commit), digests_of_tree(ROOT)
    names = sorted(theirs.keys() | ours.keys())
    different = [
        name for name in names if theirs.get(name, {}).get(kind) != ours.get(name, {}).get(kind)
    ]
    for name in different:
        print("different:", name)
    print(f"{len(names) - len(different)} of {len(names)} files equal, by {kind}")
    sys.exit(bool(different))


if __name__ == "__main__":
    main()
