"""Model files as others export them: each kind of file answers rightly, or says the way out."""

from __future__ import annotations

import io
import warnings
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from equipoise.classifiers import open_classifier
from equipoise.core.errors import EquipoiseError, FileFormatError, InputError, ModelOutputError
from tests.builders.tflite_file import reshape_file

LEVELS = '["dark", "light"]'
IMAGES = np.random.default_rng(0).integers(0, 256, (11, 3, 16, 16), np.uint8)


def described(folder: Path, kind: str, file: str, **changes: str) -> str:
    fields = {"size": "8", "input": "", "levels": LEVELS, "activation": '"none"', "attribute": ""}
    given = fields | changes
    path = folder / "model.toml"
    path.write_text(
        f'kind = "{kind}"\nfile = "{file}"\n[input]\nsize = {given["size"]}\n{given["input"]}\n'
        f'[[attribute]]\nname = "bright"\nlevels = {given["levels"]}\n'
        f"activation = {given['activation']}\n{given['attribute']}\n"
    )
    return str(path)


def probabilities(uri: str, images: np.ndarray = IMAGES) -> np.ndarray:
    return open_classifier(uri).predict(images)[0].probabilities


def save_onnx(
    folder: Path,
    *,
    shape: tuple[Any, ...] = ("n", 3, 8, 8),
    dtype: int = TensorProto.FLOAT,
    zipmap: dict[str, Any] | None = None,
    reshape: tuple[int, ...] = (),
    opset: int = 13,
    ir: int = 8,
) -> None:
    """Save a network of the mean of red and of green, as probabilities of two levels."""
    value = helper.make_tensor_value_info
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["m"], axes=[2, 3], keepdims=0),
        helper.make_node("Slice", ["m", "from", "to", "axis"], ["two"]),
    ]
    constants = [("from", [0]), ("to", [2]), ("axis", [1])]
    if reshape:
        nodes.append(helper.make_node("Reshape", ["two", "sizes"], ["flat"]))
        constants.append(("sizes", list(reshape)))
    last = "flat" if reshape else "two"
    outputs = [value(last, dtype, [shape[0], 2])]
    opsets = [helper.make_opsetid("", opset)]
    if zipmap:
        nodes.append(helper.make_node("ZipMap", [last], ["maps"], domain="ai.onnx.ml", **zipmap))
        opsets.append(helper.make_opsetid("ai.onnx.ml", 1))
        key = TensorProto.STRING if "classlabels_strings" in zipmap else TensorProto.INT64
        element = helper.make_map_type_proto(key, helper.make_tensor_type_proto(dtype, []))
        outputs = [helper.make_value_info("maps", helper.make_sequence_type_proto(element))]
    graph = helper.make_graph(
        nodes,
        "means",
        [value("x", dtype, list(shape))],
        outputs,
        [helper.make_tensor(name, TensorProto.INT64, [len(v)], v) for name, v in constants],
    )
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=ir), folder / "model.onnx")


def truth(columns: tuple[int, int] = (0, 1), side: tuple[int, int] = (8, 8)) -> np.ndarray:
    high, wide = (16 // s for s in side)
    means = IMAGES.reshape(11, 3, side[0], high, side[1], wide).mean(axis=(2, 3, 4, 5)) / 255
    return means[:, list(columns)]


BOX = 'filter = "box"'


@pytest.mark.parametrize(
    "saved",
    [{}, {"shape": (8, 3, 8, 8)}, {"shape": (1, 3, 8, 8)}, {"reshape": (1, 2)},
     {"dtype": TensorProto.FLOAT16}, {"dtype": TensorProto.DOUBLE},
     {"zipmap": {"classlabels_int64s": [0, 1]}},
     {"zipmap": {"classlabels_strings": ["dark", "light"]}, "shape": (4, 3, 8, 8)}],
    ids=str,
)  # fmt: skip
def test_onnx_of_any_batch_type_and_output(saved: dict[str, Any], tmp_path: Path) -> None:
    save_onnx(tmp_path, **saved)
    found = probabilities(described(tmp_path, "onnx", "model.onnx", input=BOX))
    assert np.allclose(found, truth(), atol=2e-3 if saved.get("dtype") else 1e-5)
    assert np.array_equal(found[:3], probabilities(str(tmp_path / "model.toml"), IMAGES[:3]))


def test_named_columns_are_found_by_label_whatever_their_order(tmp_path: Path) -> None:
    save_onnx(tmp_path, zipmap={"classlabels_strings": ["male", "female"]})
    uri = described(tmp_path, "onnx", "model.onnx", input=BOX, levels='["male", "female"]')
    assert np.allclose(probabilities(uri), truth(), atol=1e-5)
    first = open_classifier(uri).digest
    mapped = 'labels = ["female", "male"]\nmap = { female = "light", male = "dark" }'
    uri = described(tmp_path, "onnx", "model.onnx", input=BOX, attribute=mapped)
    assert np.allclose(probabilities(uri), truth(), atol=1e-5)
    mapped = 'labels = ["male", "female"]\nmap = { female = "dark", male = "light" }'
    other = open_classifier(described(tmp_path, "onnx", "model.onnx", input=BOX, attribute=mapped))
    assert np.allclose(other.predict(IMAGES)[0].probabilities, truth((1, 0)), atol=1e-5)
    assert other.digest != first
    uri = described(tmp_path, "onnx", "model.onnx")
    with pytest.raises(ModelOutputError, match=r"must have the columns dark, light, got female, m"):
        probabilities(uri)


def test_inputs_need_not_be_square(tmp_path: Path) -> None:
    save_onnx(tmp_path, shape=("n", 3, 8, 4))
    uri = described(tmp_path, "onnx", "model.onnx", size="[8, 4]", input=BOX)
    assert np.allclose(probabilities(uri), truth(side=(8, 4)), atol=1e-5)
    assert "8x4 pixels" in open_classifier(uri).preprocessing
    cropped = described(tmp_path, "onnx", "model.onnx", size="[8, 4]", input=f"{BOX}\ncrop = 0.5")
    middle = IMAGES[:, :2, 4:12, 6:10].mean(axis=(2, 3)) / 255
    assert np.allclose(probabilities(cropped), middle, atol=1e-5)
    assert "the central rectangle, 0.5 of the largest" in open_classifier(cropped).preprocessing
    square = described(tmp_path, "onnx", "model.onnx")
    with pytest.raises(ModelOutputError, match=r"an input 'x' of shape \['n', 3, 8, 4\]"):
        probabilities(square)
    for size in ("[8]", "[8, 0]", "[8, 4.5]", "[8, true]", '"8"', "5000"):
        with pytest.raises(InputError, match=r"input\.size must be a whole number from 1 to 4096"):
            open_classifier(described(tmp_path, "onnx", "model.onnx", size=size))


@pytest.mark.parametrize(
    ("saved", "words"),
    [({"opset": 99}, r"[Oo]pset 99 .*Update onnxruntime"),
     ({"ir": 99}, r"IR version: 99.*Update onnxruntime")],
)  # fmt: skip
def test_a_newer_onnx_is_called_newer(saved: dict[str, int], words: str, tmp_path: Path) -> None:
    save_onnx(tmp_path, **saved)
    with pytest.raises(FileFormatError, match=words):
        open_classifier(described(tmp_path, "onnx", "model.onnx"))


def test_bytes_and_floats_are_not_mixed_up(tmp_path: Path) -> None:
    save_onnx(tmp_path)
    uri = described(tmp_path, "onnx", "model.onnx", input='dtype = "uint8"')
    with pytest.raises(ModelOutputError, match=r"an input 'x' of type tensor\(float\)"):
        probabilities(uri)
    with pytest.raises(InputError, match=r"input\.dtype must be float32 or uint8.*got int8"):
        open_classifier(described(tmp_path, "onnx", "model.onnx", input='dtype = "int8"'))


def test_a_single_column_says_how_it_is_described(tmp_path: Path) -> None:
    save_torch(tmp_path, One())
    with pytest.raises(ModelOutputError, match=r"probability of 'light', add `columns = \[0\]`"):
        probabilities(described(tmp_path, "torchscript", "model.pt"))
    uri = described(tmp_path, "torchscript", "model.pt", attribute="columns = [0]", input=BOX)
    assert np.allclose(probabilities(uri)[:, 1], IMAGES.mean(axis=(1, 2, 3)) / 255, atol=1e-5)


def test_tflite_is_quantised_by_the_file_and_called_for_what_it_takes(tmp_path: Path) -> None:
    grey = np.repeat(np.random.default_rng(0).integers(0, 256, (5, 1, 2, 1), np.uint8), 3, axis=1)
    flags = {"size": "[2, 1]", "input": 'channels = "grey"\nlayout = "nhwc"'}
    expected = grey[:, 0, :, 0] / 255
    for dtype, scale, zero in [("float32", 0, 0), ("int8", 1 / 255, -128), ("uint8", 1 / 255, 0)]:
        content = reshape_file((1, 2, 1, 1), (1, 2), dtype, scale, zero)
        (tmp_path / "model.tflite").write_bytes(content)
        found = probabilities(described(tmp_path, "tflite", "model.tflite", **flags), grey)
        assert np.allclose(found, expected, atol=1e-3), dtype
    flags["input"] += '\ndtype = "uint8"'
    found = probabilities(described(tmp_path, "tflite", "model.tflite", **flags), grey)
    assert np.allclose(found, expected, atol=1e-3)


class One(torch.nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean(dim=(1, 2, 3)).unsqueeze(1)


class Nested(torch.nn.Module):
    def forward(self, images: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
        return [(images, images.mean(dim=(2, 3))[:, :2])]


class Named(torch.nn.Module):
    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"pixels": images, "logits": images.mean(dim=(2, 3))[:, :2]}


class Half(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(3, 2, bias=False)
        with torch.no_grad():
            self.linear.weight.copy_(torch.eye(2, 3))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.linear(images.mean(dim=(2, 3)))


class OnCuda(torch.nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean(dim=(2, 3)) + torch.zeros([3], device=torch.device("cuda:0"))


def save_torch(folder: Path, network: torch.nn.Module) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.script(network), folder / "model.pt")


@pytest.mark.parametrize(
    ("network", "output"),
    [(Nested(), 1), (Named(), 1), (Half().half(), 0), (Half().double(), 0)],
    ids=["nested", "dict", "half", "double"],
)
def test_torchscript_of_any_output_and_precision(
    network: torch.nn.Module, output: int, tmp_path: Path
) -> None:
    save_torch(tmp_path, network)
    uri = described(tmp_path, "torchscript", "model.pt", input=BOX, attribute=f"output = {output}")
    assert np.allclose(probabilities(uri), truth(), atol=1e-5)


def saved_by_torch(value: object, *, legacy: bool = False) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, _use_new_zipfile_serialization=not legacy)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (saved_by_torch(Half().state_dict()), "a state dict: weights without the network.*trace"),
        (saved_by_torch(Half().state_dict(), legacy=True), "a state dict"),
        (saved_by_torch({"model": Half().state_dict(), "epoch": 3}), "a state dict"),
        (saved_by_torch(Half()), r"a pickled .*Half, whose code is not in the file.*trace"),
        (saved_by_torch(Half(), legacy=True), r"a pickled .*Half, whose code is not in the file"),
        (saved_by_torch(OrderedDict()), "a state dict"),
        (b"<!DOCTYPE html>", "must be a whole TorchScript file"),
        (b"", "must be a whole TorchScript file"),
    ],
    ids=["weights", "old weights", "checkpoint", "module", "old module", "none", "page", "nothing"],
)
def test_what_is_no_torchscript_is_called_by_its_name(
    content: bytes, words: str, tmp_path: Path
) -> None:
    (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(FileFormatError, match=words) as caught:
        open_classifier(described(tmp_path, "torchscript", "model.pt"))
    assert "corrupted" not in str(caught.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="it runs here")
def test_a_device_within_the_file_is_named(tmp_path: Path) -> None:
    save_torch(tmp_path, OnCuda())
    with pytest.raises(EquipoiseError, match=r"it moves tensors to cuda by itself.*on the CPU"):
        probabilities(described(tmp_path, "torchscript", "model.pt"))


def test_a_failing_network_gives_the_cause_in_one_line(tmp_path: Path) -> None:
    save_torch(tmp_path, Half())
    uri = described(tmp_path, "torchscript", "model.pt", input='channels = "grey"')
    with pytest.raises(ModelOutputError, match=r"mat1 and mat2 shapes cannot be multiplied"):
        probabilities(uri)
