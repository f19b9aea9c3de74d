import numpy as np

from equipoise.audit.superres.flips import group_flips


def test_what_jpeg_flips_as_well_is_no_difference() -> None:
    before = np.zeros(50, np.int64)
    after = np.where(np.arange(50) < 20, 1, 0)
    (alike,) = group_flips(["a"], ["a", "b"], before, before, after, after)
    assert (alike.beyond.value, alike.p_value) == (0, 1)
    assert alike.flips == alike.reencoded
    (worse,) = group_flips(["a"], ["a", "b"], before, before, after, before)
    assert worse.beyond.value == 0.4
    assert worse.beyond.low > 0.2
    assert worse.p_value < 1e-5
    assert [(toward.name, toward.count) for toward in worse.toward] == [("b", 20)]


def test_more_groups_have_longer_intervals() -> None:
    before, after = np.zeros(80, np.int64), np.tile([0, 0, 0, 1], 20)
    group = np.repeat([0, 1], 40)
    one = group_flips(["a"], ["x", "y"], group[:40], before[:40], after[:40], before[:40])[0]
    two = group_flips(["a", "b"], ["x", "y"], group, before, after, before)[0]
    assert two.beyond.value == one.beyond.value
    assert two.beyond.low < one.beyond.low
