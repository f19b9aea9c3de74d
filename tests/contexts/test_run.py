"""Balanced contexts leave a record, a page, pictures, and a data set that others can load."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from equipoise.contexts.facts import contexts_facts
from equipoise.contexts.page import PICTURE, REPORT
from equipoise.contexts.record import BalancedContexts, ContextOptions
from equipoise.contexts.run import balance_contexts
from equipoise.core.errors import InputError
from equipoise.core.records import read_record, to_json
from equipoise.core.settings import Settings
from equipoise.core.synthetic_mark import count_marked
from tests.builders.command_line import Done
from tests.builders.schemas import assert_valid

SETTINGS = Settings(generator="toy-text", attributes=("smiling", "skin_tone"), n=5600)
CELLS = 6


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, BalancedContexts]:
    home = tmp_path_factory.mktemp("contexts") / "jobs"
    options = ContextOptions(images=12, verified=True, proposals="both")
    return home, balance_contexts(SETTINGS, options, home)


def test_the_record_says_what_every_context_has_and_by_what(
    drawn: tuple[Path, BalancedContexts],
) -> None:
    home, found = drawn
    assert to_json(read_record(home / "contexts.json", BalancedContexts, "")) == to_json(found)
    assert_valid(home / "contexts.json", "balanced-contexts")
    assert found.exact
    assert len(found.proposals) == len(found.mix.contexts) == 40
    for one in found.proposals:
        assert one.requested == (2,) * CELLS
        confusion = [sum(row) for row in one.confusion]
        assert confusion == [20] * CELLS  # Labels are dealt out in turn.
        assert sum(one.own) == 20
        # The prompt is drawn for cells that it gives, and its images are the generator's own.
        own = [count >= 3 for count in one.own[:CELLS]]
        assert list(one.by_prompt) == own
        if any(own):
            assert (one.faithfulness.low, one.faithfulness.high) == (1, 1)
        else:
            assert one.faithfulness.note.startswith("all images come of edits")
    assert {model.role for model in found.models} == {"generator", "classifier"}
    assert found.labels == 5600
    assert found.calls > 1


def test_people_read_a_page_with_pictures_and_a_card(drawn: tuple[Path, BalancedContexts]) -> None:
    home, found = drawn
    page = (home / REPORT).read_text()
    assert "Every context has exactly the images requested of each cell" in page
    assert page.count("a photo of a nurse") >= 2
    assert "What edits give" in page
    assert count_marked([home / PICTURE]) == 1
    with Image.open(home / PICTURE) as sheet:
        assert sheet.width == CELLS * 196
    card = (home / "README.md").read_text()
    head = card.split("---")[1]
    assert 'size_categories: ["n<1K"]' in head
    assert 'data_files: ["metadata.csv", "images/*.png"]' in head
    assert "| a photo of a nurse | 12 | 0.00 | exact | 2 | 2 | 2 | 2 | 2 | 2 |" in card
    assert "weight" not in card
    words = f"1, as classifiers see cells, of {found.by_prompt} images"
    assert words in card and words in page
    assert 0 < found.by_prompt < 480
    about = json.loads((home / "croissant.json").read_text())
    assert "480 synthetic images of 40 contexts" in about["description"]
    columns = {field["name"]: field["dataType"] for field in about["recordSet"][0]["field"]}
    assert columns["context"] == columns["proposal"] == "sc:Text"
    assert columns["calls"] == "sc:Float"


@pytest.mark.filterwarnings("ignore:.*is deprecated:DeprecationWarning")
def test_the_description_is_read_by_its_library(drawn: tuple[Path, BalancedContexts]) -> None:
    library = pytest.importorskip("mlcroissant", reason="not applicable: mlcroissant is missing")
    data = library.Dataset(str(drawn[0] / "croissant.json"))
    rows = list(data.records("images"))
    assert len(rows) == 480
    assert {row["images/proposal"] for row in rows} == {b"prompt", b"edit"}


def test_one_shot_draws_state_what_no_rates_reach(tmp_path: Path) -> None:
    options = ContextOptions(images=6)
    found = balance_contexts(
        Settings(generator="toy-text", attributes=("smiling", "skin_tone"), n=2400),
        options,
        tmp_path / "jobs",
    )
    assert not found.exact
    for one in found.proposals:
        assert sum(share.value for share in one.expected) == pytest.approx(1)
        assert all(share.low <= share.value <= share.high for share in one.expected)
    assert found.far == tuple(sorted(found.far, key=lambda one: -(one.distance or 0)))
    page = (tmp_path / "jobs" / REPORT).read_text()
    assert f"In {len(found.far)} contexts no rates of edits give the target" in page
    assert "not defined: all images come of edits" in page


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (ContextOptions(images=0), "images must be"),
        (ContextOptions(proposals="both"), "proposals must be edits without --verified"),
        (ContextOptions(tolerance=-1.0), r"tolerance must be in \(0, 1\)"),
    ],
)
def test_options_that_cannot_be_met_are_refused(
    options: ContextOptions, words: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=words):
        balance_contexts(SETTINGS, options, tmp_path)


def test_exact_counts_that_do_not_divide_say_how_far_they_are(tmp_path: Path) -> None:
    found = balance_contexts(
        Settings(generator="toy-text", attributes=("smiling", "skin_tone"), n=2400),
        ContextOptions(images=3, verified=True),
        tmp_path,
    )
    assert found.exact
    assert "so few do not divide by the target: shares are off by up to 16.7%" in found.verdict


def test_a_tracker_is_given_numbers_of_contexts_and_of_the_pool(
    drawn: tuple[Path, BalancedContexts],
) -> None:
    home, found = drawn
    facts = contexts_facts(home, found)
    assert facts.numbers["context/a photo of a nurse/deviation_ratio"] == 0
    assert facts.numbers["labels"] == 5600
    assert facts.numbers["faithfulness/low"] == 1
    assert facts.settings["proposals"] == "both"
    names = {path.name for path in (*facts.files, *facts.pictures)}
    assert names == {"contexts.json", "report.html", "README.md", "croissant.json", "contexts.png"}


@pytest.mark.extras("tensorboard")
@pytest.mark.filterwarnings("ignore")  # The libraries warn of each other.
def test_a_logged_run_has_the_plot_of_contexts(cli: Callable[..., Done], tmp_path: Path) -> None:
    flags = "--generator toy-text --attributes smiling,skin_tone --n 480 --images 6"
    done = cli("balance-contexts", *flags.split(), f"--out={tmp_path}", "--log=tensorboard")
    assert "logged   tensorboard" in done.stdout
    assert (tmp_path / "plots" / "contexts.png").is_file()
    assert list((tmp_path / "tensorboard").glob("events.out.tfevents.*"))
