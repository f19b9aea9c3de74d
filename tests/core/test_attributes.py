import numpy as np
import pytest

from equipoise.core.attributes import UNKNOWN, Attribute, AttributeGrid
from equipoise.core.errors import InputError

GROUPS = AttributeGrid(
    (Attribute("smiling", ("no", "yes")), Attribute("tone", ("dark", "medium", "light"), True))
)


def test_cells_and_levels_agree() -> None:
    assert GROUPS.size == 6
    assert np.array_equal(GROUPS.cell_of(GROUPS.levels), np.arange(6))
    for k, cell in enumerate(GROUPS.cells):
        assert GROUPS.index(cell) == k
        assert GROUPS.index(", ".join(reversed(cell.split(", ")))) == k


def test_unknown_level_makes_unknown_cell() -> None:
    assert GROUPS.cell_of([[0, UNKNOWN], [1, 2], [UNKNOWN, 0]]).tolist() == [-1, 5, -1]


def test_marginal_sums_cells() -> None:
    shares = np.arange(6) / 15
    assert np.allclose(GROUPS.marginal(shares, "smiling"), [3 / 15, 12 / 15])
    assert np.allclose(GROUPS.marginal(shares, "tone"), [3 / 15, 5 / 15, 7 / 15])


@pytest.mark.parametrize(
    ("cell", "got"),
    [
        ("smiling=yes", "smiling=yes"),
        ("smiling=yes, tone=pale", "pale"),
        ("smiling=yes, hat=dark", "hat=dark"),
        ("smiling=yes, smiling=no", "smiling=no"),
        ("nonsense", "nonsense"),
    ],
)
def test_bad_cell_is_named(cell: str, got: str) -> None:
    with pytest.raises(InputError, match=got):
        GROUPS.index(cell)


@pytest.mark.parametrize(
    "levels", [("one",), ("a", "a"), ("a", "unknown"), ("a=b", "c"), ("", "b"), ("a\nb", "c")]
)
def test_bad_levels_are_refused(levels: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="'hat'"):
        Attribute("hat", levels)


def test_unknown_attribute_is_named() -> None:
    with pytest.raises(InputError, match="attribute must be one of smiling, tone, got hat"):
        GROUPS.marginal(np.ones(6), "hat")


def test_attributes_named_twice_are_refused() -> None:
    with pytest.raises(InputError, match="each named once, got smiling, smiling"):
        AttributeGrid((GROUPS.attributes[0], GROUPS.attributes[0]))


@pytest.mark.parametrize(
    "name",
    [
        *("index", "Seed", "requested", "achieved", "file_name", "weight", "image", "images"),
        *("share", "stratum", "source", "__key__", "hat_file_name"),
        *("smiling.score", "smiling.p.yes"),
    ],
)
def test_columns_of_tables_are_no_attributes(name: str) -> None:
    with pytest.raises(InputError, match=f"that of another column of a table: .*got {name}"):
        Attribute(name, ("no", "yes"))
    assert Attribute("index_finger", ("no", "yes"))
