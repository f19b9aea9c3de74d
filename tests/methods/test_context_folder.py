"""Folders of images of contexts."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from equipoise.classifiers.toy import ToyClassifier
from equipoise.core.errors import InputError
from equipoise.core.labels import Labels
from equipoise.generators.toy_text import ToyTextGenerator
from equipoise.labelling.contexts import contexts_of_folder, read_label_table
from equipoise.methods.context_draws import ContextImages
from equipoise.methods.context_folder import prepare_folder, write_contexts

TOY = ToyTextGenerator(["a photo of a nurse", 'a "pilot", smoking'])


def parts() -> Iterator[ContextImages]:
    for context in range(2):
        codes = TOY.codes_of(5, 0, 4, context, 1)
        images = TOY.images(codes)
        answers = ToyClassifier(TOY).predict(images)
        labels = Labels(
            TOY.grid,
            np.stack([one.levels for one in answers], axis=1),
            tuple(one.probabilities for one in answers),
            np.zeros((4, 2), np.float32),
        )
        yield ContextImages(context, 5, np.arange(4), np.zeros(4, np.int64), images, labels, 6)


def test_a_folder_is_written_and_read_back(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "00007-000001.png").write_text("of a stopped run")
    prepare_folder(tmp_path)
    written = write_contexts(parts(), TOY, tmp_path)
    assert written.calls == 12
    files = sorted((tmp_path / "images").iterdir())
    assert contexts_of_folder(tmp_path, files) == ([c for c in TOY.contexts for _ in range(4)], [])
    labels, contexts = read_label_table(tmp_path / "metadata.csv", "skin_tone,smiling")
    assert contexts == [TOY.contexts[c] for c in written.contexts]
    assert labels.levels.shape == written.labels.levels.shape
    first = np.asarray(Image.open(files[4])).transpose(2, 0, 1)
    assert np.array_equal(first, TOY.images(TOY.codes_of(5, 0, 1, 1, 1))[0])
    with pytest.raises(InputError, match=r"must not hold drawn images, got metadata\.csv"):
        prepare_folder(tmp_path)
