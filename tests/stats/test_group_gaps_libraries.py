import pytest

from equipoise.core.errors import InputError
from equipoise.stats.group_gaps import audit_library


def test_a_library_that_is_missing_is_named_with_the_extra() -> None:
    with pytest.raises(InputError, match=r"must have nonsense installed.*equipoise\[audit\]"):
        audit_library("nonsense.metrics")
