import re
from pathlib import Path

import pytest

from equipoise.core.errors import FileFormatError
from equipoise.core.settings import Settings
from equipoise.pipeline import balance
from equipoise.report.run_page import render
from equipoise.runs.folder import RunFolder

SETTINGS = Settings(
    generator="toy", method="shift", n=2000, measure_n=400, components=1, distance=1.5
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("report")
    balance(SETTINGS, folder)
    return RunFolder(folder)


def test_a_stored_run_renders_again_to_the_same_report(run: RunFolder) -> None:
    before = run.report.read_text()
    run.report.unlink()
    assert render(run) == run.report
    assert run.report.read_text() == before


def test_it_is_one_file_that_loads_nothing(run: RunFolder) -> None:
    html = run.report.read_text()
    assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', html)
    assert "<script" not in html
    assert html.count('src="data:image/png') == 2 + 2 * 6


def test_it_shows_what_was_asked_and_what_came_out(run: RunFolder) -> None:
    html = run.report.read_text()
    record = run.read_record()
    for share in record.results[0].representation.cells:
        low, high = share.joint
        assert f"{share.share:.1%} ({low:.1%} to {high:.1%})" in html
    assert record.results[0].representation.verdict.words in html
    for said in (
        "uniform",
        "KL to the target",
        "Directions",
        "How far codes moved",
        "Cost",
        "numpy",
    ):
        assert said in html


def test_hostile_text_is_escaped(run: RunFolder) -> None:
    path = run.path / "record.json"
    original = path.read_text()
    path.write_text(original.replace('"text": "uniform"', '"text": "<script>alert(1)</script>"'))
    try:
        assert "<script>alert" not in render(run).read_text()
    finally:
        path.write_text(original)
        render(run)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "readable JSON"),
        ("{", "readable JSON"),
        ("{}", "field settings of record .* must be there"),
        ('{"format": 2}', "field format of record .* must be 1, got 2"),
        ('{"settings": {"n": 0}}', "field settings of record .* must be a valid Settings, got n"),
    ],
)
def test_missing_and_damaged_figures_are_named(
    tmp_path: Path, content: str | None, said: str
) -> None:
    if content is not None:
        (tmp_path / "record.json").write_text(content)
    with pytest.raises(FileFormatError, match=said):
        render(RunFolder(tmp_path))
