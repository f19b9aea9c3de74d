from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from equipoise.audit.classifier import audit_classifier
from equipoise.audit.counterfactuals.folder import CounterfactualFolder, keep_counterfactuals
from equipoise.audit.counterfactuals.search import CounterfactualSearch
from equipoise.audit.images import AuditImages
from equipoise.audit.record import AuditSettings
from equipoise.classifiers import ClassifierPanel
from equipoise.classifiers.models import ModelAddresses, Models
from equipoise.classifiers.toy import ToyClassifier
from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.labels import Labels
from equipoise.core.progress import Execution
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


Find = Callable[..., CounterfactualFolder]


@pytest.fixture(scope="module")
def find(
    toy_sampler: Sampler,
    toy: ToyGenerator,
    toy_panel: ClassifierPanel,
    normals: np.ndarray,
    tmp_path_factory: pytest.TempPathFactory,
) -> Find:
    """Search in a folder of its own; `changes` are of the search."""

    def find(
        n: int,
        folder: Path | None = None,
        execution: Execution = Execution(),
        file: Path | None = None,
        **changes: Any,
    ) -> CounterfactualFolder:
        given: dict[str, Any] = {"models": Models(toy, toy_panel), "normals": normals} | changes
        search = CounterfactualSearch(sampler=toy_sampler, attribute=TONE, n=n, **given)
        home = folder or tmp_path_factory.mktemp("pairs")
        return keep_counterfactuals(home, search, file=file, execution=execution)

    return find


@pytest.fixture(scope="module")
def sweeps(find: Find) -> CounterfactualFolder:
    return find(120)


def test_only_the_varied_attribute_differs_in_truth(
    sweeps: CounterfactualFolder, toy: ToyGenerator
) -> None:
    assert len(sweeps) == 120
    tone, smiling = (toy.grid.attribute(name) for name in (TONE, "smiling"))
    for face in sweeps.codes:
        levels = toy.levels(face)
        assert levels[:, tone].tolist() == [0, 1, 2]
        assert len(set(levels[:, smiling])) == 1


def test_moves_are_the_shortest_and_starts_stay(
    sweeps: CounterfactualFolder, toy_panel: ClassifierPanel, normals: np.ndarray
) -> None:
    start = toy_panel.grid.levels[sweeps.cells, 1]
    assert (sweeps.step_lengths[np.arange(120), start] == 0).all()
    far = sweeps.step_lengths[start == 0]
    assert (far[:, 1] < far[:, 2]).all(), "a dark face is medium before it is light"
    first = sweeps.codes[np.arange(120), start]
    lengths = np.linalg.norm(sweeps.codes - first[:, None], axis=2)
    assert np.allclose(lengths, sweeps.step_lengths, atol=1e-3)


def test_sweeps_do_not_depend_on_workers(sweeps: CounterfactualFolder, find: Find) -> None:
    again = find(120, execution=Execution(1))
    assert np.array_equal(again.codes, sweeps.codes)
    assert again.pictures.digests == sweeps.pictures.digests
    assert np.array_equal(again.tried, sweeps.tried)
    assert again.tried.sum() >= 120


def test_more_sweeps_are_the_first_ones_and_others(
    sweeps: CounterfactualFolder, find: Find
) -> None:
    """A start counts as tried up to the last sweep, so faces found beyond it are no failures."""
    few = find(119)
    assert np.array_equal(few.codes, sweeps.codes[:119])
    assert (few.tried <= sweeps.tried).all()
    one = find(1)
    assert one.tried.sum() - len(one) == one.tried[one.cells[0]] - 1


def test_images_are_those_of_the_codes(sweeps: CounterfactualFolder, toy: ToyGenerator) -> None:
    for face in (0, 77, 119):
        rows = range(3 * face, 3 * face + 3)
        assert np.array_equal(sweeps.pictures.images(rows), toy.images(sweeps.codes[face]))


def test_a_face_that_cannot_be_moved_makes_no_sweep(
    find: Find, toy: ToyGenerator, normals: np.ndarray
) -> None:
    # Across the attribute's own direction nothing changes but what was not to.
    aside = np.linalg.svd(np.concatenate([normals, toy.axes]))[2][-1:]
    found = find(2, normals=aside)
    assert len(found) == 0
    assert found.tried.sum() > 0


def test_bad_input_is_named(
    find: Find, toy_panel: ClassifierPanel, normals: np.ndarray, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"must have shape \(1, 16\)"):
        find(2, normals=normals[:, :5])
    with pytest.raises(FileFormatError, match="must hold conditional normals of 'skin_tone'"):
        read_conditional(tmp_path / "none", toy_panel.grid.attributes[1])


class Counting(ToyGenerator):
    """Counts its images, and stops after some."""

    def __init__(self, most: int = 10**9) -> None:
        super().__init__()
        self.most, self.made = most, 0

    def images(self, codes: np.ndarray) -> np.ndarray:
        self.made += len(codes)
        if self.made > self.most:
            raise KeyboardInterrupt
        return super().images(codes)


def test_kept_sweeps_are_not_searched_again(
    sweeps: CounterfactualFolder, find: Find, toy_panel: ClassifierPanel, tmp_path: Path
) -> None:
    counting = Counting()
    models = Models(counting, toy_panel)
    first = find(120, tmp_path, models=models)
    made = counting.made
    again = find(120, tmp_path, models=models)
    assert counting.made == made > 0
    assert again.pictures.digests == first.pictures.digests == sweeps.pictures.digests
    assert not (tmp_path / "sweeps").exists()
    find(119, tmp_path, models=models)
    assert counting.made > made
    (tmp_path / "sweeps.safetensors").write_bytes(b"cut")
    with pytest.raises(FileFormatError, match=r"counterfactual sets .* must be whole"):
        find(119, tmp_path, models=models)


def test_a_stopped_search_goes_on(
    sweeps: CounterfactualFolder, find: Find, toy_panel: ClassifierPanel, tmp_path: Path
) -> None:
    whole = Counting()
    find(120, models=Models(whole, toy_panel), execution=Execution(1))
    stopped = Counting(whole.made // 2)
    with pytest.raises(KeyboardInterrupt):
        find(120, tmp_path, models=Models(stopped, toy_panel), execution=Execution(1))
    rest = Counting()
    found = find(120, tmp_path, models=Models(rest, toy_panel), execution=Execution(1))
    assert found.pictures.digests == sweeps.pictures.digests
    assert found.calls == sweeps.calls
    assert rest.made < 0.7 * whole.made


class NoEngine:
    """Fails where a worker is asked for."""

    def start(self, task: object) -> Any:
        raise AssertionError("a worker was started")


def test_batches_that_are_done_start_no_worker(
    sweeps: CounterfactualFolder,
    find: Find,
    toy_panel: ClassifierPanel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    addresses = ModelAddresses("toy", ("smiling", TONE), (), 0.0, "cpu", None)
    models = Models(ToyGenerator(), toy_panel, addresses)
    with monkeypatch.context() as stopped, pytest.raises(KeyboardInterrupt):
        stopped.setattr("equipoise.audit.counterfactuals.folder._join", stop)
        find(120, tmp_path, models=models)
    with pytest.raises(InputError, match="the sampler of a search must be opened by address"):
        find(120, tmp_path, Execution(engine=NoEngine()), models=models)
    found = find(
        120, tmp_path, Execution(engine=NoEngine()), models=models, file=tmp_path / "unread"
    )
    assert found.pictures.digests == sweeps.pictures.digests


def stop(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_damaged_batch_is_named(find: Find, toy_panel: ClassifierPanel, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        find(120, tmp_path, models=Models(Counting(600), toy_panel), execution=Execution(1))
    batch = next(iter(sorted(tmp_path.glob("sweeps/*/*.safetensors"))))
    batch.write_bytes(bytes(batch.stat().st_size))
    with pytest.raises(FileFormatError, match=r"batch of counterfactual sets .* must be as it was"):
        find(120, tmp_path, execution=Execution(1))


def test_an_audit_finds_an_answer_that_depends_on_the_varied_attribute(
    sweeps: CounterfactualFolder,
    toy: ToyGenerator,
    toy_panel: ClassifierPanel,
    material: AuditImages,
    folder: Path,
) -> None:
    """A model that takes a fifth of light faces for smiling others; and an exact one."""
    settings = AuditSettings(attribute="smiling", by=("smiling", TONE), reference="label")
    light = [0.0, 0.0, 0.4, 0.0, 0.0, 0.0]
    model = Erring(toy_panel, light)
    found = audit_classifier(model, material, folder, settings, counterfactuals=sweeps)
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
    exact = audit_classifier(
        ToyClassifier(toy), material, folder / "exact", settings, counterfactuals=sweeps
    )
    codes = {c.check_id: c.outcome for c in exact.checks if c.check_id.startswith("counterfactual")}
    assert set(codes.values()) <= {"passed", "tip"}
    assert all(e.difference.value == 0 for e in exact.counterfactuals.effects)  # type: ignore[union-attr]
