"""Prompts, on a stub of open_clip's interface that knows red from blue."""

import hashlib
import sys
import types

import numpy as np
import pytest
import torch

from equipoise.classifiers import open_classifier
from equipoise.classifiers.clip import clip_classifier, parse_prompts
from equipoise.classifiers.local import NetworkClassifier
from equipoise.core.errors import InputError

COLOURS = ("red", "green", "blue")


class Stub(torch.nn.Module):
    """Pictures and words as the mean colour that they show or name."""

    def __init__(self) -> None:
        super().__init__()
        self.visual = types.SimpleNamespace(
            image_size=(8, 8), image_mean=(0.0,) * 3, image_std=(1.0,) * 3
        )
        self.logit_scale = torch.nn.Parameter(torch.tensor(10.0).log())

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels.mean(dim=(2, 3)) + 1e-3

    def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
        return tokens.float()


def tokenizer(prompts: list[str]) -> torch.Tensor:
    return torch.tensor([[int(colour in text) for colour in COLOURS] for text in prompts])


def stubbed(text: str, *, device: str = "cpu") -> NetworkClassifier:
    return clip_classifier(*parse_prompts(text), Stub(), tokenizer, device=device)


def test_the_nearest_prompt_wins_by_softmax_of_scaled_similarity() -> None:
    images = np.zeros((2, 3, 8, 8), np.uint8)
    images[0, 0] = images[1, 2] = 255
    found = stubbed("hue=warm:a red face|cold:a blue face")
    assert found.attributes[0].levels == ("warm", "cold")
    reading = found.predict(images)[0]
    assert reading.levels.tolist() == [0, 1]
    near, far = (
        torch.tensor([1.001, 1e-3, 1e-3])[i] / np.hypot(1.001, 1e-3 * 2**0.5) for i in (0, 1)
    )
    expected = torch.softmax(10 * torch.tensor([near, far]), 0)
    assert np.allclose(reading.probabilities[0], expected, atol=1e-5)
    assert "'a red face'" in found.caveats[0]


def test_levels_are_the_prompts_unless_all_are_named() -> None:
    attribute, prompts = parse_prompts("smiling=a stern face| a smiling face")
    assert attribute.levels == prompts == ("a stern face", "a smiling face")


def test_the_digest_tells_the_prompts() -> None:
    assert stubbed("hue=a red face|a blue face").digest != stubbed("hue=red|blue").digest


@pytest.mark.parametrize("text", ["smiling", "smiling=one", "=a|b", "smiling=a||b"])
def test_bad_prompts_are_named(text: str) -> None:
    with pytest.raises(InputError, match=r"must be ATTRIBUTE=PROMPT\|PROMPT"):
        parse_prompts(text)


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(InputError, match=r"must have open_clip installed.*\[clip\]"):
        open_classifier("clip:smiling=a stern face|a smiling face")


def test_the_librarys_names_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def create_model(name: str, pretrained: str) -> Stub:
        asked.append((name, pretrained))
        return Stub()

    library = types.ModuleType("open_clip")
    vars(library).update(create_model=create_model, get_tokenizer=lambda name: tokenizer)
    monkeypatch.setitem(sys.modules, "open_clip", library)
    found = open_classifier("clip:hue=a red face|a blue face")
    assert len(found.digest) == len(hashlib.sha256().hexdigest())
    assert asked == [("ViT-B-32-quickgelu", "openai")]
