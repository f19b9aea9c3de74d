from pathlib import Path

import numpy as np

from equipoise.audit.images import AuditImages
from equipoise.audit.superres.models import reduced
from equipoise.audit.superres.restored import restore_all
from equipoise.core.progress import Execution
from tests.audit.superres.conftest import Oracle


def test_it_goes_on_where_it_was_and_says_the_same(material: AuditImages, folder: Path) -> None:
    some = material.take(range(50))
    model = Oracle(material, dict.fromkeys(range(6), 0.5), 0)
    first = restore_all(model, some, folder, restarts=2, seed=3)
    assert (first.made, first.kept, model.restored) == (100, 0, 100)
    before = [path.read_bytes() for tries in first.files for path in tries]
    first.files[45][1].unlink()
    again = restore_all(model, some, folder, restarts=2, seed=3)
    assert (again.made, again.kept) == (10, 90)
    assert [path.read_bytes() for tries in again.files for path in tries] == before
    assert np.array_equal(first.chosen, again.chosen)
    more = restore_all(model, some, folder, restarts=3, seed=3)
    assert (more.made, more.kept) == (50, 100)
    assert restore_all(model, some, folder, seed=4).made == 50


def test_the_try_that_agrees_with_the_low_image_counts(material: AuditImages, folder: Path) -> None:
    some = material.take(range(40))
    model = Oracle(material, dict.fromkeys(range(6), 0.5), 0)
    found = restore_all(model, some, folder, restarts=6)
    low = reduced(some.images(range(40)), 2)
    kept = reduced(found.pictures().images(range(40)), 2)
    agree = [np.array_equal(a, b) for a, b in zip(low, kept, strict=True)]
    assert np.mean(agree) > 0.9
    assert found.tries(0).shape == (6, 3, 32, 32)
    assert found.chosen.max() > 0


def test_a_prefix_of_workers_changes_nothing(material: AuditImages, folder: Path) -> None:
    model = Oracle(material, {0: 0.5}, 3)
    some = material.take(range(60))
    one = restore_all(model, some, folder / "one", execution=Execution(1))
    three = restore_all(model, some, folder / "three", execution=Execution(3))
    assert one.pictures().digests == three.pictures().digests
