from pathlib import Path

import pytest

from equipoise.core.errors import FileFormatError
from equipoise.report.audit_pages import render_audit


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "must be readable JSON"),
        ("{", "must be readable JSON"),
        ('{"breakdowns": []}', "must have the layout of equipoise.audit.record"),
    ],
)
def test_a_record_that_is_missing_or_damaged_is_named(
    content: str | None, said: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "audit.json").write_text(content)
    with pytest.raises(FileFormatError, match=said):
        render_audit(tmp_path)
    assert not (tmp_path / "audit.html").exists()
