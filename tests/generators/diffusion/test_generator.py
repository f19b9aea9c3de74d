"""Diffusion models: denoising is that of the papers, and a code names one image."""

from pathlib import Path

import numpy as np
import pytest
import torch

from equipoise.classifiers import ClassifierPanel
from equipoise.classifiers.base import Prediction
from equipoise.core.attributes import Attribute
from equipoise.core.errors import InputError
from equipoise.core.settings import Settings
from equipoise.generators import Differentiable, open_generator
from equipoise.pipeline import balance
from tests.builders.diffusion import KINDS, SIDE, save, unet


def ddim(network: torch.nn.Module, noise: np.ndarray, steps: int, stop: int) -> np.ndarray:
    """Song et al. 2021, equation 12 with sigma 0, in float64; the guess at x0 after `stop` steps.

    The schedule is that of DDPM (Ho et al. 2020, arXiv 2006.11239, section 4) over 100 steps.
    """
    kept = np.cumprod(1 - np.linspace(1e-4, 0.02, 100))
    network = network.double().eval()
    x = torch.from_numpy(noise.astype(np.float64))
    guess = x
    for time in range(100 - 100 // steps, -1, -100 // steps)[:stop]:
        with torch.inference_mode():
            eps = network(x, torch.tensor(time)).sample
        before = kept[time - 100 // steps] if time >= 100 // steps else 1.0
        guess = (x - (1 - kept[time]) ** 0.5 * eps) / kept[time] ** 0.5
        x = before**0.5 * guess + (1 - before) ** 0.5 * eps
    return (x if stop == steps else guess).numpy()


def test_images_are_those_of_the_papers_equation(tmp_path: Path) -> None:
    folder = save("ddpm", tmp_path)
    generator = open_generator(f"diffusers:{folder}?steps=10&stem=3")
    codes = generator.prior.codes(0, 0, 4)
    noise = codes.reshape(-1, 3, SIDE, SIDE)
    exact = np.clip(ddim(unet(), noise, 10, 10) / 2 + 0.5, 0, 1) * 255
    images = generator.images(codes).astype(float)
    assert np.abs(images - exact).max() <= 0.51
    assert images.std() > 20
    assert np.allclose(generator.stem(codes), ddim(unet(), noise, 10, 3), atol=1e-3)


def test_a_consistency_model_takes_one_step(tmp_path: Path) -> None:
    """Song et al. 2023, appendix C: c_skip x + c_out F(c_in x), with sigma_data 0.5."""
    generator = open_generator(f"diffusers:{save('consistency', tmp_path)}")
    codes = generator.prior.codes(0, 0, 4)
    x = 80.0 * torch.from_numpy(codes.reshape(-1, 3, SIDE, SIDE))
    skip = 0.25 / ((80 - 0.002) ** 2 + 0.25)
    out = (80 - 0.002) * 0.5 / (80**2 + 0.25) ** 0.5
    time = torch.tensor(250 * np.log(80 + 1e-44), dtype=torch.float32)
    with torch.inference_mode():
        answer = unet().eval()(x / (80**2 + 0.25) ** 0.5, time).sample
    exact = ((skip * x + out * answer).clamp(-1, 1) / 2 + 0.5) * 255
    assert np.abs(generator.images(codes) - exact.numpy()).max() <= 0.6
    assert np.array_equal(generator.stem(codes), codes), "it has no cheaper part"
    with pytest.raises(InputError, match="steps must be 1 for a consistency model"):
        open_generator(f"diffusers:{tmp_path}?steps=2")


def test_latents_are_scaled_and_decoded(tmp_path: Path) -> None:
    from tests.builders.diffusion import diffusers

    generator = open_generator(f"diffusers:{save('latent', tmp_path)}?steps=10")
    assert generator.image_shape == (3, 2 * SIDE, 2 * SIDE)
    codes = generator.prior.codes(0, 0, 3)
    latents = ddim(unet(), codes.reshape(-1, 3, SIDE, SIDE), 10, 10)
    decoder = diffusers.VQModel.from_pretrained(tmp_path / "vqvae", low_cpu_mem_usage=False)
    with torch.inference_mode():
        given = torch.from_numpy(latents.astype(np.float32)) / decoder.config.scaling_factor
        exact = (decoder.decode(given).sample / 2 + 0.5).clamp(0, 1) * 255
    # A latent at the border of two entries of the codebook may fall to either.
    assert np.quantile(np.abs(generator.images(codes) - exact.numpy()), 0.95) <= 1


def test_the_stem_of_many_codes_is_made_in_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The latent classifier asks for 2,048 at once: at 256x256 no machine would hold them."""
    generator = open_generator(f"diffusers:{save('ddpm', tmp_path)}?steps=5&stem=2", batch_size=4)
    codes = generator.prior.codes(0, 0, 11)
    alone = np.concatenate([generator.stem(codes[i : i + 1]) for i in range(11)])
    sizes, noise = [], generator._noise
    monkeypatch.setattr(generator, "_noise", lambda rows: sizes.append(len(rows)) or noise(rows))
    assert np.allclose(generator.stem(codes), alone, atol=1e-5)
    assert sizes == [4, 4, 3]
    assert generator.stem(codes[:0]).shape == (0, *alone.shape[1:])


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_lead_through_all_steps(kind: str, tmp_path: Path) -> None:
    steps = "" if kind == "consistency" else "?steps=4"
    generator = open_generator(f"diffusers:{save(kind, tmp_path)}{steps}")
    assert isinstance(generator, Differentiable)
    codes = generator.prior.codes(1, 0, 2)
    rows = torch.from_numpy(codes).requires_grad_()
    pixels = generator.pixels(rows)
    assert np.abs(pixels.detach().numpy() * 255 - generator.images(codes)).max() <= 0.51
    (slope,) = torch.autograd.grad(pixels.sum(), rows)
    assert float(slope.abs().max()) > 0


def test_what_decides_the_images_is_in_the_digest(tmp_path: Path) -> None:
    one = save("ddpm", tmp_path / "one")
    other = save("ddpm", tmp_path / "other", layers_per_block=2)
    digests = [
        open_generator(f"diffusers:{folder}?steps={steps}", batch_size=size).digest
        for folder, steps, size in ((one, 10, 8), (one, 10, 3), (one, 5, 8), (other, 10, 8))
    ]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("steps=0", "steps must be 1 to 1000"),
        ("steps=-1", "steps must be a whole number"),
        (
            "steps=101",
            "steps must be at most 100, those of the model's training, got 101",
        ),
        ("steps=4&stem=4", "stem must be 0 to 3"),
        (
            "eta=1",
            "option of a diffusion model must be one of steps, stem, class, contexts, guidance, "
            "revision, variant, got eta",
        ),
    ],
)
def test_wrong_options_are_named(query: str, named: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=named):
        open_generator(f"diffusers:{save('ddpm', tmp_path)}?{query}")


class Brightness:
    """Whether an image is brighter than a threshold, read exactly."""

    name, digest, caveats, pinned = "brightness", "b" * 64, (), ()
    attributes = (Attribute("bright", ("no", "yes"), True),)

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold

    def predict(self, images: np.ndarray) -> tuple[Prediction, ...]:
        mean = images.mean(axis=(1, 2, 3), dtype=np.float32)
        levels = (mean > self.threshold).astype(np.int8)
        return (Prediction(levels, np.eye(2, dtype=np.float32)[levels], mean),)


def test_balance_meets_its_target(tmp_path: Path) -> None:
    generator = open_generator(f"diffusers:{save('ddpm', tmp_path / 'model')}?steps=3&stem=0")
    sample = generator.images(generator.prior.codes(9, 0, 2000)).mean(axis=(1, 2, 3))
    panel = ClassifierPanel((Brightness(float(np.quantile(sample, 0.9))),), ("bright",))
    settings = Settings(n=2500, measure_n=300)
    done = balance(settings, tmp_path / "run", generator=generator, panel=panel)
    assert done.record.prior.kl > 0.2
    images = generator.images(done.sampler.draw(2000, 77).codes)
    bright = int((panel.predict(images).cells == 1).sum())
    assert abs(bright - 1000) < 4 * 2000**0.5 / 2
