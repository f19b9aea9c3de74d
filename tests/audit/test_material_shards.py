"""Images that workers drew part by part are those of one process, to the byte."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from equipoise.audit import material_shards
from equipoise.audit.images import draw_audit_images
from equipoise.classifiers import ClassifierPanel
from equipoise.classifiers.models import ModelAddresses, Models
from equipoise.core.errors import FileFormatError, InputError, InsufficientLabelsError
from equipoise.core.estimates import Estimate
from equipoise.core.folders import LocalFolder
from equipoise.core.progress import Execution
from equipoise.core.tables import read_rows
from equipoise.core.targets import Target
from equipoise.engines import OnExecutor, Processes, Shard
from equipoise.generators.toy import ToyGenerator
from equipoise.methods.tilt.fit import TiltFit
from equipoise.samplers.file import save_sampler
from equipoise.samplers.sampler import GeneratorRef, Sampler
from equipoise.samplers.shared import Candidates

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


@pytest.fixture(scope="module")
def tilt(toy: ToyGenerator, toy_panel: ClassifierPanel, toy_tilt: TiltFit) -> Sampler:
    """A sampler whose cells share candidates, but for the last, of which nothing is stated."""
    target = Target.uniform(toy_panel.grid)
    statements = tuple(
        replace(
            mode,
            cells=(
                *mode.cells[:-1],
                replace(mode.cells[-1], purity=Estimate.missing("too few labels")),
            ),
        )
        for mode in toy_tilt.verified
    )
    return Sampler(
        GeneratorRef.of(toy), target, target.shares, toy_tilt.source, statements=statements
    )


def test_processes_deliver_shared_candidates_as_threads_do(tilt: Sampler, tmp_path: Path) -> None:
    models, file = ADDRESSES.open(), tmp_path / "sampler.safetensors"
    save_sampler(tilt, file)
    threads, engined = (tmp_path / name / "material" for name in ("threads", "engine"))
    draw_audit_images(tilt, models, 200, 0, threads)
    execution = Execution(engine=Processes(2))
    draw_audit_images(tilt, models, 200, 0, engined, file=file, execution=execution)
    assert files(engined) == files(threads)
    index = [int(row["index"]) for _, row in read_rows(engined / "metadata.csv", ["index"])]
    assert 100 < sum(one < 0 for one in index) < 200, "both kinds of parts are joined"


def test_shared_candidates_that_a_stopped_run_made_are_not_made_again(
    tilt: Sampler, engine: OnExecutor, tmp_path: Path
) -> None:
    models, file = ADDRESSES.open(), tmp_path / "sampler.safetensors"
    save_sampler(tilt, file)
    threads, engined = (tmp_path / name / "material" for name in ("threads", "engine"))
    draw_audit_images(tilt, models, 1200, 0, threads)
    times: list[dict[Path, int]] = []

    def stop(stage: str, done: int, total: int) -> None:
        if done > 230:  # The cell that is drawn alone has 200; ranges of candidates follow.
            raise KeyboardInterrupt

    def look(stage: str, done: int, total: int) -> None:
        records = engined.rglob("*.done.json")
        times.append({record: record.stat().st_mtime_ns for record in records})

    given = (tilt, models, 1200, 0, engined)
    with pytest.raises(KeyboardInterrupt):
        draw_audit_images(*given, file=file, execution=Execution(engine=engine, progress=stop))
    damaged = min(engined.rglob("candidates.npy"), key=lambda path: int(path.parent.name))
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:100])
    with pytest.raises(FileFormatError, match=r"must be as a worker wrote it.*Delete it and run"):
        draw_audit_images(*given, file=file, execution=Execution(engine=engine))
    damaged.write_bytes(whole)
    draw_audit_images(*given, file=file, execution=Execution(engine=engine, progress=look))
    assert 0 < len(times[0]) < len(times[-1]) and times[0].items() <= times[-1].items()
    assert files(engined) == files(threads)


def test_a_worker_that_outlived_a_stopped_run_may_write_a_part_again(
    tilt: Sampler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It knew fewer or more cells to be full, so that its part has other images beside them."""
    models, file = ADDRESSES.open(), tmp_path / "sampler.safetensors"
    save_sampler(tilt, file)
    threads, engined = (tmp_path / name / "material" for name in ("threads", "engine"))
    draw_audit_images(tilt, models, 300, 0, threads)
    parts, join = material_shards._Parts, material_shards._join
    narrow, again = parts.missing, []

    def wide(self: material_shards._Parts, shard: Shard) -> bytes:
        again.append((self.task, shard, narrow(self, shard)))
        return b"[1, 1, 1, 1, 1, 1]"

    def late(folder: Path, images: Iterator[tuple[LocalFolder, dict[str, str]]]) -> None:
        for task, shard, content in again:
            if shard.number >= tilt.grid.size:
                list(task.inputs.given([shard], lambda _, own=content: own))
                task.home(shard.number).remove("metadata.done.json")
                task.open()(shard)
        join(folder, images)

    monkeypatch.setattr(parts, "missing", wide)
    monkeypatch.setattr(material_shards, "_join", late)
    with ThreadPoolExecutor(1) as executor:
        one = Execution(engine=OnExecutor(executor, 1))
        draw_audit_images(tilt, models, 300, 0, engined, file=file, execution=one)
    assert any(0 in json.loads(content)[:5] for *_, content in again), "some cell was full"
    assert files(engined) == files(threads)


def test_a_folder_of_other_draws_is_refused_before_any_is_made(
    toy_sampler: Sampler, engine: OnExecutor, tmp_path: Path
) -> None:
    (tmp_path / ".draws.json").write_text("other")
    given = (toy_sampler, ADDRESSES.open(), 6, 0, tmp_path)
    with pytest.raises(InputError, match="must be empty or hold draws of the same sampler"):
        draw_audit_images(*given, file=Path("s"), execution=Execution(engine=engine))
    assert not (tmp_path / "parts").exists()


def test_a_cell_that_never_comes_out_is_named(
    tilt: Sampler, engine: OnExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(self: Candidates, cells: np.ndarray) -> np.ndarray:
        return np.zeros(len(cells), bool)

    monkeypatch.setattr(Candidates, "kept", none)
    save_sampler(tilt, tmp_path / "s")
    given = (tilt, ADDRESSES.open(), 6, 0, tmp_path / "material")
    with pytest.raises(
        InsufficientLabelsError, match=r"cell 'smiling=.*, got 0 of 2,000 calls, a purity of 0.00%"
    ):
        draw_audit_images(*given, file=tmp_path / "s", execution=Execution(engine=engine))


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
