from pathlib import Path

import numpy as np

from equipoise.core.files import to_json
from equipoise.core.versions import versions
from equipoise.measure.representation import make_share
from equipoise.runs.folder import RunFolder


def test_json_has_no_nan_and_no_infinity() -> None:
    value = {"a": np.float64("nan"), "b": [np.inf, np.int64(3)], "c": np.array([[1.5]])}
    assert to_json(value) == {"a": None, "b": ["infinite", 3], "c": [[1.5]]}
    assert to_json(make_share("x", 0, 0))["share"] is None


def test_versions_name_what_figures_depend_on() -> None:
    assert {"python", "machine", "equipoise", "numpy", "torch"} <= set(versions())


def test_what_was_measured_later_stays_until_the_sampler_is_another(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    for path in (run.sampler, run.report):
        path.write_text("x")
    run.write_later(run.quality, {"cells": [float("nan")]}, "one")
    run.write_later(run.corrected, {"agreement": []}, "other")
    run.clear_results()
    assert not run.sampler.exists() and not run.report.exists()
    run.clear_later("one")
    assert run.read_later() == {"quality": {"sampler": "one", "cells": [None]}, "corrected": None}
    run.quality.write_text("{}")
    run.clear_later("one")
    assert not run.quality.exists()
