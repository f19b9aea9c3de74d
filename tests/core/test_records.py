"""Records are read back as what was written, or refused with the field's name."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.records import from_json, read_record, to_json, write_record
from equipoise.core.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Inner:
    name: str
    pair: tuple[float, float]


@dataclass(frozen=True, eq=False, kw_only=True)
class Outer:
    format: Literal[1] = 1
    count: int
    value: float
    maybe: float | None
    kind: Literal["a", "b"] = "a"
    flag: bool = False
    either: int | str = "bic"
    inner: tuple[Inner, ...] = ()
    table: dict[str, float]
    rows: NDArray[np.int64]
    shares: NDArray[np.float64]
    anything: Any = None
    settings: Settings = field(default_factory=Settings)


MADE = Outer(
    count=3,
    value=float("nan"),
    maybe=None,
    kind="b",
    flag=True,
    either=4,
    inner=(Inner(name="x", pair=(float("inf"), -float("inf"))),),
    table={"kl": 0.1},
    rows=np.array([[1, 2], [3, 4]]),
    shares=np.array([0.5, np.nan, np.inf]),
    anything=[1, {"a": None}],
    settings=Settings(n=500, classifiers=("hf:a, b",), faithful=0.8),
)


def test_a_record_is_read_back_as_the_class_that_was_written(tmp_path: Path) -> None:
    write_record(tmp_path / "r.json", MADE)
    found = read_record(tmp_path / "r.json", Outer, "Write it again.")
    assert type(found) is Outer
    assert np.isnan(found.value) and found.maybe is None
    assert found.inner == MADE.inner and type(found.inner[0].pair) is tuple
    assert found.rows.dtype == np.int64 and found.rows.tolist() == [[1, 2], [3, 4]]
    assert found.shares.dtype == np.float64
    assert np.array_equal(found.shares, MADE.shares, equal_nan=True)
    assert (found.either, found.kind, found.flag, found.table) == (4, "b", True, {"kl": 0.1})
    assert found.settings == MADE.settings
    assert to_json(found) == to_json(MADE)


def test_json_has_no_nan_and_no_infinity() -> None:
    value = {"a": np.float64("nan"), "b": [np.inf, np.int64(3)], "c": np.array([[1.5]])}
    assert to_json(value) == {"a": None, "b": ["infinite", 3], "c": [[1.5]]}
    assert to_json(-np.inf) == "-infinite"


def test_null_is_none_where_none_is_allowed_and_else_nan() -> None:
    found = changed(value=None, maybe=None)
    assert np.isnan(found.value) and found.maybe is None
    assert changed(maybe="infinite").maybe == np.inf


def changed(**values: Any) -> Outer:
    return from_json({**to_json(MADE), **values}, Outer, "record x.json", "Write it again.")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"format": 2}, "field format of record x.json must be 1, got 2. Write it again."),
        ({"format": True}, "field format .* must be 1, got True"),
        ({"count": 3.0}, "field count .* must be a whole number, got 3.0"),
        ({"count": True}, "field count .* must be a whole number, got True"),
        ({"count": None}, "field count .* must be a whole number, got None"),
        ({"value": "many"}, "field value .* must be a number, got many"),
        ({"value": False}, "field value .* must be a number, got False"),
        ({"maybe": []}, r"field maybe .* must be a number, got \[\]"),
        ({"kind": "c"}, 'field kind .* must be "a" or "b", got c'),
        ({"flag": 1}, "field flag .* must be true or false, got 1"),
        ({"either": 1.5}, "field either .* must be a whole number or a text, got 1.5"),
        ({"inner": {}}, "field inner .* must be a list, got {}"),
        ({"inner": [3]}, r"field inner\[0\] .* must be an object with the fields of Inner"),
        ({"inner": [{"name": "x"}]}, r"field inner\[0\].pair .* must be there, got none"),
        ({"inner": [{"name": "x", "pair": [1]}]}, r"inner\[0\].pair .* must be a list of 2 values"),
        ({"table": [1]}, r"field table .* must be an object, got \[1\]"),
        ({"table": {"kl": "x"}}, r"field table\['kl'\] .* must be a number, got x"),
        ({"rows": [[1], [2, 3]]}, "field rows .* must be an array of int64"),
        ({"rows": [[1.5]]}, r"field rows\[0\]\[0\] .* must be a whole number, got 1.5"),
        ({"rows": [[2**70]]}, r"field rows\[0\]\[0\] .* must be a whole number of 64 bits"),
        ({"shares": 3}, "field shares .* must be a list, got 3"),
        ({"odd": 1}, "field odd of record x.json must be a field that is known, got 1"),
        (
            {"settings": {"n": 0}},
            "field settings .* must be a valid Settings, got n must be a whole",
        ),
        ({"settings": {"n": "5"}}, "field settings.n .* must be a whole number, got 5"),
    ],
)
def test_what_a_field_does_not_allow_is_named(values: dict[str, Any], said: str) -> None:
    with pytest.raises(FileFormatError, match=said):
        changed(**values)


def test_no_object_is_no_record() -> None:
    with pytest.raises(
        FileFormatError, match=r"^r.json must be an object with the fields of Outer"
    ):
        from_json([1], Outer, "r.json", "Write it again.")


def test_settings_that_break_a_rule_are_an_error_of_the_file_and_not_of_the_caller() -> None:
    with pytest.raises(FileFormatError) as caught:
        changed(settings={"seed": -1})
    assert not isinstance(caught.value, InputError)
