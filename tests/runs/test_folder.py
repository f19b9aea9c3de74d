import json
from pathlib import Path

import numpy as np
import pytest

from equipoise.core.errors import FileFormatError
from equipoise.core.estimates import Estimate
from equipoise.core.versions import versions
from equipoise.measure.people.judgement import AnnotationResult
from equipoise.measure.quality import CellQuality, Quality
from equipoise.runs.folder import RunFolder

NONE = Estimate.missing("3 images, at least 4 are needed")
ROW = CellQuality(
    name="pooled", n=3, n_reference=9, distinguished=NONE,
    frechet=NONE, frechet_extrapolated=NONE, kernel=NONE,
    precision=Estimate(0.5, 0.1, 0.9), recall=NONE, density=NONE, coverage=NONE,
    coverage_expected=np.nan, similarity=NONE, similarity_reference=NONE, drift=(), scores=(),
)  # fmt: skip
QUALITY = Quality(
    features="age", digest="ab", about="", reference="images", unknown=0, unknown_reference=1,
    pooled=ROW, cells=(ROW,),
)  # fmt: skip
NOBODY = AnnotationResult(agreement=(), errors=(), corrections=())


def test_versions_name_what_figures_depend_on() -> None:
    assert {"python", "machine", "equipoise", "numpy", "torch"} <= set(versions())


def test_what_was_measured_later_stays_until_the_sampler_is_another(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    sheets = [run.picture(name) for name in ("prior", "tilt", "prior-cell-0")]
    sheets[0].parent.mkdir()
    for path in (run.sampler, run.report, *sheets):
        path.write_text("x")
    assert list(run.sheets()) == ["prior", "tilt"]
    run.write_quality(QUALITY, "one")
    run.write_corrected(NOBODY, "other")
    run.clear_results()
    assert not run.sampler.exists() and not run.report.exists()
    assert list(run.sheets()) == ["prior"]  # It shows what the labels are of, and they stay.
    assert not sheets[2].exists()
    run.clear_later("one")
    assert repr(run.read_later().quality) == repr(QUALITY)  # NaN is not equal to itself.
    assert run.read_later().annotation is None
    assert json.loads(run.quality.read_text())["sampler"] == "one"
    run.quality.write_text("{}")
    run.clear_later("one")
    assert not run.quality.exists()


def test_damaged_later_figures_are_named(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.write_quality(QUALITY, "one")
    text = run.quality.read_text()
    run.quality.write_text(text.replace('"n_reference": 9', '"n_reference": 9.5', 1))
    said = r"field quality\.pooled\.n_reference of record .* must be a whole number, got 9\.5"
    with pytest.raises(FileFormatError, match=said):
        run.read_later()
