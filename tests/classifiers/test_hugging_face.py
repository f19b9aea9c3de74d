import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from equipoise.classifiers import Classifier, open_classifier
from equipoise.classifiers.hugging_face import read_labels
from equipoise.core.errors import FetchError, FileFormatError, InputError
from equipoise.generators.toy import ToyGenerator

transformers = pytest.importorskip("transformers", reason="transformers is not installed")

PROCESSOR = {
    "image_processor_type": "ViTImageProcessor",
    "do_resize": True,
    "size": {"height": 32, "width": 32},
    "resample": 2,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.5, 0.4, 0.3],
    "image_std": [0.5, 0.6, 0.7],
}


def save_tiny(folder: Path) -> Path:
    """A random ViT of two layers, saved as the library saves it."""
    torch.manual_seed(0)
    config = transformers.ViTConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=32,
        patch_size=8,
        id2label={0: "not smiling", 1: "smiling"},
        label2id={"not smiling": 0, "smiling": 1},
    )
    transformers.ViTForImageClassification(config).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    return folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("hub") / "tiny")


def test_weights_that_are_kept_as_bfloat16_are_read(tiny: Path, tmp_path: Path) -> None:
    network = transformers.ViTForImageClassification.from_pretrained(tiny)
    network.to(torch.bfloat16).save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    found = open_classifier(f"hf:{tmp_path}")
    images = np.random.default_rng(0).integers(0, 256, (4, 3, 32, 32), np.uint8)
    exact = open_classifier(f"hf:{tiny}").predict(images)[0].probabilities
    assert np.allclose(found.predict(images)[0].probabilities, exact, atol=0.02)


def test_it_answers_as_the_library_on_the_librarys_own_input(tiny: Path, toy: ToyGenerator) -> None:
    images = toy.images(toy.prior.codes(0, 0, 32))
    found = open_classifier(f"hf:{tiny}")
    assert isinstance(found, Classifier)
    assert found.attributes[0].levels == ("not_smiling", "smiling")
    network = transformers.ViTForImageClassification.from_pretrained(tiny).eval()
    mean, std = (torch.tensor(PROCESSOR[f"image_{p}"]).view(1, 3, 1, 1) for p in ("mean", "std"))
    with torch.inference_mode():
        pixels = (torch.from_numpy(images).float() / 255 - mean) / std
        expected = network(pixel_values=pixels).logits.softmax(dim=1)
    assert np.allclose(found.predict(images)[0].probabilities, expected, atol=1e-5)
    assert "ViTImageProcessor of transformers: " in found.preprocessing


def test_attribute_and_levels_are_named(tiny: Path) -> None:
    named = open_classifier(f"hf:{tiny}?attribute=smiling&levels=no,yes").attributes[0]
    assert (named.name, named.levels) == ("smiling", ("no", "yes"))
    with pytest.raises(InputError, match="must name 2 levels, for the labels not smiling, smiling"):
        open_classifier(f"hf:{tiny}?levels=a,b,c")
    with pytest.raises(
        InputError, match="must be one of attribute, levels, activation, revision, got colour"
    ):
        open_classifier(f"hf:{tiny}?colour=red")


def test_pickled_weights_are_refused(tiny: Path, tmp_path: Path) -> None:
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / name).write_bytes((tiny / name).read_bytes())
    network = transformers.ViTForImageClassification.from_pretrained(tiny)
    torch.save(network.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(FetchError, match=r"model\.safetensors"):
        open_classifier(f"hf:{tmp_path}")


def save_with(folder: Path, processor: dict[str, object], **config: object) -> str:
    """Save a tiny ViT with an image processor's settings and changes of its configuration."""
    save_tiny(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | config))
    return f"hf:{folder}"


def fed(opened: Classifier, images: np.ndarray) -> np.ndarray:
    """Return what the network of a classifier is given."""
    found = opened._network._prepared(images)["pixel_values"]  # type: ignore[attr-defined]
    return np.asarray(found)


FAMILIES = sorted(
    transformers.models.auto.modeling_auto.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES
)


@pytest.mark.parametrize("family", FAMILIES)
def test_images_are_prepared_as_the_librarys_own_processor_of_each_family(
    family: str, tmp_path: Path
) -> None:
    """Only the class is named, so that every other setting is the processor's own default."""
    names = transformers.models.auto.image_processing_auto.IMAGE_PROCESSOR_MAPPING_NAMES
    kinds = names.get(family) or {}
    kind = kinds.get("pil") if isinstance(kinds, dict) else kinds[0]
    if kind is None or family in ("shieldgemma2", "timm_wrapper", "imagegpt"):
        pytest.skip("no image processor of its own, or no classifier of pixels")
    processor = getattr(transformers, kind)()
    uri = save_with(tmp_path, {"image_processor_type": kind.removesuffix("Pil")})
    images = np.random.default_rng(1).integers(0, 256, (2, 3, 70, 50), np.uint8)
    pictures = [Image.fromarray(image.transpose(1, 2, 0)) for image in images]
    expected = processor(images=pictures, return_tensors="np")["pixel_values"]
    assert np.array_equal(fed(open_classifier(uri), images), expected)


def test_efficientnet_normalises_twice_and_mobilevit_wants_blue_first(tmp_path: Path) -> None:
    images = np.random.default_rng(1).integers(0, 256, (2, 3, 32, 32), np.uint8)
    size = {"height": 32, "width": 32}
    twice = {"image_processor_type": "EfficientNetImageProcessor", "size": size, "rescale_offset":
             False, "image_mean": [0.5] * 3, "image_std": [0.2, 0.4, 0.5]}  # fmt: skip
    found = open_classifier(save_with(tmp_path / "a", twice))
    std = np.array([0.2, 0.4, 0.5]).reshape(1, 3, 1, 1)
    once = (images / 255 - 0.5) / std
    assert np.allclose(fed(found, images), once / std, atol=1e-4)
    assert "EfficientNetImageProcessor of transformers" in found.preprocessing
    assert "include_top True" in found.preprocessing
    plain = {"image_processor_type": "MobileViTImageProcessor", "do_center_crop": False,
             "size": {"shortest_edge": 32}}  # fmt: skip
    found = open_classifier(save_with(tmp_path / "b", plain))
    assert np.allclose(fed(found, images), images[:, ::-1] / 255, atol=1e-6)
    assert "do_flip_channel_order True" in found.preprocessing


@pytest.mark.parametrize("shape", [(40, 40), (40, 60), (97, 31)], ids=["square", "wide", "high"])
def test_pictures_that_are_not_square_are_prepared_too(
    shape: tuple[int, int], tmp_path: Path
) -> None:
    crop = {"size": {"shortest_edge": 36}, "do_center_crop": True,
            "crop_size": {"height": 32, "width": 32}}  # fmt: skip
    images = np.random.default_rng(1).integers(0, 256, (3, 3, *shape), np.uint8)
    found = open_classifier(
        save_with(tmp_path, PROCESSOR | crop | {"image_processor_type": "BitImageProcessor"})
    )
    assert fed(found, images).shape == (3, 3, 32, 32)
    assert found.predict(images)[0].probabilities.shape == (3, 2)


def test_a_processor_that_is_missing_or_unknown_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="Save the image processor beside it"):
        open_classifier(save_with(tmp_path, {"image_processor_type": "NoImageProcessor"}))
    (tmp_path / "preprocessor_config.json").unlink()
    with pytest.raises(FetchError, match="Save the image processor beside it"):
        open_classifier(f"hf:{tmp_path}")


def test_weights_without_a_last_layer_are_refused(tiny: Path, tmp_path: Path) -> None:
    transformers.ViTModel.from_pretrained(tiny).save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    with pytest.raises(FileFormatError, match=r"its last layer as well, got no classifier\.bias"):
        open_classifier(f"hf:{tmp_path}")


def test_each_label_is_an_attribute_where_labels_do_not_exclude_each_other(
    tiny: Path, tmp_path: Path
) -> None:
    named = {"id2label": {"0": "Male", "1": "Wavy Hair"}, "label2id": {"Male": 0, "Wavy Hair": 1}}
    uri = save_with(tmp_path, PROCESSOR, problem_type="multi_label_classification", **named)
    images = np.random.default_rng(0).integers(0, 256, (4, 3, 32, 32), np.uint8)
    network = transformers.ViTForImageClassification.from_pretrained(tmp_path).eval()
    found = open_classifier(uri)
    with torch.inference_mode():
        logits = network(pixel_values=torch.from_numpy(fed(found, images))).logits
    assert [(a.name, a.levels) for a in found.attributes] == [
        ("Male", ("no", "yes")), ("Wavy_Hair", ("no", "yes"))
    ]  # fmt: skip
    for a, prediction in enumerate(found.predict(images)):
        assert np.allclose(prediction.probabilities[:, 1], logits[:, a].sigmoid(), atol=1e-6)
        assert np.array_equal(prediction.levels, (logits[:, a] > 0).numpy())
    named_anew = open_classifier(f"{uri}?attribute=gender,hair&levels=f,m").attributes
    assert [(a.name, a.levels) for a in named_anew] == [
        ("gender", ("f", "m")),
        ("hair", ("f", "m")),
    ]
    assert len(open_classifier(f"{uri}?activation=softmax").attributes) == 1
    assert len(open_classifier(f"hf:{tiny}?activation=sigmoid").attributes) == 2


@pytest.mark.parametrize(
    ("labels", "problem", "options", "error", "words"),
    [
        (["Smiling"], None, {}, FileFormatError, "one number, 'Smiling'.*activation=sigmoid"),
        (["a", "b"], "regression", {}, FileFormatError, "got a regression"),
        (["not sure", "not_sure"], None, {}, FileFormatError,
         "'not sure' and 'not_sure' for 'not_sure'. Name all 2 yourself: `.levels=a,b`"),
        (["a", "::"], None, {}, FileFormatError, "'::' for ''"),
        (["a", "b"], None, {"activation": "tanh"}, InputError, "must be softmax"),
        (["a", "b"], None, {"activation": "sigmoid", "levels": "x"}, InputError, "must name 2"),
        (["a", "b"], None, {"levels": "x,x"}, FileFormatError, "'a' and 'b' for 'x'"),
        (["a", "b"], "multi_label_classification", {"attribute": "x"}, InputError,
         "must name 2 attributes, for the labels a, b"),
    ],
)  # fmt: skip
def test_labels_that_cannot_be_levels_get_a_useful_answer(
    labels: list[str],
    problem: str | None,
    options: dict[str, str],
    error: type[Exception],
    words: str,
) -> None:
    with pytest.raises(error, match=words):
        read_labels("it", labels, problem, options)


def test_one_label_is_yes_or_no_when_its_activation_is_named() -> None:
    (reading,) = read_labels("it", ["Smiling"], None, {"activation": "sigmoid"})
    assert (reading.attribute.name, reading.attribute.levels) == ("Smiling", ("no", "yes"))
