"""Embeddings are computed once, and the oldest are let go where they take too much memory."""

import pytest
import torch

from equipoise.generators.diffusion import text_embeddings
from equipoise.generators.diffusion.text_embeddings import Embeddings


class Fake:
    """A pipeline whose embedding is the length of the prompt."""

    device = "cpu"

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def __call__(self, complex_human_instruction: str = "think") -> None:
        raise AssertionError

    def encode_prompt(
        self, prompt: str, negative_prompt: str = "", complex_human_instruction: str = ""
    ) -> tuple[torch.Tensor, None]:
        assert complex_human_instruction == "think"
        self.asked.append((prompt, negative_prompt))
        return torch.full((1, 4), float(len(prompt))), None


def test_each_prompt_is_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake()
    texts = [["a", "aa"], ["bbb", "bbbb"]]
    found = Embeddings(fake, ("prompt_embeds", "other"), texts, ["dull", None], guided=True)
    for context, variant, length in ((0, 0, 1), (1, 1, 4), (0, 0, 1), (1, 1, 4)):
        assert found.of(context, variant)["prompt_embeds"].tolist() == [[length] * 4]
    assert fake.asked == [("a", "dull"), ("bbbb", "")]
    assert found.of(0, 1).keys() == {"prompt_embeds"}
    monkeypatch.setattr(text_embeddings, "_CACHED", 32)  # Two embeddings.
    found.of(1, 1)
    found.of(1, 0)
    assert len(fake.asked) == 4
    found.of(0, 0)
    found.of(1, 0)
    assert fake.asked[4:] == [("a", "dull")]
