from pathlib import Path

import numpy as np
import pytest
import torch

from equipoise.classifiers import ClassifierPanel
from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.settings import Settings
from equipoise.generators import Differentiable, Generator, open_generator
from equipoise.generators.stylegan.common import OwnNoise, stored
from equipoise.generators.stylegan.file import save_network
from equipoise.generators.stylegan.generator import StyleGAN
from equipoise.generators.stylegan.options import Options
from equipoise.measure.representation import divergence, noise_floor
from equipoise.pipeline import balance
from equipoise.samplers.file import load_sampler
from tests.builders.gradients import check_gradients
from tests.builders.known_network import ColourClassifier, colours, known_network
from tests.builders.stylegan2_reference import reference_images, small

NOISE = torch.zeros(4, 4)


def opened(**options: object) -> StyleGAN:
    return StyleGAN(small(4), Options(**options), name="small")


def of_classes(**options: object) -> StyleGAN:
    return StyleGAN(small(4, c_dim=3), Options(**options), name="small")


def test_every_space_gives_the_same_images_for_the_same_seed() -> None:
    z, w, plus = (opened(space=space, truncation=0.7, cutoff=3) for space in ("z", "w", "w+"))
    codes = [g.prior.codes(5, 100, 140) for g in (z, w, plus)]
    assert [c.shape[1] for c in codes] == [12, 10, 80]
    images = [g.images(c).astype(int) for g, c in zip((z, w, plus), codes, strict=True)]
    assert np.abs(images[0] - images[1]).max() <= 1
    assert np.array_equal(images[1], images[2])
    assert np.allclose(z.stem(codes[0]), codes[1], atol=1e-5)
    assert images[0].std() > 10


def test_styles_of_w_plus_are_fed_the_coarsest_first() -> None:
    plus, network = opened(space="w+"), small(4)
    codes = plus.prior.codes(0, 0, 2)
    codes = codes + np.linspace(0, 1, codes.shape[1], dtype=np.float32)
    with torch.inference_mode():
        ws = torch.from_numpy(codes).reshape(2, 8, 10)
        exact = (network.synthesis(ws, stored) * 127.5 + 128).clamp(0, 255).numpy()
    assert np.abs(plus.images(codes) - exact).max() < 1.01


@pytest.mark.parametrize("space", ["w", "w+"])
def test_mapped_codes_are_named_by_seed_and_index(space: str) -> None:
    a, b = opened(space=space), opened(space=space)
    whole = a.prior.codes(3, 0, 300)
    for low, high in ((0, 1), (127, 129), (250, 300), (299, 300), (5, 5)):
        assert np.array_equal(b.prior.codes(3, low, high), whole[low:high])
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    again = opened(space=space).prior.codes(3, 0, 300)
    torch.set_num_threads(threads)
    assert np.array_equal(again, whole)
    assert a.prior.log_density(whole) is None


def test_truncation_draws_styles_to_the_mean_up_to_the_cutoff() -> None:
    codes = opened(space="w").prior.codes(0, 0, 3)
    network = small(4)
    mean = network.mapping.w_avg.numpy()
    plus = opened(space="w+")
    for cutoff in (None, 0, 3):
        expected = np.repeat(codes[:, None], 8, axis=1)
        expected[:, :cutoff] = mean + 0.4 * (expected[:, :cutoff] - mean)
        found = opened(space="w", truncation=0.4, cutoff=cutoff).images(codes).astype(int)
        exact = plus.images(expected.reshape(3, -1).astype(np.float32))
        assert np.abs(found - exact).max() <= 1


def test_noise_is_stored_or_none() -> None:
    codes = opened().prior.codes(0, 0, 4)
    assert np.array_equal(opened().images(codes), opened().images(codes))
    no_progress = opened(noise="none").images(codes)
    assert not np.array_equal(no_progress, opened().images(codes))
    exact = (reference_images(small(4), codes, noise=False) * 127.5 + 128).clamp(0, 255).numpy()
    assert np.abs(no_progress - exact).max() < 1.01
    with pytest.raises(InputError, match=r"must be one of const, none, random, got pink"):
        opened(noise="pink")


def test_random_noise_is_a_codes_own() -> None:
    random = opened(noise="random")
    codes = random.prior.codes(0, 0, 6)
    whole = random.images(codes)
    parts = [random.images(codes[rows]) for rows in (slice(0, 1), slice(1, 6))]
    assert np.abs(whole.astype(int) - np.concatenate(parts)).max() <= 1
    for row in range(2):
        own, network = OwnNoise(codes[row : row + 1]), small(4)
        for name, stored_noise in network.named_buffers():
            if name.endswith("noise_const"):
                stored_noise.copy_(own(stored_noise)[0, 0])
        exact = StyleGAN(network, Options(), name="small").images(codes[row : row + 1])
        assert np.abs(whole[row].astype(int) - exact[0]).max() <= 1
    assert np.abs(whole.astype(int) - opened().images(codes)).max() > 10
    assert np.array_equal(OwnNoise(np.zeros((1, 3)))(NOISE), OwnNoise(-np.zeros((1, 3)))(NOISE))


def test_noise_of_many_codes_is_standard_normal() -> None:
    own = OwnNoise(opened().prior.codes(0, 0, 400))
    layers = torch.cat([own(NOISE).flatten(1), own(NOISE).flatten(1)], dim=1)
    assert float(layers.mean()) == pytest.approx(0, abs=0.02)
    assert float(layers.std()) == pytest.approx(1, abs=0.02)
    correlations = np.corrcoef(layers.T) - np.eye(layers.shape[1])
    assert np.abs(correlations).max() < 0.25


def test_a_fixed_class_is_no_part_of_the_code() -> None:
    fixed = of_classes(classes=((2, 1.0),))
    codes = fixed.prior.codes(0, 0, 4)
    assert codes.shape == (4, 12)
    one_hot = np.eye(3, dtype=np.float32)[[2, 2, 2, 2]]
    exact = (reference_images(small(4, c_dim=3), codes, one_hot) * 127.5 + 128).clamp(0, 255)
    assert np.abs(fixed.images(codes) - exact.numpy()).max() < 1.01
    assert fixed.prior.log_density(codes) is not None


def test_classes_are_drawn_by_their_shares_and_named_by_seed_and_index() -> None:
    prior = of_classes(classes=((0, 3.0), (2, 1.0))).prior
    whole = prior.codes(1, 0, 4000)
    assert whole[:, 12:].sum(axis=1).tolist() == [1.0] * 4000
    assert whole[:, 12:].mean(axis=0) == pytest.approx([0.75, 0, 0.25], abs=0.03)
    assert np.array_equal(prior.codes(1, 1000, 1100), whole[1000:1100])
    assert of_classes().prior.codes(1, 0, 3000)[:, 12:].mean(axis=0) == pytest.approx(
        [1 / 3] * 3, abs=0.03
    )
    normal = -0.5 * (np.square(whole[:, :12]).sum(axis=1) + 12 * np.log(2 * np.pi))
    shares = np.where(whole[:, 12] == 1, 0.75, 0.25)
    assert np.allclose(prior.log_density(whole), normal + np.log(shares))


def test_a_code_between_classes_is_refused() -> None:
    generator = of_classes()
    codes = generator.prior.codes(0, 0, 3)
    codes[1, 12:] = 0.5
    with pytest.raises(InputError, match=r"a blend of classes in row 1\. Shift and mixture move"):
        generator.images(codes)


def test_the_digest_tells_weights_and_options_apart() -> None:
    variants = [opened(), opened(space="w"), opened(truncation=0.9), opened(noise="none")]
    variants += [StyleGAN(small(5), Options(), name="small"), of_classes()]
    variants += [of_classes(classes=((1, 1.0),))]
    assert len({v.digest for v in variants}) == len(variants)
    assert opened().digest == opened().digest


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("space=x", "space must be one of z, w, w\\+, got x"),
        ("truncation=2", r"truncation must be in \[0, 1\], got 2.0"),
        ("truncation=nan", r"truncation must be in \[0, 1\], got nan"),
        ("truncation=high", "truncation must be a number"),
        ("cutoff=-1", "cutoff must be at least 0"),
        ("cutoff=9", "cutoff must be at most 8"),
        (
            "seed=3",
            "option of a StyleGAN must be one of space, truncation, cutoff, noise, contexts, class",
        ),
        ("class=1", "class must be left out for a network without classes"),
        ("space=w&space=z", "options of the generator must each be given once"),
        ("space", "generator must be family:file"),
    ],
)
def test_wrong_addresses_are_named(query: str, named: str, tmp_path: Path) -> None:
    save_network(small(4), tmp_path / "net.safetensors")
    with pytest.raises(InputError, match=named):
        open_generator(f"stylegan2:{tmp_path / 'net.safetensors'}?{query}")


@pytest.mark.parametrize("classes", [((3, 1.0),), ((0, 1.0), (0, 1.0)), ((0, -1.0),), ()])
def test_wrong_classes_are_named(classes: tuple[tuple[int, float], ...]) -> None:
    with pytest.raises(InputError, match="class must name classes of 0 to 2 once each"):
        of_classes(classes=classes)


def test_a_missing_or_foreign_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="must exist, got no such file"):
        open_generator(f"stylegan2:{tmp_path / 'net.pkl'}")
    for name in ("net.safetensors", "net.pkl", "net.pt"):
        (tmp_path / name).write_bytes(b"something else")
        with pytest.raises(FileFormatError):
            open_generator(f"stylegan2:{tmp_path / name}")


def known(tmp_path: Path, space: str) -> Generator:
    save_network(known_network(), tmp_path / "known.safetensors")
    return open_generator(f"stylegan2:{tmp_path / 'known.safetensors'}?space={space}")


def test_colours_of_the_known_network_are_linear_in_w(tmp_path: Path) -> None:
    generator = known(tmp_path, "w")
    codes = generator.prior.codes(0, 0, 200)
    shown = colours(generator.images(codes))
    inside = np.abs(shown) < 0.99
    assert inside.mean() > 0.5
    assert np.abs(shown - codes[:, :2] / 2)[inside].max() < 0.02


@pytest.mark.parametrize(
    ("space", "method"),
    [("z", "tilt"), ("w", "shift"), ("w+", "shift"), ("w+", "mixture")],
)
def test_balance_meets_its_target(space: str, method: str, tmp_path: Path) -> None:
    """Judged by the network's own colours on fresh draws."""
    generator = known(tmp_path, space)
    sample = colours(generator.images(generator.prior.codes(9, 0, 2000)))
    threshold = float(np.quantile(sample, 0.75))
    settings = Settings(n=4000, measure_n=500, method=method, per_cell=1000, distance=0.6)
    panel = ClassifierPanel((ColourClassifier(threshold),), ("red", "green"))
    done = balance(settings, tmp_path / "run", generator=generator, panel=panel)
    assert done.record.prior.kl > 0.2
    sampler = load_sampler(done.folder / "sampler.safetensors", generator)
    codes = sampler.draw(3000, 77).codes
    levels = (colours(generator.images(codes)) > threshold).astype(int)
    shares = np.bincount(2 * levels[:, 0] + levels[:, 1], minlength=4) / 3000
    limit = 10 if method == "tilt" else 40
    assert divergence(shares, np.full(4, 0.25)) < limit * noise_floor(np.full(4, 0.25), 3000)
    report = (done.folder / "report.html").read_text()
    assert ('<td class="n">not known</td>' in report) == (method == "shift")


@pytest.mark.parametrize("clamp", [None, 0.7])
def test_gradients_lead_through_the_mapping_and_the_synthesis(
    clamp: float | None, tmp_path: Path
) -> None:
    save_network(small(4, conv_clamp=clamp), tmp_path / "net.safetensors")
    uri = f"stylegan2:{tmp_path / 'net.safetensors'}?truncation=0.9"
    check_gradients(open_generator(uri), 3)
    for other in ("space=w", "noise=random"):
        assert not isinstance(open_generator(f"{uri}&{other}"), Differentiable)
