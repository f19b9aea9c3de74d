"""An audit on photographs beside one on generated images; the photographs are toy faces too."""

import csv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from equipoise.audit.answers import predict_cached
from equipoise.audit.classifier import audit_classifier
from equipoise.audit.images import AuditImages
from equipoise.audit.labelled_photographs import read_photographs
from equipoise.audit.photographs.agreement import agreement_checks, agreements
from equipoise.audit.photographs.grid import grid_of
from equipoise.audit.photographs.record import PhotographsAudit, PhotographsSettings
from equipoise.audit.photographs.run import audit_photographs
from equipoise.audit.rates import Breakdown, PredictionsVsReference, break_down
from equipoise.audit.record import AuditSettings, ClassifierAudit
from equipoise.classifiers import ClassifierPanel
from equipoise.classifiers.models import ClassifierAddress
from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.progress import Execution
from equipoise.core.records import read_record, to_json
from equipoise.engines import OnExecutor
from tests.audit.conftest import Erring
from tests.builders.schemas import assert_valid

BY = ("smiling", "skin_tone")
SETTINGS = PhotographsSettings(attribute="smiling", by=BY, side=32)
CHANCES = (0.05, 0.1, 0.2, 0.05, 0.4, 0.1)


@pytest.fixture(scope="module")
def synthetic(
    material: AuditImages, toy_panel: ClassifierPanel, tmp_path_factory: pytest.TempPathFactory
) -> ClassifierAudit:
    settings = AuditSettings(attribute="smiling", by=BY, reference="label")
    folder = tmp_path_factory.mktemp("synthetic")
    return audit_classifier(Erring(toy_panel, CHANCES), material, folder, settings)


@pytest.fixture(scope="module")
def photographs(material: AuditImages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy's faces under other names, some of them twice as large."""
    folder = tmp_path_factory.mktemp("photographs")
    rows = []
    for i, levels in enumerate(material.levels):
        image = Image.fromarray(material.images([i])[0].transpose(1, 2, 0))
        if i % 2:
            image = image.resize((64, 64), Image.Resampling.NEAREST)
        image.save(folder / f"{i}.png")
        words = [a.levels[k] for a, k in zip(material.grid.attributes, levels, strict=True)]
        rows.append((f"{i}.png", *words))
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file_name", *material.grid.names), *rows])
    return folder


def test_the_same_model_on_the_same_faces_agrees(
    synthetic: ClassifierAudit, photographs: Path, toy_panel: ClassifierPanel, tmp_path: Path
) -> None:
    grid = grid_of(synthetic)
    assert grid.names == BY
    images = read_photographs(photographs, photographs / "labels.csv", grid, 32)
    found = audit_photographs(synthetic, Erring(toy_panel, CHANCES), images, tmp_path, SETTINGS)
    stored = read_record(tmp_path / "photographs.json", PhotographsAudit, "")
    assert to_json(stored) == to_json(found)
    assert_valid(tmp_path / "photographs.json", "photographs")
    assert [part.where for part in found.agreements] == ["cells", *BY]
    assert "issue" not in {check.outcome for check in found.checks}
    page = (tmp_path / "photographs.html").read_text()
    assert "wrong on photographs" in page
    assert "wrong on generated" in page
    real = read_record(tmp_path / "real" / "audit.json", ClassifierAudit, "")
    assert "labels that came with the photographs" in real.caveats[0]
    assert not any("synthetic" in caveat for caveat in real.caveats)
    with pytest.raises(InputError, match="must be that of the stored audit, erring"):
        audit_photographs(synthetic, Erring(toy_panel, [0.5] * 6), images, tmp_path, SETTINGS)


def test_a_stopped_audit_goes_on_and_an_engine_needs_the_address_of_the_model(
    synthetic: ClassifierAudit, photographs: Path, toy_panel: ClassifierPanel, tmp_path: Path
) -> None:
    """tests/audit/test_engines.py compares the records."""
    images = read_photographs(photographs, photographs / "labels.csv", grid_of(synthetic), 32)
    model = Erring(toy_panel, CHANCES)

    class Address(ClassifierAddress):
        def open(self) -> Erring:
            return model

    def stop(stage: str, done: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    def audit(execution: Execution, address: Address | None = None) -> None:
        given = (synthetic, model, images, tmp_path, SETTINGS)
        audit_photographs(*given, address=address, execution=execution)

    with ThreadPoolExecutor(1) as executor:
        engine = OnExecutor(executor, 1)
        with pytest.raises(InputError, match="classifier 'erring' must be opened by address"):
            audit(Execution(engine=engine))
        with pytest.raises(KeyboardInterrupt):
            audit(Execution(engine=engine, progress=stop), Address("here"))
    assert model.questions == 64
    audit(Execution())
    assert model.questions == 240


def test_answers_on_one_size_of_photographs_do_not_stand_for_those_on_another(
    synthetic: ClassifierAudit, photographs: Path, toy_panel: ClassifierPanel, tmp_path: Path
) -> None:
    model, labels = Erring(toy_panel, CHANCES), photographs / "labels.csv"
    for side, asked in ((32, 240), (32, 240), (64, 480)):
        images = read_photographs(photographs, labels, grid_of(synthetic), side)
        predict_cached(model, images.pictures, tmp_path)
        assert model.questions == asked


def rates(
    chances: tuple[float, ...], n: int, material: AuditImages, seed: int
) -> tuple[Breakdown, ...]:
    """Return error rates of n simulated answers a cell."""
    levels = np.repeat(material.grid.levels, n, axis=0).astype(np.int8)
    cells = material.grid.cell_of(levels)
    wrong = np.random.default_rng(seed).random(len(cells)) < np.array(chances)[cells]
    truth = levels[:, 0]
    sure = np.ones(len(truth), np.float32)
    answers = np.where(wrong, 1 - truth, truth).astype(np.int8)
    compared = PredictionsVsReference(("no", "yes"), answers, truth, sure)
    return break_down(compared, material.grid, levels)[:1]


def test_a_synthetic_set_that_differs_is_found_and_a_like_one_is_not(
    material: AuditImages,
) -> None:
    found = false = 0
    for seed in range(4):
        ours = rates(CHANCES, 100, material, seed)
        for chances in ((0.05, 0.1, 0.2, 0.05, 0.1, 0.4), CHANCES):
            beside = rates(chances, 100, material, seed + 100)
            outcomes = {
                check.check_id: check.outcome
                for check in agreement_checks(agreements(ours, beside), 0.05)
            }
            if chances == CHANCES:
                false += outcomes["agreement:cells"] == "issue"
                assert outcomes["ranks:cells"] == "passed"
            else:
                found += outcomes["agreement:cells"] == "issue"
    assert (found, false) == (4, 0)


def test_groups_without_photographs_are_counted_and_nothing_is_made_of_them(
    material: AuditImages,
) -> None:
    ours = rates(CHANCES, 60, material, 0)
    few = tuple(Breakdown(where=part.where, groups=part.groups[:2], gaps=()) for part in ours)
    (part,) = agreements(ours, few)
    assert np.isnan([pair.p_value for pair in part.pairs]).sum() == 4
    assert part.correlation.note == "fewer than three groups"
    assert "4 of 6 groups have no photograph" in agreement_checks([part], 0.05)[0].words
    none = tuple(Breakdown(where=part.where, groups=(), gaps=()) for part in ours)
    assert agreement_checks(agreements(ours, none), 0.05)[0].outcome == "skipped"


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("../labels.csv,no,dark", "must lie in the folder"),
        ("0.png,no,dark\n0.png,no,dark", "must name each file once"),
        ("0.png,perhaps,dark", "must be one of no, yes"),
        ("labels.csv,no,dark", "must be a whole, opaque picture"),
    ],
)
def test_bad_rows_are_named(
    synthetic: ClassifierAudit, photographs: Path, tmp_path: Path, row: str, says: str
) -> None:
    table = tmp_path / "labels.csv"
    table.write_text(f"file_name,smiling,skin_tone\n{row}\n")
    with pytest.raises(FileFormatError, match=says):
        read_photographs(photographs, table, grid_of(synthetic))


def test_rows_without_a_label_are_left_out(
    synthetic: ClassifierAudit, photographs: Path, tmp_path: Path
) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("file_name,smiling,skin_tone\n0.png,,dark\n1.png,no,dark\n")
    found = read_photographs(photographs, table, grid_of(synthetic), 48)
    assert found.files == ("1.png",)
    assert found.images([0]).shape == (1, 3, 48, 48)
    table.write_text("file_name,smiling,skin_tone\n0.png,,dark\n")
    with pytest.raises(InputError, match="must name a photograph"):
        read_photographs(photographs, table, grid_of(synthetic))
    with pytest.raises(InputError, match="side must be in"):
        read_photographs(photographs, table, grid_of(synthetic), 0)
