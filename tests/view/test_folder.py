from __future__ import annotations

import time
from pathlib import Path

import pytest

from equipoise.core.errors import InputError
from equipoise.view.folder import Folder


def test_kinds_are_known_by_their_files(tmp_path: Path) -> None:
    kinds = {
        "a": ("record.json", "run"),
        "b/c": ("audit.json", "audit"),
        "d": ("superres.json", "superres"),
        "e": ("plan.json", "task"),
        "f": ("metadata.csv", "draws"),
        "g": ("case.txt", "comparison"),
        "i": ("contexts.json", "contexts"),
        "j": ("photographs-age.json", "photographs-age"),
        "k": ("photographs-superres.json", "photographs-superres"),
        "l": ("photographs-verification.json", "photographs-verification"),
        "h": ("labels/labels-00000.done.json", "working"),
    }
    for name, (file, _) in kinds.items():
        path = tmp_path / name / file
        path.parent.mkdir(parents=True)
        path.write_text("{}")
    found = {entry.name: entry.kind for entry in Folder(tmp_path).entries()}
    assert found == {name: kind for name, (_, kind) in kinds.items()}


def test_a_run_itself_and_what_is_made_later_are_found(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    assert folder.entries() == []
    (tmp_path / "record.json").write_text("{}")
    assert folder.get(tmp_path.name).path == tmp_path
    (tmp_path / "record.json").unlink()
    with pytest.raises(InputError, match="must be in the folder, as run"):
        folder.get(tmp_path.name, "run")


def test_a_run_costs_little_to_list(tmp_path: Path) -> None:
    for k in range(5000):
        run = tmp_path / f"{k // 100}" / f"{k}"
        run.mkdir(parents=True)
        (run / "record.json").touch()
    began = time.process_time()
    assert len(Folder(tmp_path).entries()) == 5000
    # A twentieth of it on a quiet machine; waits for the disk are not the product's.
    assert time.process_time() - began < 2
