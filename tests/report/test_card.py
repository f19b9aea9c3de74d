import json
from pathlib import Path

import pytest

from equipoise.core.errors import FileFormatError
from equipoise.core.estimates import Estimate
from equipoise.core.records import read_record
from equipoise.core.settings import Settings
from equipoise.measure.correction import CorrectedShare, Correction
from equipoise.measure.people.judgement import AnnotationResult
from equipoise.measure.quality import CellQuality, Quality
from equipoise.pipeline import balance
from equipoise.report.card import Card, make_card, to_markdown, write_card
from equipoise.runs.folder import RunFolder
from equipoise.runs.record import Later
from equipoise.stats.shares import Share


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("card")
    settings = Settings(
        generator="toy",
        attributes=("smiling",),
        method="shift",
        n=600,
        per_cell=200,
        measure_n=300,
        components=1,
    )
    balance(settings, folder)
    return RunFolder(folder)


def test_a_run_brings_its_card_and_it_is_made_again_alike(run: RunFolder) -> None:
    names = ("card.json", "card.md")
    before = [(run.path / name).read_bytes() for name in names]
    for name in names:
        (run.path / name).unlink()
    assert write_card(run) == run.path / "card.md"
    assert [(run.path / name).read_bytes() for name in names] == before


def test_it_tells_the_mix_with_intervals_verdict_and_provenance(run: RunFolder) -> None:
    card = read_record(run.path / "card.json", Card, "")
    text = (run.path / "card.md").read_text()
    assert card.after.verdict.words in text
    for share in card.after.cells:
        low, high = share.joint
        assert f"{share.share:.1%} ({low:.1%} to {high:.1%})" in text
    assert card.generator.digest[:12] in text
    assert card.settings.n == 600
    assert card.classifiers[0].known_errors is None
    assert "none measured" in text
    assert card.corrected is None
    assert "not corrected" in text


def test_it_tells_what_was_corrected_and_the_quality(run: RunFolder) -> None:
    estimate = Estimate(0.5, 0.25, 0.75)
    row = CellQuality(
        name="smiling=no", n=60, n_reference=70, distinguished=estimate,
        frechet=estimate, frechet_extrapolated=estimate,
        kernel=estimate, precision=estimate, recall=estimate, density=estimate, coverage=estimate,
        coverage_expected=0.5, similarity=estimate, similarity_reference=estimate, drift=(),
        scores=(),
    )  # fmt: skip
    quality = Quality(
        features="age", digest="ab" * 32, about="", reference="images", unknown=0,
        unknown_reference=0, pooled=row, cells=(row,),
    )  # fmt: skip
    raw = Share.of("smiling=no", 120, 300)
    share = CorrectedShare(name="smiling=no", raw=raw, estimate=Estimate(0.45, 0.3, 0.6))
    cells = Correction(
        status="corrected", reason="", given="answer", n=300, judged=80, shares=(share,),
        condition=None,
    )  # fmt: skip
    people = AnnotationResult(agreement=(), errors=(), corrections=(cells,))
    card = make_card(run.read_record(), Later(quality=quality, annotation=people))
    text = to_markdown(card)
    assert "| smiling=no | 40.0% | 45.0% (30.0% to 60.0%) |" in text
    assert "| smiling=no | 60, 70 | 0.5 (0.25 to 0.75) |" in text
    assert "80 of 300 images (corrected)" in text
    assert "not corrected" not in text


def test_damaged_figures_are_named(run: RunFolder, tmp_path: Path) -> None:
    record = json.loads((run.path / "record.json").read_text())
    del record["results"]
    (tmp_path / "record.json").write_text(json.dumps(record))
    with pytest.raises(FileFormatError, match=r"field results of record .* must be there"):
        write_card(RunFolder(tmp_path))
    (tmp_path / "record.json").write_text(json.dumps({**record, "results": []}))
    with pytest.raises(
        FileFormatError, match=r"results must be one or more, of \d+ cells, got \[\]"
    ):
        write_card(RunFolder(tmp_path))
    with pytest.raises(FileFormatError, match="must be readable JSON"):
        write_card(RunFolder(tmp_path / "none"))


def test_a_name_cannot_break_the_table(run: RunFolder, tmp_path: Path) -> None:
    record = json.loads((run.path / "record.json").read_text())
    record["results"][0]["representation"]["cells"][0]["name"] = "a|b\nc"
    (tmp_path / "record.json").write_text(json.dumps(record))
    write_card(RunFolder(tmp_path))
    assert "| a\\|b c |" in (tmp_path / "card.md").read_text()
