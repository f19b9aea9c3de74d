"""Answers of a service, cached on disk so that no request is paid for twice.

The cache is an SQLite file in WAL mode, which several processes may use at once. A claim prevents
two processes or threads from sending the same image at the same time. Claims expire, so that a
process that dies does not block the others for long. When a service may be asked next is kept here
too, so that one rate limit holds for all processes.
"""

from __future__ import annotations

import sqlite3
import threading
import time
import weakref
from pathlib import Path
from typing import Any

from equipoise.core.errors import StorageError

_TABLES = """
PRAGMA journal_mode=WAL;
PRAGMA synchronous=NORMAL;
CREATE TABLE IF NOT EXISTS answers
  (key TEXT PRIMARY KEY, service TEXT NOT NULL, answer TEXT NOT NULL, at REAL NOT NULL)
  WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS claims
  (key TEXT PRIMARY KEY, owner TEXT NOT NULL, until REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS turns (service TEXT PRIMARY KEY, next REAL NOT NULL) WITHOUT ROWID;
"""
_CLAIM = """
INSERT INTO claims VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE
  SET owner = excluded.owner, until = excluded.until
  WHERE claims.owner = excluded.owner OR claims.until < ?
"""
_TURN = """
INSERT INTO turns VALUES (?, ?) ON CONFLICT (service) DO UPDATE
  SET next = excluded.next WHERE turns.next <= ?
"""
_PAUSE = """
INSERT INTO turns VALUES (?, ?) ON CONFLICT (service) DO UPDATE
  SET next = max(turns.next, excluded.next)
"""


class AnswerCache:
    """Raw answers of services, by key.

    Parameters
    ----------
    folder : Path
        Created when missing; holds `answers.sqlite3`.

    Raises
    ------
    StorageError
        When the folder cannot be written, or the file is not such a cache. Every method raises it
        too, when the file cannot be read or written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "answers.sqlite3"
        self._lock = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(
                self.path, timeout=60, isolation_level=None, check_same_thread=False
            )
        except (OSError, sqlite3.Error) as error:
            raise self._error(error) from error
        weakref.finalize(self, self._database.close)
        try:
            self._database.executescript(_TABLES)
        except sqlite3.Error as error:
            raise self._error(error) from error

    def get(self, key: str) -> str | None:
        """Return the answer stored under `key`, or None."""
        rows, _ = self._run("SELECT answer FROM answers WHERE key = ?", key)
        return str(rows[0][0]) if rows else None

    def put(self, key: str, service: str, answer: str) -> None:
        """Store an answer, in place of an earlier one."""
        self._run(
            "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", key, service, answer, time.time()
        )

    def claim(self, key: str, owner: str, seconds: float) -> bool:
        """Claim `key` for some seconds, or renew a claim; False while another owner holds it."""
        now = time.time()
        _, changed = self._run(_CLAIM, key, owner, now + seconds, now)
        return changed == 1

    def release(self, key: str, owner: str) -> None:
        """Give up a claim."""
        self._run("DELETE FROM claims WHERE key = ? AND owner = ?", key, owner)

    def turn(self, service: str, gap: float) -> float:
        """Take the next turn to ask a service, and keep others from it for `gap` seconds.

        Returns
        -------
        float
            0 where the turn was taken, else the seconds until it may be tried again.
        """
        now = time.time()
        if gap and self._run(_TURN, service, now + gap, now)[1] == 1:
            return 0.0
        rows, _ = self._run("SELECT next FROM turns WHERE service = ?", service)
        return max(0.0, float(rows[0][0]) - now) if rows else 0.0

    def pause(self, service: str, seconds: float) -> None:
        """Give nobody a turn to ask a service for some seconds."""
        self._run(_PAUSE, service, time.time() + seconds)

    def _run(self, statement: str, *values: str | float) -> tuple[list[Any], int]:
        """Run a statement, and return its rows and the number of changed rows.

        Rows are fetched under the lock. A statement that is left open keeps its snapshot of the
        file, and a write through the same connection then fails at once, whatever the time-out.
        """
        try:
            with self._lock:
                cursor = self._database.execute(statement, values)
                return cursor.fetchall(), cursor.rowcount
        except sqlite3.Error as error:
            raise self._error(error) from error

    def _error(self, error: Any) -> StorageError:
        return StorageError(
            f"answer cache {self.path}",
            "must be a writable cache of answers",
            str(error),
            "Free space, or move the file away; all images are then sent again.",
        )
