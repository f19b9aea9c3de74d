"""Answers are the same on any engine, asked once each, and outlive what stops an audit."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from equipoise.audit.answers import Predictions, predict_cached
from equipoise.audit.images import AuditImages
from equipoise.classifiers import ClassifierPanel, Prediction
from equipoise.classifiers.base import FAILED
from equipoise.classifiers.models import ClassifierAddress
from equipoise.core.errors import InputError, WorkerError
from equipoise.core.progress import Execution
from equipoise.engines import OnExecutor
from tests.audit.conftest import Erring


class TwoAnswers(Erring):
    """Reads the smile twice, and fails to read it a second time on every fifth face at first."""

    works = False

    def __init__(self, panel: ClassifierPanel) -> None:
        super().__init__(panel, [0.2] * 6)
        self.attributes *= 2

    def predict(self, images: np.ndarray) -> tuple[Prediction, ...]:
        (one,) = super().predict(images)
        levels = one.levels.copy()
        if not self.works:
            levels[images.reshape(len(images), -1).sum(axis=1) % 5 == 0] = FAILED
        return one, Prediction(levels, one.probabilities, one.scores)


class Address(ClassifierAddress):
    """Opens an object of this process."""

    model: Erring

    def open(self) -> Erring:
        return Address.model


@pytest.fixture
def model(toy_panel: ClassifierPanel) -> TwoAnswers:
    Address.model = TwoAnswers(toy_panel)
    return Address.model


@pytest.fixture
def engine() -> Iterator[OnExecutor]:
    with ThreadPoolExecutor(3) as executor:
        yield OnExecutor(executor, 4)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def same(one: Predictions, other: Predictions) -> bool:
    return (one.asked, one.kept, one.failed) == (other.asked, other.kept, other.failed) and all(
        np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True)
        for name in ("levels", "confidence", "scores")
    )


def test_answers_and_their_files_are_those_of_threads(
    material: AuditImages, model: TwoAnswers, engine: OnExecutor, tmp_path: Path
) -> None:
    execution = Execution(engine=engine)

    def both() -> tuple[Predictions, Predictions]:
        return (
            predict_cached(model, material.pictures, tmp_path / "threads", batch=17),
            predict_cached(
                model,
                material.pictures,
                tmp_path / "engine",
                batch=17,
                address=Address("here"),
                execution=execution,
            ),
        )

    threads, on_engine = both()
    assert threads.failed > 20 and threads.asked == 240
    assert (threads.levels[:, 0] != FAILED).all(), "an image may have some of its answers"
    assert same(threads, on_engine)
    assert files(tmp_path / "threads") == files(tmp_path / "engine")
    model.works = True
    again, on_engine = both()
    assert (again.asked, again.failed) == (threads.failed, 0)
    assert same(again, on_engine)
    assert files(tmp_path / "threads") == files(tmp_path / "engine")


def test_a_stopped_audit_goes_on_to_the_same_files_and_asks_nothing_twice(
    material: AuditImages, model: TwoAnswers, engine: OnExecutor, tmp_path: Path
) -> None:
    model.works = True

    def stop(stage: str, done: int, total: int) -> None:
        if done >= 60:
            raise KeyboardInterrupt

    def predict(folder: str, execution: Execution) -> Predictions:
        given = (model, material.pictures, tmp_path / folder)
        return predict_cached(*given, batch=20, address=Address(""), execution=execution)

    with pytest.raises(KeyboardInterrupt):
        predict("stopped", Execution(engine=engine, progress=stop))
    engine.executor.submit(int).result()
    predict("stopped", Execution(engine=engine))
    assert model.questions <= 240 + 20 * 4, "batches under way may be asked again"
    asked = model.questions
    assert predict("stopped", Execution(engine=engine)).asked == 0
    assert model.questions == asked
    predict("unbroken", Execution())
    assert files(tmp_path / "stopped") == files(tmp_path / "unbroken")


def test_a_batch_that_loses_its_workers_is_named_and_the_others_are_kept(
    material: AuditImages, model: TwoAnswers, tmp_path: Path
) -> None:
    model.works = True

    class Deadly(ThreadPoolExecutor):
        """Its workers die of the second batch."""

        def submit(self, function, task, shard):  # type: ignore[no-untyped-def]
            if shard.number == 1:
                return super().submit(lambda: 1 // 0)
            return super().submit(function, task, shard)

    def predict(execution: Execution) -> Predictions:
        given = (model, material.pictures, tmp_path)
        return predict_cached(*given, batch=80, address=Address(""), execution=execution)

    with Deadly(1) as executor, pytest.raises(WorkerError, match="shard 1 must be done without"):
        predict(Execution(engine=OnExecutor(executor, 1)))
    assert (predict(Execution()).asked, model.questions) == (80, 240)


def test_a_worker_must_open_the_same_classifier(
    material: AuditImages, model: TwoAnswers, engine: OnExecutor, tmp_path: Path
) -> None:
    execution = Execution(engine=engine)
    with pytest.raises(InputError, match="classifier 'erring' must be opened by address"):
        predict_cached(model, material.pictures, tmp_path, execution=execution)
    Address.model = Erring(model.panel, [0.1] * 6)
    with pytest.raises(InputError, match="models of a worker must be those of the audit"):
        predict_cached(
            model, material.pictures, tmp_path, address=Address("other"), execution=execution
        )
