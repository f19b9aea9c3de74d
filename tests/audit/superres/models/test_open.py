import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from equipoise.audit.superres.models import (
    SuperResolutionModel,
    open_super_resolution_model,
    reduced,
    restore,
)
from equipoise.core.errors import FileFormatError, InputError, ModelOutputError
from equipoise.generators.toy import ToyGenerator
from tests.audit.superres.models.conftest import Smooth
from tests.builders.networks import write_torchscript


class Twice:
    """One's own: each pixel twice."""

    name = "twice"
    digest = hashlib.sha256(b"twice").hexdigest()
    factor = 2
    deterministic = True
    caveats = ()
    pinned = ()

    def restore(self, low: np.ndarray, seed: int, index: np.ndarray) -> np.ndarray:
        return low.repeat(2, axis=2).repeat(2, axis=3)


LOW = np.random.default_rng(0).integers(0, 256, (3, 3, 8, 8)).astype(np.uint8)


class Enlarge(torch.nn.Module):
    def forward(self, low: torch.Tensor) -> torch.Tensor:
        return low.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)


@pytest.fixture
def scripted(tmp_path: Path) -> Path:
    path = tmp_path / "enlarge.pt"
    write_torchscript(Enlarge(), path)
    return path


def test_bicubic_keeps_what_is_smooth() -> None:
    y, x = np.mgrid[0:64, 0:64]
    image = np.stack([x + y, 2 * x, 255 - 3 * y]).astype(np.uint8)[None]
    found = restore(open_super_resolution_model("bicubic", 4), reduced(image, 4), 0, np.arange(1))
    inner = (slice(None), slice(None), slice(12, -12), slice(12, -12))
    assert np.abs(found[inner].astype(int) - image[inner]).max() <= 1


def test_ones_own_is_opened_and_its_factor_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("equipoise.audit.superres.models.Twice", Twice, raising=False)
    model = open_super_resolution_model("equipoise.audit.superres.models:Twice", 2)
    assert isinstance(model, SuperResolutionModel)
    assert restore(model, LOW, 0, np.arange(3)).shape == (3, 3, 16, 16)
    with pytest.raises(InputError, match="must be that of the model, 2, got 4"):
        open_super_resolution_model("equipoise.audit.superres.models:Twice", 4)


def test_an_answer_of_another_size_or_kind_is_refused() -> None:
    model = Twice()
    model.factor = 4
    with pytest.raises(ModelOutputError, match=r"\(3, 3, 32, 32\), got uint8 of .*16, 16"):
        restore(model, LOW, 0, np.arange(3))


def test_torchscript_is_run_and_what_is_none_is_refused(scripted: Path, tmp_path: Path) -> None:
    model = open_super_resolution_model(str(scripted), 2)
    assert np.array_equal(restore(model, LOW, 0, np.arange(3)), Twice().restore(LOW, 0, LOW))
    (tmp_path / "cut.pt").write_bytes(scripted.read_bytes()[:200])
    torch.save({"a": torch.zeros(2)}, tmp_path / "state.pt")
    for name in ("cut.pt", "state.pt", "none.pt", "none.onnx"):
        with pytest.raises(FileFormatError, match=name):
            open_super_resolution_model(str(tmp_path / name), 2)


def test_an_onnx_file_is_run(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    shape = ["n", 3, "h", "w"]
    graph = helper.make_graph(
        [
            helper.make_node(
                "Resize",
                ["x", "", "scales"],
                ["y"],
                mode="nearest",
                coordinate_transformation_mode="asymmetric",
                nearest_mode="floor",
            )
        ],
        "enlarge",
        [helper.make_tensor_value_info("x", 1, shape)],
        [helper.make_tensor_value_info("y", 1, ["n", 3, "H", "W"])],
        [helper.make_tensor("scales", 1, [4], [1.0, 1.0, 2.0, 2.0])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    (tmp_path / "enlarge.onnx").write_bytes(model.SerializeToString())
    found = open_super_resolution_model(str(tmp_path / "enlarge.onnx"), 2)
    assert np.array_equal(restore(found, LOW, 0, np.arange(3)), Twice().restore(LOW, 0, LOW))
    with pytest.raises(ModelOutputError, match="must be uint8 of shape"):
        restore(
            open_super_resolution_model(str(tmp_path / "enlarge.onnx"), 4), LOW, 0, np.arange(3)
        )


def test_what_is_no_model_is_named(toy: ToyGenerator, smooth: Smooth) -> None:
    with pytest.raises(InputError, match=r"bicubic, pulse, module:object.*got magic"):
        open_super_resolution_model("magic", 4)
    with pytest.raises(InputError, match="must be differentiable, for pulse, got none"):
        open_super_resolution_model("pulse", 4)
    with pytest.raises(InputError, match="must be differentiable, for pulse, got toy"):
        open_super_resolution_model("pulse", 4, toy)
    with pytest.raises(InputError, match="without name, digest, factor"):
        open_super_resolution_model("collections:OrderedDict", 4)
    assert (
        open_super_resolution_model("pulse", 4, smooth, steps=7).name == "pulse in smooth, 7 steps"
    )
