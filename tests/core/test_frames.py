"""Tables and frames of labels, draws and shares."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from equipoise.classifiers import ClassifierPanel
from equipoise.classifiers.models import Models
from equipoise.core.errors import InputError
from equipoise.core.labels import Labels
from equipoise.core.targets import Target
from equipoise.generators.toy import ToyGenerator
from equipoise.measure.representation import represent
from equipoise.samplers.draw import one_shot
from equipoise.samplers.sampler import Sampler


@pytest.fixture
def labels(toy_labels: Labels) -> Labels:
    """Fifty labels, the first without a level of smiling."""
    some = toy_labels.take(slice(0, 50))
    levels = some.levels.copy()
    levels[0, 0] = -1
    return Labels(some.grid, levels, some.probabilities, some.scores)


def test_labels_have_a_row_for_each_image(labels: Labels) -> None:
    table = labels.table()
    assert table.column_names == [
        "cell",
        *("smiling", "smiling.p.no", "smiling.p.yes", "smiling.score"),
        *("skin_tone", "skin_tone.p.dark", "skin_tone.p.medium", "skin_tone.p.light"),
        "skin_tone.score",
    ]
    cells = table["cell"].to_pylist()
    assert cells[0] == table["smiling"][0].as_py() == "unknown"
    assert cells[1:] == [labels.grid.cells[k] for k in labels.cells[1:]]
    assert np.array_equal(table["smiling.p.yes"], labels.probabilities[0][:, 1])


@pytest.mark.parametrize(
    "library", ["pandas", pytest.param("polars", marks=pytest.mark.extras("polars"))]
)
def test_frames_hold_what_the_table_holds(labels: Labels, library: str) -> None:
    frame: Any = labels.frame(library)
    assert type(frame).__module__.startswith(library)
    assert list(frame.columns) == labels.table().column_names
    assert list(frame["cell"]) == labels.table()["cell"].to_pylist()


def test_draws_have_a_row_for_each_image(
    toy_sampler: Sampler, toy: ToyGenerator, toy_panel: ClassifierPanel
) -> None:
    drawn = next(one_shot(toy_sampler, Models(toy, toy_panel), 20, 3, start=7))
    table = drawn.table()
    assert table.column_names[:5] == ["index", "requested", "achieved", "weight", "smiling"]
    assert table["index"].to_pylist() == list(range(7, 27))
    assert table["requested"].to_pylist() == [
        toy_sampler.grid.cells[k] for k in drawn.latents.requested
    ]
    assert table["achieved"].to_pylist() == drawn.labels.table()["cell"].to_pylist()


def test_shares_have_a_row_for_each_cell_and_level(labels: Labels) -> None:
    found = represent(labels, Target.uniform(labels.grid))
    rows = found.table().to_pylist()
    assert [row["of"] for row in rows] == ["cell"] * 6 + ["smiling"] * 2 + ["skin_tone"] * 3
    assert [row["name"] for row in rows[:6]] == list(labels.grid.cells)
    for row, share in zip(rows, found.cells, strict=False):
        assert (row["share"], row["low"], row["joint_high"]) == (
            share.share,
            share.low,
            share.joint[1],
        )
        assert (row["count"], row["n"], row["target"]) == (share.count, 49, 1 / 6)
    assert represent(labels).table()["target"].null_count == 11


def test_another_library_is_refused(labels: Labels) -> None:
    with pytest.raises(InputError, match="library must be one of pandas, polars, got dask"):
        labels.frame("dask")
