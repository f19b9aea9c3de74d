"""Diffusion models with classes: one class is the context of a generator."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from equipoise.core.errors import InputError
from equipoise.generators import Prompted, open_generator
from tests.builders.command_line import Done
from tests.builders.diffusion import CLASSES, SIDE, save, save_transformer, unet


@pytest.mark.parametrize("guidance", [1, 4])
def test_images_are_those_of_the_official_pipeline(guidance: int, tmp_path: Path) -> None:
    official = save_transformer(tmp_path)
    official.set_progress_bar_config(disable=True)
    generator = open_generator(f"diffusers:{tmp_path}?steps=5&class=3&guidance={guidance}")
    noise = torch.randn(1, 4, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    expected = official(
        [3],
        guidance_scale=guidance,
        generator=torch.Generator().manual_seed(0),
        num_inference_steps=5,
        output_type="np",
    ).images
    images = generator.images(noise.reshape(1, -1).numpy()).transpose(0, 2, 3, 1)
    assert np.abs(images - 255 * expected).max() <= 1
    assert images.std() > 5


def test_class_and_guidance_are_part_of_the_generator(tmp_path: Path) -> None:
    save_transformer(tmp_path)
    flags = ("class=0", "class=1", "class=1&guidance=2")
    opened = [open_generator(f"diffusers:{tmp_path}?steps=5&{flag}") for flag in flags]
    codes = opened[0].prior.codes(0, 0, 2)
    assert len({one.digest for one in opened}) == 3
    assert len({one.images(codes).tobytes() for one in opened}) == 3
    assert opened[0].stem(codes).shape == (2, 4, SIDE, SIDE)


def test_the_older_name_of_the_transformer_is_known(tmp_path: Path) -> None:
    """As in facebook/DiT-XL-2-256, whose settings also have keys of that older class."""
    save_transformer(tmp_path)
    address = f"diffusers:{tmp_path}?steps=2&class=1"
    codes = open_generator(address).prior.codes(0, 0, 1)
    images = open_generator(address).images(codes)
    for name, change in (
        ("model_index.json", {"transformer": ["diffusers", "Transformer2DModel"]}),
        ("transformer/config.json", {"_class_name": "Transformer2DModel", "use_bias": True}),
    ):
        content = json.loads((tmp_path / name).read_text())
        (tmp_path / name).write_text(json.dumps(content | change))
    assert np.array_equal(open_generator(address).images(codes), images)


def test_a_network_of_numbered_classes_is_read(tmp_path: Path) -> None:
    """By the equation of DDIM, with the mean of its two outputs alone."""
    folder = save("ddpm", tmp_path, num_class_embeds=3, out_channels=6)
    generator = open_generator(f"diffusers:{folder}?steps=2&class=2")
    codes = generator.prior.codes(0, 0, 1)
    x = torch.from_numpy(codes.reshape(1, 3, SIDE, SIDE)).double()
    network = unet(num_class_embeds=3, out_channels=6).double().eval()
    kept = np.cumprod(1 - np.linspace(1e-4, 0.02, 100))
    for time, before in ((50, kept[0]), (0, 1.0)):
        with torch.inference_mode():
            out = network(x, torch.tensor(time), class_labels=torch.tensor([2])).sample[:, :3]
        guess = (x - (1 - kept[time]) ** 0.5 * out) / kept[time] ** 0.5
        x = before**0.5 * guess + (1 - before) ** 0.5 * out
    exact = (x / 2 + 0.5).clamp(0, 1) * 255
    assert np.abs(generator.images(codes) - exact.numpy()).max() <= 0.6


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("", rf"class must be 0 to {CLASSES - 1}, a class of the model, got None"),
        ("&class=1000", "class must be 0 to 999, .* got 1000"),
        ("&class=-1", "class must be 0 to 999, a class of the model, got -1"),
        ("&class=1&guidance=0.5", "guidance must be 1 to 100"),
        ("&class=1&guidance=nan", "guidance must be 1 to 100"),
    ],
)
def test_wrong_classes_are_named(flag: str, said: str, tmp_path: Path) -> None:
    save_transformer(tmp_path)
    with pytest.raises(InputError, match=said):
        open_generator(f"diffusers:{tmp_path}?steps=2{flag}")


def test_classes_and_guidance_are_refused_where_there_are_none(tmp_path: Path) -> None:
    folder = save("ddpm", tmp_path)
    with pytest.raises(InputError, match="class must not be given to a model without classes"):
        open_generator(f"diffusers:{folder}?class=0")
    with pytest.raises(InputError, match="guidance must be 1 where"):
        open_generator(f"diffusers:{folder}?guidance=2")


def test_a_context_is_a_class(tmp_path: Path) -> None:
    save_transformer(tmp_path)
    found = open_generator(f"diffusers:{tmp_path}?steps=2&contexts=classes&class=3:1,7:3")
    assert isinstance(found, Prompted)
    assert found.contexts == ("class 3", "class 7")
    whole = found.prior.codes(1, 0, 2000)
    assert whole[:, -2].mean() == pytest.approx(0.75, abs=0.04)
    for context, number in enumerate((3, 7)):
        codes = found.codes_of(0, 0, 3, context)
        fixed = open_generator(f"diffusers:{tmp_path}?steps=2&class={number}")
        assert np.array_equal(found.images(codes), fixed.images(codes[:, :-2]))
        assert np.array_equal(found.stem(codes), fixed.stem(codes[:, :-2]))
    mixed = np.concatenate([found.codes_of(0, 0, 2, 0), found.codes_of(0, 0, 2, 1)])
    apart = [found.images(part) for part in (mixed[:2], mixed[2:])]
    difference = found.images(mixed).astype(int) - np.concatenate(apart)
    assert np.abs(difference).max() <= 1  # Rounding may depend on the batch.
    every = open_generator(f"diffusers:{tmp_path}?steps=2&contexts=classes")
    assert len(every.contexts) == CLASSES
    assert every.digest != found.digest


def test_every_class_is_balanced(tmp_path: Path, cli: Callable[..., Done]) -> None:
    folder = save("ddpm", tmp_path / "model", num_class_embeds=3)
    address = f"diffusers:{folder}?steps=2&contexts=classes"
    target = tmp_path / "target.csv"
    target.write_text(
        "context,cell,share\n*,skin_tone=dark,1\n*,skin_tone=medium,1\n*,skin_tone=light,0\n"
    )
    flags = "--attributes=skin_tone --n=300 --images=12 --proposals=prompt --verified"
    out = tmp_path / "out"
    asked = ["--generator", address, *flags.split(), f"--target={target}", f"--out={out}"]
    done = cli("balance-contexts", *asked)
    assert "prompts  give 6 cells in 3 contexts; faithfulness 1" in done.stdout
    found = json.loads((out / "contexts.json").read_text())
    assert [mix["counts"] for mix in found["mix"]["contexts"]] == [[6, 6, 0]] * 3
    assert found["lighting"]["attribute"] == "skin_tone"
    assert "Is the measured skin tone the lighting?" in (out / "report.html").read_text()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("contexts=prompts", "contexts must be classes, got prompts"),
        ("contexts=classes&class=3", "contexts must be several classes, got class 3 alone"),
        ("class=0:1,3:1", "class must be one number without contexts=classes"),
        ("contexts=classes&class=0:1,1000:1", "must name classes of 0 to 999 once each"),
    ],
)
def test_classes_that_are_no_contexts_are_named(options: str, words: str, tmp_path: Path) -> None:
    save_transformer(tmp_path)
    with pytest.raises(InputError, match=words):
        open_generator(f"diffusers:{tmp_path}?steps=2&{options}")


def test_a_model_without_classes_has_no_contexts(tmp_path: Path) -> None:
    folder = save("ddpm", tmp_path)
    with pytest.raises(InputError, match="contexts must be left out for a model without classes"):
        open_generator(f"diffusers:{folder}?steps=2&contexts=classes")
