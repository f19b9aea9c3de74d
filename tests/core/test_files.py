import errno
from pathlib import Path

import numpy as np
import pytest

from equipoise.core.errors import FileFormatError, StorageError
from equipoise.core.files import atomic_path, stored_array, write_text


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
