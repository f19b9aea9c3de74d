from pathlib import Path

import pytest

from equipoise.core.errors import FileFormatError
from equipoise.report.audit_pages import render_superres


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "must be readable JSON"),
        ("{", "must be readable JSON"),
        ('{"flips": [{}]}', "must have the layout of equipoise.audit.superres.record"),
    ],
)
def test_a_record_that_is_missing_or_damaged_is_named(
    content: str | None, said: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "superres.json").write_text(content)
    with pytest.raises(FileFormatError, match=said):
        render_superres(tmp_path)
    assert not (tmp_path / "superres.html").exists()
