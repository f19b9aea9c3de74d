import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from equipoise.audit.preflight.doctor import examine
from equipoise.classifiers import ClassifierPanel, open_panel
from equipoise.classifiers.remote import connect
from equipoise.core.errors import InputError
from equipoise.core.records import write_record
from equipoise.core.settings import Settings
from equipoise.core.synthetic_mark import is_marked
from equipoise.generators.toy import ToyGenerator
from tests.audit.preflight.test_classifier_checks import FAULTS, Faulty
from tests.builders.command_line import Done
from tests.builders.schemas import assert_valid
from tests.builders.services import SECRET, Reply, description, face, serving
from tests.classifiers.local.conftest import save_scripted


def test_all_parts_are_examined_and_timed(
    toy: ToyGenerator, toy_panel: ClassifierPanel, tmp_path: Path
) -> None:
    found = examine(toy, toy_panel, tmp_path / "doctor.png", Settings())
    assert [part.role for part in found.parts] == ["generator", "classifier"]
    write_record(tmp_path / "doctor.json", found)
    assert_valid(tmp_path / "doctor.json", "examination")
    assert found.well
    assert found.calls == 19_028
    assert found.seconds > 16_000 / min(part.images_per_second for part in found.parts)
    with Image.open(found.picture) as picture:
        assert picture.size[0] == 4 * (192 + 4)
    assert is_marked((tmp_path / "doctor.png").read_bytes())


def test_an_issue_is_not_well(toy: ToyGenerator, tmp_path: Path) -> None:
    panel = ClassifierPanel([Faulty(FAULTS["constant"][1])], ["bright"])
    assert not examine(toy, panel, tmp_path / "doctor.png", Settings()).well


def test_answers_that_are_wrong_are_told_and_not_raised(toy: ToyGenerator, tmp_path: Path) -> None:
    panel = ClassifierPanel([Faulty(FAULTS["NaN"][1])], ["bright"])
    found = examine(toy, panel, tmp_path / "doctor.png", Settings(), 64)
    assert [check.outcome for check in found.parts[1].checks].count("issue") == 1
    with pytest.raises(InputError, match="n must be a whole number of at least 16, got 8"):
        examine(toy, panel, tmp_path / "doctor.png", Settings(), 8)


def test_a_service_is_timed_by_what_it_was_asked(
    toy: ToyGenerator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_KEY", SECRET)
    with serving(lambda times, body: Reply(body=face(sum(body) % 2).body, delay=0.02)) as service:
        for kept in (False, True):
            panel = ClassifierPanel(
                [connect(description(service.port), tmp_path / "kept")], ["gender"]
            )
            found = examine(toy, panel, tmp_path / "doctor.png", Settings(), 64)
            assert len(service.asked) == 128
            speed = found.parts[1].images_per_second
            assert np.isnan(speed) if kept else speed < 4 / 0.02
            assert np.isnan(found.seconds) == kept


def test_the_command_reports_every_part(cli: Callable[..., Done], tmp_path: Path) -> None:
    file = save_scripted(tmp_path)
    picture, out = tmp_path / "d.png", tmp_path / "d.json"
    flags = (f"--classifier={file}", f"--out={picture}", f"--json={out}")
    done = cli("doctor", "--generator=toy", *flags)
    assert "licence not known" in done.stdout
    assert "sees 32x32 pixels by the bilinear filter, rgb" in done.stdout
    assert re.search(r"\d\d,\d{3} images: ", done.stdout)
    assert json.loads(out.read_text())["parts"][1]["name"] == "smile"
    assert picture.is_file()


def test_help_has_an_example(cli: Callable[..., Done]) -> None:
    assert "Example:" in cli("doctor", "--help").stdout


def test_a_panel_of_ones_own_classifier(toy: ToyGenerator, tmp_path: Path) -> None:
    file = save_scripted(tmp_path)
    panel = open_panel(["smiling", "skin_tone"], toy, classifiers=[str(file)])
    assert [c.name for c in panel.classifiers] == ["smile", "toy"]
