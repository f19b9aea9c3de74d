"""One number of threads for all libraries, by what the machine lets this process use."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from equipoise.core import threads
from equipoise.core.errors import InputError
from equipoise.core.threads import cgroup_quota, set_threads, usable_cores


def test_the_least_quota_of_a_group_and_those_above_it_counts(tmp_path: Path) -> None:
    groups, root = tmp_path / "cgroup", tmp_path / "fs"
    inner = root / "outer" / "inner"
    inner.mkdir(parents=True)
    groups.write_text("0::/outer/inner\n")
    assert cgroup_quota(groups, root) is None
    (inner / "cpu.max").write_text("max 100000\n")
    assert cgroup_quota(groups, root) is None
    (root / "outer" / "cpu.max").write_text("150000 100000\n")
    assert cgroup_quota(groups, root) == 1.5
    (inner / "cpu.max").write_text("50000 100000\n")
    assert cgroup_quota(groups, root) == 0.5


def test_the_first_version_of_cgroups_counts_too(tmp_path: Path) -> None:
    groups, root = tmp_path / "cgroup", tmp_path / "fs"
    (root / "cpu" / "job").mkdir(parents=True)
    groups.write_text("5:memory:/job\n4:cpu,cpuacct:/job\n")
    (root / "cpu" / "job" / "cpu.cfs_period_us").write_text("100000\n")
    (root / "cpu" / "job" / "cpu.cfs_quota_us").write_text("-1\n")
    assert cgroup_quota(groups, root) is None
    (root / "cpu" / "job" / "cpu.cfs_quota_us").write_text("300000\n")
    assert cgroup_quota(groups, root) == 3


def test_a_quota_bounds_the_cores_and_leaves_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    for quota, cores in ((None, 8), (1.5, 2), (0.1, 1), (64.0, 8)):
        monkeypatch.setattr(threads, "cgroup_quota", lambda quota=quota: quota)
        assert usable_cores() == cores


def test_a_bad_number_of_threads_is_named() -> None:
    with pytest.raises(InputError, match="threads must be a whole number of at least 1, got 0"):
        set_threads(0)


def test_every_library_takes_the_number_that_the_command_line_is_given() -> None:
    code = """
import sys
from equipoise.cli import main
sys.argv = ["equipoise", "--threads", "1", "describe"]
assert not {"numpy", "torch"} & set(sys.modules), "the libraries are loaded before they are set"
try:
    main()
except SystemExit:
    pass
import torch, threadpoolctl
from equipoise.core.threads import worker_count
blas = max(p["num_threads"] for p in threadpoolctl.threadpool_info() if p["user_api"] == "blas")
print(worker_count(None), torch.get_num_threads(), blas)
"""
    bare = {name: value for name, value in os.environ.items() if not name.endswith("_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=bare
    )
    assert done.stdout.split() == ["1", "1", "1"]
