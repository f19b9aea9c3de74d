from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from equipoise.core.errors import StorageError
from equipoise.runtimes.http.answer_cache import AnswerCache


def test_answers_outlive_the_process(tmp_path: Path) -> None:
    AnswerCache(tmp_path).put("k", "s", '{"a": 1}')
    cache = AnswerCache(tmp_path)
    assert cache.get("k") == '{"a": 1}'
    assert cache.get("other") is None
    cache.put("k", "s", "{}")
    assert cache.get("k") == "{}"


def test_a_claim_is_one_owners_until_released_or_run_out(tmp_path: Path) -> None:
    one, two = AnswerCache(tmp_path), AnswerCache(tmp_path)
    assert one.claim("k", "one", 60)
    assert one.claim("k", "one", 60)
    assert not two.claim("k", "two", 60)
    two.release("k", "two")
    assert not two.claim("k", "two", 60)
    one.release("k", "one")
    assert two.claim("k", "two", -1)
    assert one.claim("k", "one", 60)


def test_processes_at_once_share_claims_out(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; "
        "from equipoise.runtimes.http.answer_cache import AnswerCache; "
        "c = AnswerCache(Path(sys.argv[1])); print(flush=True); "
        "print(*(i for i in range(500) if c.claim(str(i), 'theirs', 60)))"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    cache = AnswerCache(tmp_path)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        other.stdout.readline()
        ours = [str(i) for i in reversed(range(500)) if cache.claim(str(i), "ours", 60)]
        theirs = other.stdout.read().split()
    assert sorted(ours + theirs, key=int) == [str(i) for i in range(500)]


def test_a_file_that_is_no_cache_is_named(tmp_path: Path) -> None:
    (tmp_path / "answers.sqlite3").write_bytes(b"something else" * 100)
    with pytest.raises(StorageError, match=r"answers\.sqlite3"):
        AnswerCache(tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="file"):
        AnswerCache(tmp_path / "file")
