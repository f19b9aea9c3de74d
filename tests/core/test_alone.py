"""A second process waits for the first, and computes nothing again."""

import logging
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path
from threading import Timer

import pytest

from equipoise.core.alone import FILE, alone
from equipoise.core.folders import LocalFolder, open_folder


def _hold(path: str, held: Event, end: Event) -> None:
    with alone(LocalFolder(Path(path))):
        held.set()
        end.wait(20)


def test_a_second_process_waits_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    context = get_context("spawn")
    held, end = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(str(tmp_path), held, end))
    other.start()
    assert held.wait(20)
    Timer(0.3, end.set).start()
    with caplog.at_level(logging.WARNING), alone(LocalFolder(tmp_path)):
        assert end.is_set()
    assert "Another process works in" in caplog.text
    other.join()


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    context = get_context("spawn")
    held, end = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(str(tmp_path), held, end))
    other.start()
    assert held.wait(20)
    other.kill()
    other.join()
    with alone(LocalFolder(tmp_path)):
        assert (tmp_path / FILE).exists()


def test_a_store_is_not_held() -> None:
    with alone(open_folder("memory://alone")), alone(open_folder("memory://alone")):
        pass
