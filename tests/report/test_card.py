import json
from pathlib import Path

import pytest

from equipoise.core.errors import FileFormatError
from equipoise.core.settings import Settings
from equipoise.pipeline import balance
from equipoise.report.card import make_card, to_markdown, write_card
from equipoise.runs.folder import RunFolder


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
    card = json.loads((run.path / "card.json").read_text())
    text = (run.path / "card.md").read_text()
    assert card["after"]["verdict"]["words"] in text
    for share in card["after"]["cells"]:
        low, high = share["joint"]
        assert f"{share['share']:.1%} ({low:.1%} to {high:.1%})" in text
    assert card["generator"]["digest"][:12] in text
    assert card["settings"]["n"] == 600
    assert card["classifiers"][0]["known_errors"] is None
    assert "none measured" in text
    assert card["corrected"] is None
    assert "not corrected" in text


def test_it_tells_what_was_corrected_and_the_quality(run: RunFolder) -> None:
    record, estimate = run.read_record(), {"value": 0.5, "low": 0.25, "high": 0.75, "note": ""}
    named = {"name": "smiling=no", "n": 60, "n_reference": 70}
    measures = ("frechet_extrapolated", "kernel", "precision", "recall", "similarity")
    row = {**named, **dict.fromkeys((*measures, "similarity_reference"), estimate)}
    quality = {
        "features": "age",
        "digest": "ab" * 32,
        "reference": "images",
        "pooled": row,
        "cells": [row],
    }
    share = {"name": "smiling=no", "raw": {"share": 0.4}, "share": 0.45, "low": 0.3, "high": 0.6}
    cells = {"status": "corrected", "reason": "", "n": 300, "judged": 80, "shares": [share]}
    card = make_card(
        record, {"quality": quality, "corrected": {"errors": [], "corrections": [cells]}}
    )
    text = to_markdown(card)
    assert "| smiling=no | 40.0% | 45.0% (30.0% to 60.0%) |" in text
    assert "| smiling=no | 60, 70 | 0.5 (0.25 to 0.75) |" in text
    assert "80 of 300 images (corrected)" in text
    assert "not corrected" not in text


def test_the_schema_in_the_docs_names_every_field(run: RunFolder) -> None:
    docs = (Path(__file__).parents[2] / "docs" / "card.md").read_text()
    card = make_card(run.read_record(), run.read_later())
    for name in (*card, *card["after"], *card["after"]["verdict"]):
        assert f"`{name}`" in docs, name


def test_damaged_figures_are_named(run: RunFolder, tmp_path: Path) -> None:
    record = run.read_record()
    del record["results"]
    (tmp_path / "record.json").write_text(json.dumps(record))
    with pytest.raises(FileFormatError, match=r"must have the layout of docs/record\.md"):
        write_card(RunFolder(tmp_path))
    with pytest.raises(FileFormatError, match="must be readable JSON"):
        write_card(RunFolder(tmp_path / "none"))


def test_a_name_cannot_break_the_table(run: RunFolder, tmp_path: Path) -> None:
    record = run.read_record()
    record["results"][0]["representation"]["cells"][0]["name"] = "a|b\nc"
    (tmp_path / "record.json").write_text(json.dumps(record))
    write_card(RunFolder(tmp_path))
    assert "| a\\|b c |" in (tmp_path / "card.md").read_text()
