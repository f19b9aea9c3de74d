"""The column `weight`: what every format carries, and what is read back."""

import csv
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from equipoise.classifiers import ClassifierPanel
from equipoise.classifiers.models import Models
from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.targets import Target
from equipoise.generators.toy import ToyGenerator
from equipoise.methods.tilt.fit import TiltFit
from equipoise.samplers.export import write_draws
from equipoise.samplers.export.formats import FORMATS
from equipoise.samplers.export.metadata import DRAWS, read_metadata
from equipoise.samplers.job import DrawRequest
from equipoise.samplers.sampler import GeneratorRef, Sampler


@pytest.fixture(scope="module")
def sampler(toy: ToyGenerator, toy_tilt: TiltFit, toy_panel: ClassifierPanel) -> Sampler:
    target = Target.uniform(toy_panel.grid)
    return Sampler(GeneratorRef.of(toy), target, target.shares, toy_tilt.source)


@pytest.fixture(scope="module")
def models(toy: ToyGenerator, toy_panel: ClassifierPanel) -> Models:
    return Models(toy, toy_panel)


def column(path: Path, kind: str, name: str) -> list[str]:
    """Return a column of what was written, whatever the format, as texts."""
    if kind == "folder":
        with (path / "metadata.csv").open(newline="") as file:
            return [row[name] for row in csv.DictReader(file)]
    if kind == "npz":
        with np.load(path) as stored:
            return [str(value) for value in stored[name].tolist()]
    with tarfile.open(path) as archive:
        texts = [archive.extractfile(m) for m in archive.getmembers() if m.name.endswith("json")]
        return [str(json.load(text)[name]) for text in texts if text is not None]


@pytest.mark.parametrize("kind", FORMATS)
def test_every_image_has_its_weight(
    sampler: Sampler, models: Models, tmp_path: Path, kind: str
) -> None:
    request = DrawRequest(60, seed=2, verified=True, faithful="exact")
    out = write_draws(sampler, models, request, tmp_path / f"exact.{kind}", kind)
    weights = np.array(column(out, kind, "weight"), np.float64)
    cells = column(out, kind, "requested")
    indices = [int(index) for index in column(out, kind, "index")]
    exact = sampler.for_verified("exact")
    for cell in sampler.grid.cells:
        drawn = exact.draw(100, 2, cell=cell)
        rows = [i for i, requested in enumerate(cells) if requested == cell]
        assert len(rows) == 10
        assert weights[rows].tolist() == drawn.weights[[indices[i] for i in rows]].tolist()
    assert weights.std() > 0.05 and weights.min() > 0
    plain = write_draws(sampler, models, DrawRequest(20), tmp_path / f"plain.{kind}", kind)
    assert set(column(plain, kind, "weight")) == {"1.0"}


def test_weights_are_read_back(sampler: Sampler, models: Models, tmp_path: Path) -> None:
    request = DrawRequest(30, verified=True, faithful="exact")
    write_draws(sampler, models, request, tmp_path)
    found = read_metadata(tmp_path)
    assert found.weights.tolist() == [float(w) for w in column(tmp_path, "folder", "weight")]
    with pytest.raises(InputError, match="faithful must be one of those of the sampler"):
        write_draws(
            sampler, models, DrawRequest(5, verified=True, faithful="0.7"), tmp_path / "other"
        )
    assert not (tmp_path / "other").exists()


def test_a_folder_goes_on_only_with_the_same_faithfulness(
    sampler: Sampler, models: Models, tmp_path: Path
) -> None:
    write_draws(sampler, models, DrawRequest(12, verified=True, faithful="exact"), tmp_path)
    before = (tmp_path / "metadata.csv").read_bytes()
    for other in ("0.9", "typical", None):
        with pytest.raises(InputError, match="must be empty or hold draws of the same sampler"):
            write_draws(sampler, models, DrawRequest(24, verified=True, faithful=other), tmp_path)
    assert (tmp_path / "metadata.csv").read_bytes() == before
    write_draws(sampler, models, DrawRequest(24, verified=True, faithful="exact"), tmp_path)
    whole = write_draws(
        sampler, models, DrawRequest(24, verified=True, faithful="exact"), tmp_path / "whole"
    )
    one, other = (sorted(column(p, "folder", "weight")) for p in (tmp_path, whole))
    assert one == other


def write_table(folder: Path, header: str, *rows: str) -> None:
    (folder / "metadata.csv").write_text("\n".join([header, *rows, ""]))


HEADER = "file_name,smiling,smiling.p.no,smiling.p.yes"


def test_a_table_without_weights_counts_every_image_once(tmp_path: Path) -> None:
    write_table(tmp_path, HEADER, "a.png,no,1,0", "b.png,yes,0,1")
    assert read_metadata(tmp_path).weights.tolist() == [1, 1]
    write_table(tmp_path, f"{HEADER},weight", "a.png,no,1,0,0.25", "b.png,yes,0,1,3")
    assert read_metadata(tmp_path).weights.tolist() == [0.25, 3]


@pytest.mark.parametrize("weight", ["0", "-1", "nan", "inf", "heavy", ""])
def test_what_is_no_weight_is_refused_with_its_row(tmp_path: Path, weight: str) -> None:
    write_table(tmp_path, f"{HEADER},weight", "a.png,no,1,0,1", f"b.png,yes,0,1,{weight}")
    with pytest.raises(FileFormatError, match=r"weight in row 3 of .*metadata\.csv must be"):
        read_metadata(tmp_path)


def test_a_folder_says_its_mode_and_sampler_and_an_older_one_that_does_not_goes_on(
    sampler: Sampler, models: Models, tmp_path: Path
) -> None:
    out, record = tmp_path / "exact", tmp_path / "exact" / DRAWS
    write_draws(sampler, models, DrawRequest(30, verified=True, faithful="exact"), out)
    known = json.loads(record.read_text())
    assert (known["faithful"], known["sampler_file"]) == ("exact", sampler.digest)
    assert known["sampler"] == sampler.for_verified("exact").digest != sampler.digest
    older = {name: known[name] for name in known if name not in ("faithful", "sampler_file")}
    record.write_text(json.dumps(older))
    write_draws(sampler, models, DrawRequest(60, verified=True, faithful="exact"), out)
    assert json.loads(record.read_text()) == known
    record.write_text(json.dumps(older))
    with pytest.raises(InputError, match="must be empty or hold draws of the same sampler"):
        write_draws(sampler, models, DrawRequest(60, verified=True, faithful="typical"), out)
