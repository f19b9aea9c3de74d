from pathlib import Path

import numpy as np
import onnx
import pytest

from equipoise.classifiers import Classifier, open_classifier
from equipoise.classifiers.age_gender import AgeGender
from equipoise.classifiers.expression import Expression
from equipoise.classifiers.toy import ToyClassifier
from equipoise.core.errors import FileFormatError, InputError, ModelOutputError
from equipoise.generators import Generator
from equipoise.generators.toy import ToyGenerator
from equipoise.runtimes.onnx import open_session
from tests.classifiers.local.conftest import save_fer, save_gender


def edited(file: Path, old: str, new: str) -> str:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    return str(file)


def test_torchscript_reads_the_toys_truth(scripted: Path, toy: ToyGenerator) -> None:
    images = toy.images(toy.prior.codes(0, 0, 500))
    found = open_classifier(str(scripted))
    assert isinstance(found, Classifier)
    truth = ToyClassifier(toy, ["smiling"]).predict(images)[0]
    assert np.array_equal(found.predict(images)[0].levels, truth.levels)
    assert set(truth.levels) == {0, 1}


def test_the_pinned_tflite_model_described_answers_as_the_pinned_classifier(
    tmp_path: Path, real: Generator
) -> None:
    images = real.images(real.prior.codes(0, 0, 64))
    found = open_classifier(str(save_fer(tmp_path)))
    for one, other in zip(found.predict(images), Expression().predict(images), strict=True):
        assert np.allclose(one.probabilities, other.probabilities, atol=1e-5)
        assert (one.levels == other.levels).mean() > 0.98
    assert (found.licence, "grey" in found.preprocessing) == ("MIT", True)


def test_the_pinned_onnx_model_described_answers_as_the_pinned_classifier(
    tmp_path: Path, real: Generator
) -> None:
    images = real.images(real.prior.codes(0, 0, 64))
    file = save_gender(tmp_path)
    found = open_classifier(str(file.with_suffix(".onnx"))).predict(images)[0]
    assert np.allclose(
        found.probabilities, AgeGender(["gender"]).predict(images)[0].probabilities, atol=1e-4
    )


def test_an_onnx_model_of_one_image_at_a_time_is_called_for_each(tmp_path: Path) -> None:
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("ReduceMean", ["x"], ["m"], axes=[2, 3], keepdims=0)],
        "means",
        [value("x", onnx.TensorProto.FLOAT, [1, 3, 8, 8])],
        [value("m", onnx.TensorProto.FLOAT, [1, 3])],
    )
    opsets = [onnx.helper.make_opsetid("", 13)]
    onnx.save(
        onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8), tmp_path / "m.onnx"
    )
    (tmp_path / "m.toml").write_text(
        'kind = "onnx"\nfile = "m.onnx"\n[input]\nsize = 8\n[[attribute]]\nname = "hue"\n'
        'levels = ["red", "green", "blue"]\noutput = "m"\nactivation = "softmax"\n'
    )
    images = np.zeros((3, 3, 8, 8), np.uint8)
    images[range(3), range(3)] = 255
    found = open_classifier(str(tmp_path / "m.onnx")).predict(images)[0]
    assert found.levels.tolist() == [0, 1, 2]
    reverse = open_classifier(edited(tmp_path / "m.toml", "size = 8", 'size = 8\nchannels = "bgr"'))
    assert reverse.predict(images)[0].levels.tolist() == [2, 1, 0]
    wrong = open_classifier(edited(tmp_path / "m.toml", '"red", ', '"red", "pink", '))
    with pytest.raises(ModelOutputError, match="must have 4 columns, one for each label, got 3"):
        wrong.predict(images)
    small = open_classifier(edited(tmp_path / "m.toml", "size = 8", "size = 9"))
    with pytest.raises(ModelOutputError, match=r"must take float32 of shape \(3, 3, 9, 9\)"):
        small.predict(images)


def test_labels_of_one_level_add_up_and_unknown_abstains() -> None:
    from equipoise.classifiers.network_io import OutputReading, read_output
    from equipoise.core.attributes import Attribute

    wanted = OutputReading(Attribute("smiling", ("no", "yes")), levels=(0, 1, 1, -1))
    found = read_output(np.array([[0.4, 0.3, 0.3, 0.0], [0.1, 0.1, 0.1, 0.7]]), wanted)
    assert found.levels.tolist() == [1, -1]
    assert np.allclose(found.probabilities, [[0.4, 0.6], [1 / 3, 2 / 3]])


def test_a_model_file_alone_shows_a_description_to_start_from(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"")
    with pytest.raises(InputError, match=r"beside it, x\.toml, got none") as caught:
        open_classifier(str(tmp_path / "x.onnx"))
    start = str(caught.value).partition("\n\n")[2]
    (tmp_path / "x.toml").write_text(start)
    with pytest.raises(FileFormatError, match="must be a whole ONNX model"):
        open_classifier(str(tmp_path / "x.onnx"))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("size = 32", "", r"field input\.size must be a whole number"),
        (
            "size = 32",
            "size = 32\ncolour = 1",
            r"field input\.colour must be a field that is known",
        ),
        ('"torchscript"', '"pickle"', "field kind must be one of onnx, torchscript, tflite"),
        ("scale = 1", "std = [0]", r"field input\.std must be above 0"),
        ("columns = [1]", "columns = [1, 2]", "must be one per label, and one for thresholds"),
        ('"softmax"', '"tanh"', r"field attribute\[1\]\.activation must be one of"),
        ("output = 1", 'output = "logits"', "must be a number, or one of no names, got logits"),
        ('"smile.pt"', '"none.pt"', "must be readable, got No such file"),
    ],
)
def test_bad_fields_are_named(scripted: Path, old: str, new: str, said: str) -> None:
    with pytest.raises((InputError, FileFormatError), match=said):
        open_classifier(edited(scripted, old, new))


@pytest.mark.real
def test_damaged_files_and_pickles_are_refused(scripted: Path, tmp_path: Path) -> None:
    import torch

    torch.save({"weights": torch.zeros(3)}, tmp_path / "smile.pt")
    with pytest.raises(FileFormatError, match="must be a whole TorchScript file"):
        open_classifier(str(scripted))
    save_fer(tmp_path)
    (tmp_path / "fer.tflite").write_bytes(b"no model")
    with pytest.raises(FileFormatError, match="must be a whole TFLite file"):
        open_classifier(str(tmp_path / "fer.tflite"))


def test_the_digest_tells_weights_and_settings(scripted: Path) -> None:
    before = open_classifier(str(scripted)).digest
    assert open_classifier(str(scripted)).digest == before
    assert open_classifier(edited(scripted, "size = 32", "size = 64")).digest != before


def test_weights_in_another_file_are_refused(tmp_path: Path) -> None:
    """The digest would not name them."""
    weights = np.ones((2, 3), np.float32)
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [onnx.helper.make_tensor_value_info("x", 1, ["n", 2])],
        [onnx.helper.make_tensor_value_info("y", 1, ["n", 3])],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    onnx.save_model(
        onnx.helper.make_model(graph),
        tmp_path / "m.onnx",
        save_as_external_data=True,
        location="m.data",
        size_threshold=0,
        convert_attribute=False,
    )
    with pytest.raises(FileFormatError, match=r"m.onnx must contain its weights"):
        open_session(tmp_path / "m.onnx")
