from pathlib import Path

import numpy as np
import pytest

from equipoise.audit.classifier import audit_classifier
from equipoise.audit.counterfactuals.folder import keep_counterfactuals
from equipoise.audit.counterfactuals.search import CounterfactualSets, make_counterfactuals
from equipoise.audit.images import AuditImages
from equipoise.audit.record import AuditSettings
from equipoise.classifiers import ClassifierPanel
from equipoise.classifiers.toy import ToyClassifier
from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.labels import Labels
from equipoise.generators.toy import ToyGenerator
from equipoise.methods.shift.directions import fit_directions
from equipoise.methods.shift.hyperplanes import read_conditional, save_directions
from equipoise.samplers.sampler import Sampler
from tests.audit.conftest import Erring

TONE = "skin_tone"


@pytest.fixture(scope="module")
def normals(
    toy: ToyGenerator, toy_labels: Labels, tmp_path_factory: pytest.TempPathFactory
) -> np.ndarray:
    path = tmp_path_factory.mktemp("directions") / "directions.safetensors"
    directions = fit_directions(toy.prior.codes(0, 0, len(toy_labels)), toy_labels)
    save_directions(directions, path)
    read = read_conditional(path, toy_labels.grid.attributes[1])
    assert np.allclose(read, directions.conditional(TONE))
    return read


@pytest.fixture(scope="module")
def ladders(
    toy_sampler: Sampler, toy: ToyGenerator, toy_panel: ClassifierPanel, normals: np.ndarray
) -> CounterfactualSets:
    return make_counterfactuals(toy_sampler, toy, toy_panel, TONE, normals, 120)


def test_only_the_varied_attribute_differs_in_truth(
    ladders: CounterfactualSets, toy: ToyGenerator
) -> None:
    assert len(ladders) == 120
    tone, smiling = (toy.grid.attribute(name) for name in (TONE, "smiling"))
    for face in ladders.codes:
        levels = toy.levels(face)
        assert levels[:, tone].tolist() == [0, 1, 2]
        assert len(set(levels[:, smiling])) == 1


def test_moves_are_the_shortest_and_starts_stay(
    ladders: CounterfactualSets, toy_panel: ClassifierPanel, normals: np.ndarray
) -> None:
    start = toy_panel.grid.levels[ladders.cells, 1]
    assert (ladders.step_lengths[np.arange(120), start] == 0).all()
    far = ladders.step_lengths[start == 0]
    assert (far[:, 1] < far[:, 2]).all(), "a dark face is medium before it is light"
    first = ladders.codes[np.arange(120), start]
    lengths = np.linalg.norm(ladders.codes - first[:, None], axis=2)
    assert np.allclose(lengths, ladders.step_lengths, atol=1e-3)


def test_ladders_do_not_depend_on_workers(
    ladders: CounterfactualSets,
    toy_sampler: Sampler,
    toy: ToyGenerator,
    toy_panel: ClassifierPanel,
    normals: np.ndarray,
) -> None:
    again = make_counterfactuals(toy_sampler, toy, toy_panel, TONE, normals, 120, workers=1)
    assert np.array_equal(again.codes, ladders.codes)
    assert np.array_equal(again.tried, ladders.tried)
    assert again.tried.sum() >= 120


def test_more_ladders_are_the_first_ones_and_others(
    ladders: CounterfactualSets,
    toy_sampler: Sampler,
    toy: ToyGenerator,
    toy_panel: ClassifierPanel,
    normals: np.ndarray,
) -> None:
    """A start counts as tried up to the last ladder, so faces found beyond it are no failures."""
    few = make_counterfactuals(toy_sampler, toy, toy_panel, TONE, normals, 119)
    assert np.array_equal(few.codes, ladders.codes[:119])
    assert (few.tried <= ladders.tried).all()
    one = make_counterfactuals(toy_sampler, toy, toy_panel, TONE, normals, 1)
    assert one.tried.sum() - len(one) == one.tried[one.cells[0]] - 1


def test_a_face_that_cannot_be_moved_makes_no_ladder(
    toy_sampler: Sampler, toy: ToyGenerator, toy_panel: ClassifierPanel, normals: np.ndarray
) -> None:
    # Across the attribute's own direction nothing changes but what was not to.
    aside = np.linalg.svd(np.concatenate([normals, toy.axes]))[2][-1:]
    found = make_counterfactuals(toy_sampler, toy, toy_panel, TONE, aside, 2)
    assert len(found) == 0
    assert found.tried.sum() > 0


def test_bad_input_is_named(
    toy_sampler: Sampler,
    toy: ToyGenerator,
    toy_panel: ClassifierPanel,
    normals: np.ndarray,
    tmp_path: Path,
) -> None:
    with pytest.raises(InputError, match=r"must have shape \(1, 16\)"):
        make_counterfactuals(toy_sampler, toy, toy_panel, TONE, normals[:, :5], 2)
    with pytest.raises(FileFormatError, match="must hold conditional normals of 'skin_tone'"):
        read_conditional(tmp_path / "none", toy_panel.grid.attributes[1])


def test_kept_ladders_are_not_searched_again(ladders: CounterfactualSets, tmp_path: Path) -> None:
    searches: list[int] = []

    def search() -> CounterfactualSets:
        searches.append(1)
        return ladders

    first = keep_counterfactuals(tmp_path / "pairs", "one", search)
    again = keep_counterfactuals(tmp_path / "pairs", "one", search)
    assert len(searches) == 1
    assert again.pictures.digests == first.pictures.digests
    assert np.array_equal(again.pictures.images([4]), ladders.images[1, 1][None])
    keep_counterfactuals(tmp_path / "pairs", "another", search)
    assert len(searches) == 2
    (tmp_path / "pairs" / "ladders.safetensors").write_bytes(b"cut")
    with pytest.raises(FileFormatError, match=r"counterfactual sets .* must be whole"):
        keep_counterfactuals(tmp_path / "pairs", "another", search)


def test_an_audit_finds_an_answer_that_depends_on_the_varied_attribute(
    ladders: CounterfactualSets,
    toy: ToyGenerator,
    toy_panel: ClassifierPanel,
    material: AuditImages,
    folder: Path,
) -> None:
    """A model that takes a fifth of light faces for smiling others; and an exact one."""
    kept = keep_counterfactuals(folder / "pairs", "one", lambda: ladders)
    settings = AuditSettings(attribute="smiling", by=("smiling", TONE), reference="label")
    light = [0.0, 0.0, 0.4, 0.0, 0.0, 0.0]
    model = Erring(toy_panel, light)
    found = audit_classifier(model, material, folder, settings, counterfactuals=kept)
    outcomes = {check.check_id: check.outcome for check in found.checks}
    assert outcomes["counterfactual:skin_tone:dark->light:yes"] == "issue"
    assert outcomes["counterfactual:skin_tone:dark->medium:yes"] != "issue"
    assert found.counterfactuals is not None
    effect = next(e for e in found.counterfactuals.effects if e.after == "light")
    assert effect.to.estimate.low <= 0.4 <= effect.to.estimate.high
    assert effect.away.count == 0
    page = (folder / "audit.html").read_text()
    assert "The same faces with another skin_tone" in page
    assert all((folder / "pictures" / f.picture).is_file() for f in found.counterfactuals.flipped)
    exact = audit_classifier(ToyClassifier(toy), material, folder, settings, counterfactuals=kept)
    codes = {c.check_id: c.outcome for c in exact.checks if c.check_id.startswith("counterfactual")}
    assert set(codes.values()) <= {"passed", "tip"}
    assert all(e.difference.value == 0 for e in exact.counterfactuals.effects)  # type: ignore[union-attr]
