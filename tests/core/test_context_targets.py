"""Targets that differ by context: their grammar, and errors that name the context."""

from pathlib import Path

import numpy as np
import pytest

from equipoise.core.attributes import Attribute, AttributeGrid
from equipoise.core.context_targets import each_of, parse_context_targets
from equipoise.core.errors import EquipoiseError, InputError
from equipoise.core.targets import Target

SIX = AttributeGrid(
    (Attribute("gender", ("female", "male")), Attribute("age", ("young", "middle", "old")))
)
TWO = AttributeGrid((Attribute("gender", ("female", "male")),))

LEVELS = "nurse,gender=female,1\nnurse, gender = male ,3\n"


def table(folder: Path, rows: str, header: str = "context,cell,share\n") -> str:
    path = folder / "targets.csv"
    path.write_text(header + rows)
    return str(path)


def test_levels_make_marginals_and_cells_whole_targets(tmp_path: Path) -> None:
    cells = "".join(f'pilot,"{cell}",{k}\n' for k, cell in enumerate(SIX.cells))
    found = parse_context_targets(table(tmp_path, LEVELS + cells), SIX)
    nurse, pilot, chef = found.of(["nurse", "pilot", "chef"])
    assert np.allclose(nurse.shares, [1 / 12] * 3 + [1 / 4] * 3)
    assert np.allclose(pilot.shares, np.arange(6) / 15)
    assert np.allclose(chef.shares, 1 / 6)


def test_a_star_stands_for_contexts_that_are_not_named(tmp_path: Path) -> None:
    rows = LEVELS + "*,gender=female,60\n*,gender=male,40\n"
    found = parse_context_targets(table(tmp_path, rows), TWO)
    assert [one.shares[0] for one in found.of(["pilot", "nurse"])] == pytest.approx([0.6, 0.25])


def test_a_table_without_contexts_and_text_hold_for_all(tmp_path: Path) -> None:
    path = table(tmp_path, "female,9\nmale,1\n", "gender,share\n")
    for text in (path, "cells: gender=female: 9; gender=male: 1"):
        (shares,) = (one.shares for one in parse_context_targets(text, TWO).of(["a"]))
        assert shares.tolist() == pytest.approx([0.9, 0.1])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("nurse,gender=female,1\n", "context 'nurse' of .* give every cell a share.*'gender=male'"),
        (LEVELS + "nurse,gender=male,1\n", "row 4 of .* gender=male of context nurse once"),
        (LEVELS + ",gender=male,1\n", "row 4 of .* must name its context"),
        (LEVELS + '"nurse","gender=male, age=old",1\n', "'nurse' of .* cells, or levels"),
        ("nurse,gender=female,x\nnurse,gender=male,1\n", "context 'nurse' of .* got x"),
        ("nurse,gender=female,0\nnurse,gender=male,0\n", "context 'nurse' of .* positive share"),
        ("nurse,race=a,1\n", "context 'nurse' of .*race"),
        ("nurse,female,1\n", "context 'nurse' of .* cells, or levels"),
    ],
)
def test_what_breaks_a_rule_is_named_with_its_context(
    tmp_path: Path, rows: str, message: str
) -> None:
    with pytest.raises(EquipoiseError, match=message):
        parse_context_targets(table(tmp_path, rows), SIX)


def test_contexts_that_do_not_exist_are_named(tmp_path: Path) -> None:
    found = parse_context_targets(table(tmp_path, LEVELS), TWO)
    with pytest.raises(InputError, match="among the 1 that there are, got nurse"):
        found.of(["pilot"])
    with pytest.raises(InputError, match="one for each of 3 contexts, got 2"):
        each_of([Target.uniform(TWO)] * 2, 3)
