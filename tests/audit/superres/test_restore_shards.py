"""Restored images are the same on any engine, and a stopped audit goes on."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from equipoise.audit.images import AuditImages
from equipoise.audit.superres.models import RestorerAddress, open_super_resolution_model
from equipoise.audit.superres.restored import Restored, restore_all
from equipoise.core.errors import InputError
from equipoise.core.progress import Execution
from equipoise.engines import OnExecutor


def test_images_are_those_of_threads_and_a_worker_must_open_the_same_model(
    material: AuditImages, folder: Path
) -> None:
    model, some = open_super_resolution_model("bicubic", 4), material.take(range(50)).pictures

    def restored(home: str, factor: int | None, execution: Execution) -> Restored:
        address = None if factor is None else RestorerAddress("bicubic", factor)
        return restore_all(model, some, folder / home, address=address, execution=execution)

    def stop(stage: str, done: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    def pictures(found: Restored) -> list[bytes]:
        return [file.read_bytes() for tries in found.files for file in tries]

    threads = restored("threads", None, Execution(2))
    given: dict[str, bytes] = {}

    class Noting(ThreadPoolExecutor):
        def submit(self, *task):  # type: ignore[no-untyped-def]
            for path in (folder / "engine").rglob("images-*.json"):
                content = path.read_bytes()
                assert given.setdefault(path.name, content) == content, "of another run at once"
            return super().submit(*task)

    with Noting(1) as executor:
        engine = OnExecutor(executor, 1)
        with pytest.raises(KeyboardInterrupt):
            restored("engine", 4, Execution(engine=engine, progress=stop))
        found = restored("engine", 4, Execution(engine=engine))
        assert (threads.made, found.made, found.kept) == (50, 30, 20)
        assert pictures(found) == pictures(threads)
        assert len(given) == 3
        assert not list(folder.rglob("images-*"))
        with pytest.raises(InputError, match="model 'bicubic' must be opened by address"):
            restored("none", None, Execution(engine=engine))
        with pytest.raises(InputError, match="models of a worker must be those of the audit"):
            restored("other", 8, Execution(engine=engine))
