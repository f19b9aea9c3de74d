"""Classes of a StyleGAN as contexts, against the reference and the drawn classes."""

from pathlib import Path

import numpy as np
import pytest

from equipoise.classifiers import ClassifierPanel
from equipoise.classifiers.models import Models
from equipoise.core.errors import InputError
from equipoise.core.targets import Target
from equipoise.generators import Prompted, open_generator
from equipoise.generators.stylegan.class_contexts import StyleGANClasses
from equipoise.generators.stylegan.file import save_network
from equipoise.generators.stylegan.generator import StyleGAN
from equipoise.generators.stylegan.options import Options
from equipoise.methods.context_draws import draw_contexts
from equipoise.methods.context_proposals import label_variants, request_prompts
from tests.builders.known_network import ColourClassifier
from tests.builders.stylegan2_reference import reference_images, small

NETWORK = small(4, c_dim=3)


def opened(**options: object) -> StyleGANClasses:
    own = Options(**options)
    return StyleGANClasses(StyleGAN(NETWORK, own, name="small"), own.shares(NETWORK.config))


def test_a_context_is_a_class() -> None:
    found = opened(classes=((0, 1.0), (2, 1.0)))
    assert isinstance(found, Prompted)
    assert found.contexts == ("class 0", "class 2")
    codes = found.codes_of(0, 0, 4, 1)
    assert codes.shape == (4, found.dim) == (4, 14)
    one_hot = np.eye(3, dtype=np.float32)[[2] * 4]
    exact = (reference_images(NETWORK, codes[:, :12], one_hot) * 127.5 + 128).clamp(0, 255)
    assert np.abs(found.images(codes) - exact.numpy()).max() < 1.01
    fixed = StyleGAN(NETWORK, Options(classes=((2, 1.0),)), name="small")
    assert np.array_equal(found.images(codes), fixed.images(codes[:, :12]))
    assert np.array_equal(found.stem(codes), fixed.stem(codes[:, :12]))


def test_the_prior_draws_classes_by_their_shares() -> None:
    found = opened(classes=((0, 3.0), (2, 1.0)))
    whole = found.prior.codes(1, 0, 4000)
    assert whole[:, 12].mean() == pytest.approx(0.25, abs=0.03)
    assert found.digest != opened().digest
    assert np.array_equal(found.codes_of(1, 10, 20, 0)[:, :12], whole[10:20, :12])


def test_every_class_of_a_file_is_balanced(tmp_path: Path) -> None:
    save_network(NETWORK, tmp_path / "small.safetensors")
    found = open_generator(f"stylegan2:{tmp_path / 'small.safetensors'}?contexts=classes")
    assert isinstance(found, StyleGANClasses)
    models = Models(found, ClassifierPanel((ColourClassifier(0.5),), ("red", "green")))
    labels = label_variants(models, 300, 0, tmp_path / "labels", "prompt")
    shares = labels.of_prompts()[:, :-1] / 100
    target = Target(models.panel.grid, shares.min(axis=0))
    requests = request_prompts(labels, found.contexts, target, 20, "prompt")
    parts = list(draw_contexts(models, requests))
    places = np.concatenate([p.contexts * target.grid.size + p.labels.cells for p in parts])
    drawn = np.bincount(places, minlength=requests.counts.size)
    assert np.array_equal(drawn, requests.counts.ravel())


@pytest.mark.parametrize(
    ("network", "options", "message"),
    [
        (small(4), Options(), "must be classes of a network .* got one without classes"),
        (NETWORK, Options(space="w"), "must be classes .* got space=w"),
        (NETWORK, Options(classes=((1, 1.0),)), "must be several classes, got class 1 alone"),
    ],
)
def test_what_has_no_contexts_is_named(network: object, options: Options, message: str) -> None:
    with pytest.raises(InputError, match=f"contexts {message}"):
        StyleGANClasses(StyleGAN(network, options, name="small"), options.shares(network.config))
    with pytest.raises(InputError, match="contexts must be classes, got prompts"):
        Options(contexts="prompts")
