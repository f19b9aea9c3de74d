"""The descriptions under examples/models, on stand-ins of the shapes that they state."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from equipoise.audit.verification.describers import DescriberAddress
from equipoise.audit.verification.descriptors import compute_descriptors
from equipoise.classifiers import ClassifierPanel, open_classifier
from equipoise.core.errors import FetchError, InputError

MODELS = Path(__file__).parents[3] / "examples" / "models"
REDS = np.array([20, 40, 60], np.uint8)


def save_genderage(folder: Path) -> None:
    """A network of InsightFace's shapes: male where red is over 50, and as old as red."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["data"], ["m"], axes=[2, 3], keepdims=0),
            helper.make_node("MatMul", ["m", "w"], ["p"]),
            helper.make_node("Add", ["p", "b"], ["fc1"]),
        ],
        "genderage",
        [value("data", TensorProto.FLOAT, ["None", 3, 96, 96])],
        [value("fc1", TensorProto.FLOAT, [1, 3])],
        [
            helper.make_tensor("w", TensorProto.FLOAT, [3, 3], [0, 0.01, 0.01] + [0] * 6),
            helper.make_tensor("b", TensorProto.FLOAT, [3], [0.5, 0, 0]),
        ],
    )
    opsets = [helper.make_opsetid("", 13)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    onnx.save(model, folder / "genderage.onnx")


def red(value: np.ndarray, side: int) -> np.ndarray:
    images = np.zeros((len(value), 3, side, side), np.uint8)
    images[:, 0] = value[:, None, None]
    return images


def test_insightface_reads_bytes_as_they_are_and_hundreds_of_years(tmp_path: Path) -> None:
    shutil.copy(MODELS / "insightface.toml", tmp_path)
    save_genderage(tmp_path)
    classifier = open_classifier(str(tmp_path / "insightface.toml"))
    gender, age = classifier.predict(red(REDS, 64))
    assert [a.name for a in classifier.attributes] == ["gender", "age"]
    assert gender.levels.tolist() == [0, 0, 1]
    assert age.scores.tolist() == pytest.approx(REDS.tolist(), abs=1e-3)
    assert age.levels.tolist() == [0, 1, 2]
    text = (tmp_path / "insightface.toml").read_text()
    (tmp_path / "insightface.toml").write_text(text.replace("factor = 100", "factor = 10"))
    changed = open_classifier(str(tmp_path / "insightface.toml"))
    assert changed.digest != classifier.digest
    assert changed.predict(red(REDS, 64))[1].scores[0] == pytest.approx(2, abs=1e-3)
    (tmp_path / "insightface.toml").write_text(text.replace("factor = 100", "factor = 0"))
    with pytest.raises(InputError, match="factor"):
        open_classifier(str(tmp_path / "insightface.toml"))


class Tiny(torch.nn.Module):
    """A stand-in for ResNet-34: means of the channels, and a last layer."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = torch.nn.Linear(3, 1000)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.fc(images.mean(dim=(2, 3)))  # type: ignore[no-any-return]


def module_of(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, MODELS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_fairface_is_exported_and_its_eighteen_columns_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = SimpleNamespace(resnet34=Tiny)
    monkeypatch.setitem(sys.modules, "torchvision", SimpleNamespace(models=models))
    monkeypatch.setitem(sys.modules, "torchvision.models", models)
    trained = Tiny()
    trained.fc = torch.nn.Linear(3, 18)
    with torch.no_grad():
        trained.fc.weight.zero_()
        trained.fc.weight[2, 0] = 1  # Latino or Hispanic where red is high
        trained.fc.weight[8, 0] = 1  # female
        trained.fc.weight[15, 0] = 9  # 50 to 59 where red is very high
        trained.fc.bias.zero_()
        trained.fc.bias[14] = 3  # else 40 to 49
    torch.save(trained.state_dict(), tmp_path / "weights.pt")
    shutil.copy(MODELS / "fairface.toml", tmp_path)
    module_of("fairface_export").export(tmp_path / "weights.pt", tmp_path / "fairface.pt")
    classifier = open_classifier(str(tmp_path / "fairface.toml"))
    gender, age, race = classifier.predict(red(np.array([0, 255, 255], np.uint8), 32))
    assert gender.levels.tolist() == [1, 0, 0]
    assert age.levels.tolist() == [1, 2, 2]
    assert race.levels[1:].tolist() == [2, 2]
    # ImageNet's mean and deviation: red of 255 is (1 - 0.485) / 0.229.
    bright = (1 - 0.485) / 0.229
    assert gender.probabilities[1, 0] == pytest.approx(1 / (1 + np.exp(-bright)), abs=1e-5)


class Noise:
    """Pictures without a folder."""

    digests = ("a", "b", "c")

    def images(self, rows: Sequence[int]) -> np.ndarray:
        return np.random.default_rng(0).integers(0, 256, (3, 3, 32, 32), np.uint8)[list(rows)]


def test_facenet_sees_what_it_was_trained_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[torch.Tensor] = []

    class InceptionResnetV1(torch.nn.Module):
        def __init__(self, pretrained: str) -> None:
            super().__init__()
            assert pretrained == "vggface2"

        def forward(self, faces: torch.Tensor) -> torch.Tensor:
            assert not self.training
            seen.append(faces)
            return faces.flatten(1)[:, :512]

    stand_in = SimpleNamespace(InceptionResnetV1=InceptionResnetV1)
    monkeypatch.setitem(sys.modules, "facenet_pytorch", stand_in)
    monkeypatch.syspath_prepend(str(MODELS))
    found = compute_descriptors(DescriberAddress("facenet:embed"), Noise(), tmp_path)
    assert found.vectors.shape == (3, 512)
    assert found.found.all()
    assert seen[0].shape == (3, 3, 160, 160)
    assert -127.5 / 128 <= float(seen[0].min()) < 0 < float(seen[0].max()) <= 127.5 / 128


def save_recognition(folder: Path) -> None:
    """A network of InsightFace's shapes, whose 512 numbers are those of the input's first rows."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["input.1"], ["f"], axis=1),
            helper.make_node("Slice", ["f", "start", "stop", "axis"], ["683"]),
        ],
        "w600k_r50",
        [value("input.1", TensorProto.FLOAT, ["None", 3, 112, 112])],
        [value("683", TensorProto.FLOAT, [1, 512])],
        [
            helper.make_tensor(name, TensorProto.INT64, [1], [number])
            for name, number in (("start", 0), ("stop", 512), ("axis", 1))
        ],
    )
    opsets = [helper.make_opsetid("", 13)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    onnx.save(model, folder / "w600k_r50.onnx")


def test_insightface_describes_pixels_from_minus_one_to_one_and_is_asked_once(
    tmp_path: Path,
) -> None:
    name = "insightface-recognition.toml"
    shutil.copy(MODELS / name, tmp_path)
    save_recognition(tmp_path)
    address = DescriberAddress(str(tmp_path / name))
    images = red(np.array([0, 255], np.uint8), 64)
    assert np.allclose(address.open().describe(images), [[-1] * 512, [1] * 512])
    first = compute_descriptors(address, Noise(), tmp_path / "kept")
    again = compute_descriptors(address, Noise(), tmp_path / "kept")
    assert (first.vectors.shape, first.asked, again.asked, again.kept) == ((3, 512), 3, 0, 3)
    assert np.array_equal(first.vectors, again.vectors)
    assert "whole picture" in first.caveats[0]
    assert "112x112" in first.preprocessing
    assert "non-commercial" in first.licence
    shutil.copy(tmp_path / name, tmp_path / "renamed.toml")
    renamed = DescriberAddress(str(tmp_path / "renamed.toml"))
    assert compute_descriptors(renamed, Noise(), tmp_path / "kept").asked == 0
    text = (tmp_path / name).read_text()
    (tmp_path / name).write_text(text.replace("size = 112", "size = 64"))
    changed = DescriberAddress(str(tmp_path / name)).open()
    assert changed.digest != first.digest
    (tmp_path / name).write_text(text + "output = -1\n")
    with pytest.raises(InputError, match=r"descriptor\.output"):
        address.open()


def test_mivolo_sees_faces_in_its_order_of_colours_and_no_body(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A stand-in whose years are the mean of what it takes for blue."""
    asked: list[dict[str, Any]] = []

    class Hub:
        gender_id2label: ClassVar[dict[int, str]] = {0: "male", 1: "female"}
        dtype = torch.float32

        @classmethod
        def from_pretrained(cls, name: str, **given: Any) -> Hub:
            asked.append({"name": name, **given})
            return cls()

        def eval(self) -> Hub:
            return self

        def __call__(self, **given: Any) -> Any:
            if "images" in given:
                some = [np.zeros((8, 8, 3)) if one is None else one for one in given["images"]]
                return {"pixel_values": torch.tensor(np.stack(some)).permute(0, 3, 1, 2)}
            assert not given["body_input"].any()
            blue = given["faces_input"][:, 0].mean(dim=(1, 2))
            return SimpleNamespace(
                age_output=blue[:, None],
                gender_class_idx=(blue > 40).long(),
                gender_probs=torch.full((len(blue), 1), 0.8),
            )

    names = ("AutoConfig", "AutoImageProcessor", "AutoModelForImageClassification")
    monkeypatch.setitem(sys.modules, "transformers", SimpleNamespace(**dict.fromkeys(names, Hub)))
    monkeypatch.syspath_prepend(str(MODELS))
    images = np.zeros((3, 3, 8, 8), np.uint8)
    images[:, 2] = np.array([20, 30, 60])[:, None, None]
    labels = ClassifierPanel([open_classifier("mivolo:model")], ["gender", "age"]).predict(images)
    assert labels.levels.tolist() == [[1, 0], [1, 1], [0, 2]]
    assert labels.scores[:, 1] == pytest.approx([20, 30, 60])
    assert labels.probabilities[0][:, 1] == pytest.approx([0.8, 0.8, 0.2])
    assert all(one["trust_remote_code"] and one["revision"] == "main" for one in asked)


def test_a_hub_model_of_its_own_code_is_refused(tmp_path: Path) -> None:
    """MiVOLO on the hub names classes in files of its own, which are not run."""
    pytest.importorskip("transformers", reason="transformers is not installed")
    (tmp_path / "config.json").write_text(
        '{"model_type": "mivolo", "id2label": {"0": "a", "1": "b"}, "label2id": {"a": 0, "b": 1},'
        ' "auto_map": {"AutoConfig": "code.C", "AutoModelForImageClassification": "code.M"}}'
    )
    (tmp_path / "code.py").write_text("raise SystemExit('code of a file was run')\n")
    with pytest.raises(FetchError, match=r"contains custom code .* own is not run: ask"):
        open_classifier(f"hf:{tmp_path}")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_scale_of_ten_tones_is_read_in_its_order(tmp_path: Path) -> None:
    """As docs/classifiers.md shows it: column k is likeliest where red is near 25 k."""
    network = Tiny()
    network.fc = torch.nn.Linear(3, 10)
    with torch.no_grad():
        network.fc.weight.zero_()
        steps = torch.arange(10.0) / 10
        network.fc.weight[:, 0] = 2 * steps  # 2 r k - k^2 is largest at k = r
        network.fc.bias.copy_(-(steps**2))
    torch.jit.script(network).save(str(tmp_path / "monk.pt"))
    page = (MODELS.parents[1] / "docs" / "classifiers.md").read_text()
    shown = page.partition("such as Monk's")[2].partition("```toml\n")[2].partition("```")[0]
    head = 'kind = "torchscript"\nfile = "monk.pt"\n[input]\nsize = 8\n'
    (tmp_path / "monk.toml").write_text(head + shown)
    classifier = open_classifier(str(tmp_path / "monk.toml"))
    (attribute,) = classifier.attributes
    (found,) = classifier.predict(red(np.array([0, 77, 230], np.uint8), 16))
    assert (attribute.ordered, len(attribute.levels)) == (True, 10)
    assert [attribute.levels[k] for k in found.levels] == ["1", "4", "10"]
    assert found.scores.tolist() == [0, 3, 9]
