import json
from pathlib import Path

import numpy as np
import pytest

from equipoise.core.attributes import Attribute, AttributeGrid
from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.targets import Target, parse_target

GROUPS = AttributeGrid(
    (Attribute("gender", ("female", "male")), Attribute("age", ("young", "old")))
)
PRIOR = [0.1, 0.3, 0.2, 0.4]


@pytest.mark.parametrize(
    "text", ["uniform", "marginals: gender=female:3,male:1", "conditional: gender | age"]
)
def test_targets_are_distributions(text: str) -> None:
    shares = parse_target(text, GROUPS).resolve(PRIOR).shares
    assert shares.min() >= 0
    assert shares.sum() == pytest.approx(1)


def test_marginals_hold_and_the_rest_is_uniform() -> None:
    target = parse_target("marginals: gender=female:3,male:1", GROUPS).resolve(None)
    assert np.allclose(GROUPS.marginal(target.shares, "gender"), [0.75, 0.25])
    assert np.allclose(GROUPS.marginal(target.shares, "age"), [0.5, 0.5])


def test_conditional_balances_within_and_keeps_the_other_marginal() -> None:
    shares = parse_target("conditional: gender | age", GROUPS).resolve(PRIOR).shares.reshape(2, 2)
    assert np.allclose(shares[0], shares[1])
    assert np.allclose(shares.sum(axis=0), [0.3, 0.7])


def test_conditional_keeps_a_third_attribute_given_within() -> None:
    grid = AttributeGrid((*GROUPS.attributes, Attribute("hat", ("no", "yes"))))
    prior = np.random.default_rng(0).dirichlet(np.ones(8))
    target = parse_target("conditional: gender | age", grid).resolve(prior)
    before, after = prior.reshape(2, 2, 2), target.shares.reshape(2, 2, 2)
    assert np.allclose(after.sum(axis=0), before.sum(axis=0))
    assert np.allclose(after[0], after[1])


def test_files_and_dicts_agree(tmp_path: Path) -> None:
    table = {
        "gender=female, age=young": 4,
        "gender=female, age=old": 0,
        "age=young, gender=male": 3,
        "gender=male, age=old": 1,
    }
    (tmp_path / "t.json").write_text(json.dumps(table))
    (tmp_path / "t.csv").write_text(
        "age,gender,share\nyoung,female,4\nold,female,0\nyoung,male,3\nold,male,1\n"
    )
    wanted = [0.5, 0, 0.375, 0.125]
    assert np.allclose(Target.table(GROUPS, table).shares, wanted)
    assert np.allclose(parse_target(str(tmp_path / "t.json"), GROUPS).resolve(None).shares, wanted)
    assert np.allclose(parse_target(str(tmp_path / "t.csv"), GROUPS).resolve(None).shares, wanted)


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_tables_are_read_as_spreadsheets_write_them(
    separator: str, mark: str, tmp_path: Path
) -> None:
    lines = ["gender,age,share,remark", "female,young,40,", "female,old,0,x", "male,young,30,"]
    text = "\r\n".join([mark + lines[0], *lines[1:], "male , old,10,", ",,,", ""])
    (tmp_path / "t.csv").write_text(text.replace(",", separator), encoding="utf-8")
    found = parse_target(str(tmp_path / "t.csv"), GROUPS).resolve(None)
    assert np.allclose(found.shares, [0.5, 0, 0.375, 0.125])


def full(**changes: object) -> dict[str, object]:
    return dict.fromkeys(GROUPS.cells, 1.0) | changes


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (full(**{"gender=male, age=old": -1}), "'gender=male, age=old' must be a finite number"),
        (full(**{"gender=male, age=old": "x"}), "'gender=male, age=old' must be a finite.*got x"),
        (full(**{"age=old, gender=male": 1}), "'gender=male, age=old' must be given once"),
        (full(**{"gender=male, age=older": 1}), "must be one of young, old, got older"),
        ({"gender=male, age=old": 1}, "none for 'gender=female, age=young' and 2 more"),
        (dict.fromkeys(GROUPS.cells, 0), "must give some cell a positive share"),
    ],
)
def test_errors_name_the_cell(table: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Target.table(GROUPS, table)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("equal", "must be 'uniform', .* got equal"),
        ("marginals: hat=yes:1", "got hat"),
        ("marginals: gender=female", "marginals as attribute=level:share"),
        ("marginals: gender=female:1", "none for 'gender=male'"),
        ("conditional: gender", "'conditional: ATTRIBUTE | ATTRIBUTE'"),
        ("marginals: gender=male:1,male:2", "marginals as attribute=level:share"),
        ("missing.csv", "missing.csv must be a file"),
    ],
)
def test_bad_text_is_named(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse_target(text, GROUPS)


def test_conditional_targets_need_two_attributes_and_the_prior() -> None:
    with pytest.raises(InputError, match="two different attributes"):
        parse_target("conditional: gender | gender", GROUPS)
    with pytest.raises(InputError, match="must not be conditional where"):
        parse_target("conditional: gender | age", GROUPS).resolve(None)


def test_huge_shares_do_not_overflow() -> None:
    assert np.allclose(Target(GROUPS, np.full(4, 1e308)).shares, 0.25)


def test_bad_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[1, 2]")
    (tmp_path / "b.json").write_text("{")
    (tmp_path / "c.csv").write_text("gender,share\nmale,1\n")
    (tmp_path / "d.csv").write_text("gender,age,share\nmale,old,1\nmale,old,1\n")
    (tmp_path / "e.json").write_text('{"gender=male, age=old": 1, "gender=male, age=old": 2}')
    (tmp_path / "f.json").write_text("[" * 100_000)
    (tmp_path / "g.csv").write_text("gender,age,share\nmale,old,1,2,3\n")
    (tmp_path / "h.csv").write_bytes(b"gender,age,share,remark\n" + b"\xe9" * 10_000)
    (tmp_path / "i.csv").write_text("")
    (tmp_path / "j.csv").write_text("gender;age;share\nmale;old;33,3\n")
    for name, said in [
        ("a.json", "must hold an object, got list"),
        ("b.json", "must be readable JSON"),
        ("c.csv", "must have the column 'age' once, got gender, share"),
        ("d.csv", "'gender=male, age=old' must be given once"),
        ("e.json", "'gender=male, age=old' must be given once"),
        ("f.json", "must be readable JSON"),
        ("g.csv", "must have 3 values, got 5"),
        ("h.csv", "must be UTF-8 text"),
        ("i.csv", "must have the column 'gender' once, got none"),
        ("j.csv", "Write it with a decimal point"),
    ]:
        with pytest.raises((InputError, FileFormatError), match=said) as caught:
            parse_target(str(tmp_path / name), GROUPS)
        assert len(str(caught.value)) < 600


def test_cells_are_a_table_in_the_text() -> None:
    grid = AttributeGrid((Attribute("a", ("x", "y")), Attribute("b", ("u", "v"))))
    found = parse_target("cells: b=v, a=x: 3; a=y, b=u: 1", grid).resolve(None)
    assert found.shares.tolist() == [0, 0.75, 0.25, 0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cells:", "must give cells"),
        ("cells: a=x: 1; a=x: 2", "each once"),
        ("cells: a=z: 1", "level of a"),
        ("cells: a=x: much", "must be a finite number"),
        ("cells: a=x", "must name each of a once"),
    ],
)
def test_wrong_cells_are_named(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse_target(text, AttributeGrid((Attribute("a", ("x", "y")),)))
