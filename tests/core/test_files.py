import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from equipoise.core.errors import EquipoiseError, FileFormatError, InputError, StorageError
from equipoise.core.files import (
    atomic_path,
    parse_json,
    read_json,
    read_text,
    read_toml,
    storage,
    stored_array,
    write_text,
)


def test_a_failed_write_leaves_the_old_file_and_no_part(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(StorageError, match="No space left"), atomic_path(path) as part:
        part.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StorageError, match="taken/out/x must be writable"):
        write_text(tmp_path / "taken" / "out" / "x", "text")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="not applicable: no /proc here")
def test_a_read_only_folder_is_named() -> None:
    with pytest.raises(StorageError, match="path /proc/equipoise/x must be writable"):
        write_text(Path("/proc/equipoise/x"), "text")


def test_arrays_are_checked() -> None:
    tensors = {"good": np.ones((2, 3)), "holed": np.array([1.0, np.nan])}
    assert stored_array(tensors, "good", (2, 3), "x") is tensors["good"]
    for name, shape in (("good", (3, 2)), ("holed", (2,)), ("missing", (1,))):
        with pytest.raises(FileFormatError, match=f"must hold the array '{name}'"):
            stored_array(tensors, name, shape, "x")


READERS: dict[str, tuple[Callable[..., Any], type[EquipoiseError], bytes]] = {
    "json": (read_json, FileFormatError, b'{"n": 1}'),
    "toml": (read_toml, InputError, b"n = 1"),
}


@pytest.mark.parametrize("kind", READERS)
def test_readers_take_what_is_well_formed(kind: str, tmp_path: Path) -> None:
    read, _, good = READERS[kind]
    path = tmp_path / "file"
    for start in (b"", b"\xef\xbb\xbf"):
        path.write_bytes(start + good)
        assert read(path, "Write it again.") == {"n": 1}
        assert read(path, "Write it again.", limit=len(start + good)) == {"n": 1}


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize(
    ("content", "limit", "said"),
    [
        (None, 2**10, "file must be readable {}, got No such file or directory. Write it again."),
        (b"\xff\xfe", 2**10, "thing .*file must be readable {}, got 'utf-8' codec"),
        (b"= {", 2**10, "must be readable {}, got"),
        (b"x" * 1025, 2**10, "must be under 1 KiB, got a larger one. Write it again."),
        (b'{"a":' * 9999, 2**20, "must be readable {}, got"),
        (b"a = " + b"[" * 9999, 2**20, "must be readable {}, got"),
        (b"\x00", 2**10, "must be readable {}, got"),
    ],
)
def test_readers_refuse_in_one_way(
    kind: str, content: bytes | None, limit: int, said: str, tmp_path: Path
) -> None:
    read, error, _ = READERS[kind]
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(error, match=said.format(kind.upper())):
        read(path, "Write it again.", what="thing", limit=limit)


def test_a_character_at_the_limit_is_a_long_file_and_no_bad_text(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("aaaé")
    with pytest.raises(FileFormatError, match="must be under"):
        read_text(path, "Cut it.", limit=4)
    assert read_text(path, "Cut it.", limit=5) == "aaaé"


def test_a_name_that_no_file_has_is_refused() -> None:
    with pytest.raises(FileFormatError, match="must be readable text, got embedded null byte"):
        read_text(Path("a\0b"), "Correct it.")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1, "b": {"c": 1, "c": 2}}', "the key 'c' is given twice"),
        ('{"a": NaN}', "NaN is no number of JSON"),
        ("[-Infinity]", "-Infinity is no number of JSON"),
        ("[" * 99_999, "too deep"),
        ("{", "Expecting property name"),
    ],
)
def test_strict_json_is_strict(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said):
        parse_json(text, strict=True)


def test_a_key_given_twice_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"n": 1, "n": 2}')
    assert read_json(path, "") == {"n": 2}
    with pytest.raises(FileFormatError, match=r"a\.json, key 'n' must be given once, got it twice"):
        read_json(path, "Correct it.", strict=True)


def test_a_list_is_no_object(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("[1]")
    with pytest.raises(FileFormatError, match="must hold an object, got list"):
        read_json(path, "Correct it.")


def test_the_address_of_a_store_is_no_path() -> None:
    """A path made of it would be a folder called s3: in the working folder."""
    rule = r"must be on this machine; .*, got s3://bucket/run/x"
    with pytest.raises(InputError, match=rule), storage(Path("s3://bucket/run") / "x"):
        pass
    with storage(Path("C:") / "x"):
        pass
