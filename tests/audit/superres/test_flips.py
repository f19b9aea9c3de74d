import numpy as np

from equipoise.audit.superres.flips import find_flips
from equipoise.core.attributes import UNKNOWN, Attribute, AttributeGrid

GROUPS = AttributeGrid((Attribute("smiling", ("no", "yes")), Attribute("tone", ("dark", "light"))))
BEFORE = GROUPS.levels[np.repeat(np.arange(4), 10)].astype(np.int8)


def test_flips_are_counted_where_they_go() -> None:
    after, own = BEFORE.copy(), BEFORE.copy()
    after[:4, 0] = 1  # four dark frowns smile
    after[4, 1] = 1  # one is lit
    after[5] = UNKNOWN
    own[0, 0] = 1
    cells, smiling, tone = find_flips(GROUPS, BEFORE, after, own)
    first = cells.groups[0]
    assert (first.n, first.unknown, first.flips.count, first.flips.n) == (10, 1, 5, 9)
    assert (first.reencoded.count, first.reencoded.n) == (1, 10)
    assert [(t.name, t.count) for t in first.toward] == [
        ("smiling=yes, tone=dark", 4),
        ("smiling=no, tone=light", 1),
    ]
    assert cells.counts[0] == (4, 1, 4, 0, 1)
    assert [group.flips.count for group in cells.groups[1:]] == [0, 0, 0]
    assert (cells.overall.flips.count, cells.overall.flips.n) == (5, 39)
    assert smiling.counts == ((15, 4, 1), (0, 20, 0))
    assert [group.flips.count for group in smiling.by_cell] == [4, 0, 0, 0]
    assert [group.flips.count for group in tone.groups] == [1, 0]
    changes = {change.name: (change.before, change.after) for change in smiling.changes}
    assert changes == {"smiling=no": (19, 15), "smiling=yes": (20, 24)}


def test_one_attribute_has_no_table_of_its_own() -> None:
    grid = AttributeGrid((Attribute("smiling", ("no", "yes")),))
    (cells,) = find_flips(grid, BEFORE[:, :1], BEFORE[:, :1], BEFORE[:, :1])
    assert cells.gap is not None
    assert cells.gap.difference.value == 0
    assert cells.asymmetry == 1
