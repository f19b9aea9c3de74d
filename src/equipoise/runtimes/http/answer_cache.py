"""Answers on disk, so that none is paid for twice.

An SQLite file in WAL mode, which several processes may use at once. A claim keeps two of them, or
two threads, from asking about the same image at the same time; it runs out, so one who dies
blocks nobody for long.
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
"""
_CLAIM = """
INSERT INTO claims VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE
  SET owner = excluded.owner, until = excluded.until
  WHERE claims.owner = excluded.owner OR claims.until < ?
"""


class AnswerCache:
    """Raw answers by key.

    Parameters
    ----------
    folder : Path
        Made where it is missing; holds `answers.sqlite3`.

    Raises
    ------
    StorageError
        When the folder cannot be written, or the file is not such a cache.
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
        """Return the answer kept under `key`."""
        rows, _ = self._run("SELECT answer FROM answers WHERE key = ?", key)
        return str(rows[0][0]) if rows else None

    def put(self, key: str, service: str, answer: str) -> None:
        """Keep an answer, in place of an earlier one."""
        self._run(
            "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", key, service, answer, time.time()
        )

    def claim(self, key: str, owner: str, seconds: float) -> bool:
        """Take or renew the right to ask for `key`; false while another owner has it."""
        now = time.time()
        _, changed = self._run(_CLAIM, key, owner, now + seconds, now)
        return changed == 1

    def release(self, key: str, owner: str) -> None:
        """Give up a claim."""
        self._run("DELETE FROM claims WHERE key = ? AND owner = ?", key, owner)

    def _run(self, statement: str, *values: str | float) -> tuple[list[Any], int]:
        """Return the rows and the number of changed ones.

        Rows are fetched under the lock: a statement that is left open holds its view of the file,
        and a write through the same connection then fails at once, whatever the time-out.
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
            "must be a cache of answers that can be written",
            str(error),
            "Free space, or move the file away; without it all images are asked about anew.",
        )
