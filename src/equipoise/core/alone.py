"""One process at a time works in a folder: a second one would compute, and pay for, all again."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from equipoise.core.folders import Folder, LocalFolder

FILE = ".lock"

_LOG = logging.getLogger(__name__)


@contextmanager
def alone(folder: Folder) -> Iterator[None]:
    """Hold a folder for the time of the block, after another process of this machine is done.

    A killed process holds nothing. Stores are not held. On file systems that cannot lock, the file
    itself is the lock, which a killed process may leave: the warning names it. A process must not
    hold a folder twice.

    Parameters
    ----------
    folder : Folder
        Made when missing.
    """
    folder.prepare()
    if not isinstance(folder, LocalFolder):
        yield
        return
    lock = FileLock(folder.path / FILE)
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            words = (
                "Another process works in %s: waiting until it is done. If none does, delete %s."
            )
            _LOG.warning(words, folder, folder.path / FILE)
            lock.acquire()
    except (OSError, NotImplementedError):
        yield
        return
    try:
        yield
    finally:
        lock.release()
