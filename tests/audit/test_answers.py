from pathlib import Path

import numpy as np
import pytest

from equipoise.audit.answers import predict_cached
from equipoise.audit.images import AuditImages
from equipoise.classifiers import ClassifierPanel, Prediction
from equipoise.classifiers.base import FAILED
from equipoise.core.errors import FileFormatError, ModelOutputError
from equipoise.core.progress import Execution
from tests.audit.conftest import Erring


class Failing(Erring):
    """Cannot be asked about every third image, at first."""

    works = False

    def predict(self, images: np.ndarray) -> tuple[Prediction, ...]:
        (reading,) = super().predict(images)
        levels = reading.levels.copy()
        if not self.works:
            levels[::3] = FAILED
            reading.probabilities[::3] = np.nan
        return (Prediction(levels, reading.probabilities, reading.scores),)


@pytest.mark.parametrize("workers", [1, 3])
def test_answers_come_in_order_whatever_the_batches(
    workers: int, material: AuditImages, toy_panel: ClassifierPanel, folder: Path
) -> None:
    found = predict_cached(
        Erring(toy_panel, [0.0] * 6), material, folder, batch=17, execution=Execution(workers)
    )
    assert np.array_equal(found.levels[:, 0], material.levels[:, 0])
    assert found.confidence == pytest.approx(0.9)
    assert (found.asked, found.kept, found.failed) == (240, 0, 0)


def test_nothing_is_asked_twice(
    material: AuditImages, toy_panel: ClassifierPanel, folder: Path
) -> None:
    model = Erring(toy_panel, [0.3] * 6)

    def stop(stage: str, done: int, total: int) -> None:
        if done >= 100:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict_cached(model, material, folder, batch=20, execution=Execution(progress=stop))
    assert 100 <= model.questions < 240
    before = model.questions
    found = predict_cached(model, material, folder, batch=20)
    assert model.questions == 240
    assert (found.asked, found.kept) == (240 - before, before)
    again = predict_cached(model, material, folder)
    assert model.questions == 240
    assert again.asked == 0
    assert np.array_equal(again.levels, found.levels)
    assert np.array_equal(again.confidence, found.confidence)


def test_failures_are_asked_again(
    material: AuditImages, toy_panel: ClassifierPanel, folder: Path
) -> None:
    model = Failing(toy_panel, [0.0] * 6)
    first = predict_cached(model, material, folder, batch=60)
    assert first.failed == 80
    assert (first.levels == FAILED).sum() == 80
    assert np.isnan(first.confidence[first.levels == FAILED]).all()
    model.works = True
    second = predict_cached(model, material, folder, batch=60)
    assert (second.asked, second.kept, second.failed) == (80, 160, 0)
    assert np.array_equal(second.levels[:, 0], material.levels[:, 0])


def test_models_do_not_share_answers(
    material: AuditImages, toy_panel: ClassifierPanel, folder: Path
) -> None:
    predict_cached(Erring(toy_panel, [0.0] * 6), material, folder)
    assert predict_cached(Erring(toy_panel, [0.1] * 6), material, folder).asked == 240


def test_equal_images_are_asked_about_once(
    material: AuditImages, toy_panel: ClassifierPanel, folder: Path
) -> None:
    twice = AuditImages(
        material.folder,
        material.grid,
        material.files * 2,
        np.concatenate([material.levels] * 2),
        material.digests * 2,
        np.concatenate([material.weights] * 2),
    )
    found = predict_cached(Erring(toy_panel, [0.0] * 6), twice, folder)
    assert found.asked == 240
    assert np.array_equal(found.levels[:, 0], twice.levels[:, 0])


def test_damaged_answers_and_wrong_ones_are_named(
    material: AuditImages, toy_panel: ClassifierPanel, folder: Path
) -> None:
    model = Erring(toy_panel, [0.0] * 6)
    predict_cached(model, material, folder)
    path = next(folder.rglob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(FileFormatError, match="must be a whole Parquet file"):
        predict_cached(model, material, folder)
    other = Erring(toy_panel, [0.0] * 6, ("a", "b"))
    other.predict = lambda images: model.predict(images) * 2  # type: ignore[method-assign]
    with pytest.raises(
        ModelOutputError, match="must have one prediction for each of 1 attributes, got 2"
    ):
        predict_cached(other, material, folder / "other")
