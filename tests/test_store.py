from pathlib import Path

import numpy as np

from equipoise.measure.representation import make_share
from equipoise.store import RunFolder, to_json
from equipoise.versions import versions


def test_json_has_no_nan_and_no_infinity() -> None:
    value = {"a": np.float64("nan"), "b": [np.inf, np.int64(3)], "c": np.array([[1.5]])}
    assert to_json(value) == {"a": None, "b": ["infinite", 3], "c": [[1.5]]}
    assert to_json(make_share("x", 0, 0))["share"] is None


def test_versions_name_what_figures_depend_on() -> None:
    assert {"python", "machine", "equipoise", "numpy", "torch"} <= set(versions())


def test_what_was_measured_later_stays_until_the_sampler_is_another(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    for path in (run.sampler, run.quality, run.corrected, run.report):
        path.write_text("x")
    before = run.sampler_bytes()
    run.clear_results()
    assert run.sampler_bytes() is None
    assert (run.quality.exists(), run.corrected.exists(), run.report.exists()) == (
        True,
        True,
        False,
    )
    run.sampler.write_text("x")
    assert run.sampler_bytes() == before
    run.clear_later()
    assert not run.quality.exists() and not run.corrected.exists()
