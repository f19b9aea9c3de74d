"""Processes that tests kill: the command line in a process of its own, without a start of Python.

A fresh process loads torch and more for seconds. Here one that has them loaded forks at each call.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from pathlib import Path


def _context() -> ForkServerContext | SpawnContext:
    if sys.platform != "linux":  # Libraries of other systems may not survive a fork.
        return multiprocessing.get_context("spawn")
    forking = multiprocessing.get_context("forkserver")
    forking.set_forkserver_preload(["equipoise.pipeline", "equipoise.cli", __name__])
    return forking


_CONTEXT = _context()


def start(*words: object, out: Path | None = None) -> BaseProcess:
    """Start `equipoise` with these words, and return its process; what it prints goes to `out`."""
    process = _CONTEXT.Process(target=_run, args=([*map(str, words)], str(out or os.devnull)))
    process.start()
    return process


def kill(process: BaseProcess) -> None:
    """Kill a process, which must not have ended by itself."""
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL, "it had ended before it could be killed"


def _run(words: list[str], out: str) -> None:
    from equipoise.cli import main

    # A shell starts what runs in the background deaf to SIGINT, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    opened = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(opened, stream)
    sys.argv = ["equipoise", *words]
    main()
