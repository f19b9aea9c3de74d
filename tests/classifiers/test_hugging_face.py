import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from equipoise.classifiers import Classifier, open_classifier
from equipoise.classifiers.hugging_face import read_processor
from equipoise.classifiers.network_io import prepare
from equipoise.core.errors import FetchError, FileFormatError, InputError
from equipoise.generators.toy import ToyGenerator

transformers = pytest.importorskip("transformers", reason="transformers is not installed")

PROCESSOR = {
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
    assert "32x32 pixels by the bilinear filter" in found.preprocessing


def test_attribute_and_levels_are_named(tiny: Path) -> None:
    named = open_classifier(f"hf:{tiny}?attribute=smiling&levels=no,yes").attributes[0]
    assert (named.name, named.levels) == ("smiling", ("no", "yes"))
    with pytest.raises(InputError, match="must name 2 levels, for the labels not smiling, smiling"):
        open_classifier(f"hf:{tiny}?levels=a,b,c")
    with pytest.raises(InputError, match="must be one of attribute, levels, revision, got colour"):
        open_classifier(f"hf:{tiny}?colour=red")


def test_pickled_weights_are_refused(tiny: Path, tmp_path: Path) -> None:
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / name).write_bytes((tiny / name).read_bytes())
    network = transformers.ViTForImageClassification.from_pretrained(tiny)
    torch.save(network.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(FetchError, match=r"model\.safetensors"):
        open_classifier(f"hf:{tmp_path}")


def test_a_shortest_edge_and_a_crop_are_the_middle_square() -> None:
    crop = {"size": {"shortest_edge": 40}, "do_center_crop": True, "crop_size": {"height": 35}}
    fed = read_processor(PROCESSOR | crop)
    assert (fed.size, fed.crop) == (35, 35 / 40)


@pytest.mark.parametrize("filter", [2, 3])
@pytest.mark.parametrize("size", [24, 96])
def test_resizing_is_pillows_but_for_its_rounding(
    toy: ToyGenerator, filter: int, size: int
) -> None:
    plain = {"do_rescale": False, "do_normalize": False, "resample": filter}
    fed = read_processor(PROCESSOR | plain | {"size": {"height": size, "width": size}})
    images = toy.images(toy.prior.codes(0, 0, 8))
    ours = prepare(images, fed)
    for image, found in zip(images, ours, strict=True):
        theirs = Image.fromarray(image.transpose(1, 2, 0)).resize((size, size), filter)
        off = np.abs(found.transpose(1, 2, 0) - np.asarray(theirs))
        assert off.max() <= (1.01 if filter == 2 else 1.5)


@pytest.mark.parametrize(
    "change", [{"resample": 1}, {"size": {"height": 32, "width": 48}}, {"image_mean": None}]
)
def test_what_is_not_known_here_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(FileFormatError, match="must have size, resample"):
        read_processor(PROCESSOR | change)
