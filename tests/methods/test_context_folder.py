"""Folders of images of contexts."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from equipoise.classifiers import open_panel
from equipoise.classifiers.models import Models
from equipoise.core.errors import FileFormatError, InputError
from equipoise.generators.toy_text import ToyTextGenerator
from equipoise.labelling.contexts import contexts_of_folder, read_label_table
from equipoise.methods.context_draws import Drawn, KeptDraws, draw_contexts
from equipoise.methods.context_folder import identity_of, write_contexts
from equipoise.methods.context_proposals import ContextRequests
from equipoise.samplers.export.metadata import read_metadata

TOY = ToyTextGenerator(["a photo of a nurse", 'a "pilot", smoking'], batch_size=8)
MODELS = Models(TOY, open_panel(("smiling", "skin_tone"), TOY))
COUNTS = np.full((2, 6), 3)
REQUESTS = ContextRequests(COUNTS, True, np.zeros((2, 6), bool), np.ones((2, 6)))


def draw(kept: KeptDraws) -> Drawn:
    return draw_contexts(MODELS, REQUESTS, 5, kept=kept)


def stopped(kept: KeptDraws) -> Drawn:
    yield from itertools.islice(draw(kept), 2)
    raise KeyboardInterrupt


def content(out: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(out.rglob("*")):
        if path.is_file():
            yield path.relative_to(out).as_posix(), path.read_bytes()


def test_a_stopped_folder_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    identity = identity_of(MODELS, REQUESTS, 5)
    written = write_contexts(draw, MODELS, TOY, identity, whole)
    assert np.bincount(written.contexts * 6 + written.labels.cells).tolist() == [3] * 12
    with pytest.raises(KeyboardInterrupt):
        write_contexts(stopped, MODELS, TOY, identity, parted)
    # The last image did not reach the disk.
    sorted((parted / "images").iterdir(), key=lambda path: path.stat().st_mtime_ns)[-1].unlink()
    again = write_contexts(draw, MODELS, TOY, identity, parted)
    assert again.calls == written.calls > 36
    assert list(content(parted)) == list(content(whole))
    write_contexts(draw, MODELS, TOY, identity, whole)
    assert list(content(parted)) == list(content(whole))
    files = sorted((whole / "images").iterdir())
    contexts, _ = contexts_of_folder(whole, files)
    assert contexts == [c for c in TOY.contexts for _ in range(18)]
    labels, names = read_label_table(whole / "metadata.csv", "skin_tone,smiling")
    assert names == [TOY.contexts[c] for c in written.contexts]
    assert len(labels) == 36
    assert read_metadata(whole).panel == MODELS.panel.digest


def test_other_draws_and_damaged_rows_are_refused(tmp_path: Path) -> None:
    identity = identity_of(MODELS, REQUESTS, 5)
    write_contexts(draw, MODELS, TOY, identity, tmp_path)
    with pytest.raises(InputError, match=r"must be empty or hold draws of the same prompts"):
        write_contexts(draw, MODELS, TOY, identity_of(MODELS, REQUESTS, 6), tmp_path)
    table = tmp_path / "metadata.csv"
    rows = table.read_text().splitlines(keepends=True)
    table.write_text("".join([rows[0], rows[1].replace("smiling=", "nose="), *rows[2:]]))
    with pytest.raises(
        FileFormatError, match=r"row 2 of .* must be as `equipoise balance-contexts"
    ):
        write_contexts(draw, MODELS, TOY, identity, tmp_path)
