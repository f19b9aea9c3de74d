from pathlib import Path

import pytest

from equipoise.audit.pages import PAGES
from equipoise.core.errors import FileFormatError


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "must be readable JSON"),
        ("{", "must be readable JSON"),
        ("{}", r"field verdict of audit .* must be there, got none"),
        ('{"format": 9}', r"field format of audit .* must be [12], got 9"),
        ('{"verdict": 3}', r"field verdict of audit .* must be a text, got 3"),
    ],
)
def test_a_record_that_is_missing_or_damaged_is_named(
    name: str, content: str | None, said: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / f"{name}.json").write_text(content)
    with pytest.raises(FileFormatError, match=said):
        PAGES[name].write(tmp_path)
    assert not (tmp_path / f"{name}.html").exists()
