import numpy as np

from equipoise.measure.representation import make_share
from equipoise.store import to_json
from equipoise.versions import versions


def test_json_has_no_nan_and_no_infinity() -> None:
    value = {"a": np.float64("nan"), "b": [np.inf, np.int64(3)], "c": np.array([[1.5]])}
    assert to_json(value) == {"a": None, "b": ["infinite", 3], "c": [[1.5]]}
    assert to_json(make_share("x", 0, 0))["share"] is None


def test_versions_name_what_figures_depend_on() -> None:
    assert {"python", "machine", "equipoise", "numpy", "torch"} <= set(versions())
