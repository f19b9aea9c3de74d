"""Images that workers drew cell by cell are those of one process, to the byte."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from equipoise.audit.images import draw_audit_images
from equipoise.classifiers.models import ModelAddresses, Models
from equipoise.core.errors import InputError
from equipoise.core.progress import Execution
from equipoise.engines import OnExecutor
from equipoise.samplers.file import save_sampler
from equipoise.samplers.sampler import Sampler

ADDRESSES = ModelAddresses("toy", ("smiling", "skin_tone"), (), 0.0, "cpu", None)


@pytest.fixture
def engine() -> Iterator[OnExecutor]:
    with ThreadPoolExecutor(2) as executor:
        yield OnExecutor(executor, 2)


def files(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_a_folder_is_that_of_threads_and_a_stopped_one_goes_on(
    toy_sampler: Sampler, engine: OnExecutor, tmp_path: Path
) -> None:
    models, file = ADDRESSES.open(), tmp_path / "sampler.safetensors"
    save_sampler(toy_sampler, file)
    (threads, engined) = (tmp_path / name / "material" for name in ("threads", "engine"))
    draw_audit_images(toy_sampler, models, 23, 0, threads)
    reported: list[int] = []

    def stop(stage: str, done: int, total: int) -> None:
        reported.append(done)
        if done > 10:
            raise KeyboardInterrupt

    given = (toy_sampler, models, 23, 0, engined)
    with pytest.raises(KeyboardInterrupt):
        draw_audit_images(*given, file=file, execution=Execution(engine=engine, progress=stop))
    assert reported == [0, 4, 8, 12] and not (engined / "metadata.csv").exists()
    found = draw_audit_images(*given, file=file, execution=Execution(engine=engine))
    assert len(found) == 23
    assert files(engined) == files(threads)
    more = (toy_sampler, models, 30, 0)
    draw_audit_images(*more, threads)
    draw_audit_images(*more, engined, file=file, execution=Execution(engine=engine))
    assert files(engined) == files(threads)


def test_workers_need_addresses_and_the_sampler_s_file(
    toy_sampler: Sampler, engine: OnExecutor, tmp_path: Path
) -> None:
    models, execution = ADDRESSES.open(), Execution(engine=engine)
    with pytest.raises(InputError, match="file must be that of the sampler"):
        draw_audit_images(toy_sampler, models, 6, 0, tmp_path / "a", execution=execution)
    made_here = Models(models.generator, models.panel)
    with pytest.raises(InputError, match="models must be opened by address"):
        draw_audit_images(
            toy_sampler, made_here, 6, 0, tmp_path / "b", file=Path("s"), execution=execution
        )
