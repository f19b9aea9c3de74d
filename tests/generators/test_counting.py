"""Stems are counted, and nothing else changes."""

import numpy as np

from equipoise.classifiers import ClassifierPanel
from equipoise.classifiers.models import Models
from equipoise.core.targets import Target
from equipoise.generators import Generator
from equipoise.generators.counting import count_stems
from equipoise.generators.toy import ToyGenerator
from equipoise.methods.tilt.fit import TiltFit
from equipoise.samplers.draw import gather_latents
from equipoise.samplers.sampler import GeneratorRef, Sampler
from equipoise.samplers.verified import exact_counts, verified


def test_codes_whose_stem_is_read_are_counted(toy: ToyGenerator) -> None:
    generator, stems = count_stems(toy)
    assert isinstance(generator, Generator)
    assert (generator.digest, generator.dim) == (toy.digest, toy.dim)
    codes = toy.prior.codes(0, 0, 5)
    assert np.array_equal(generator.stem(codes), toy.stem(codes))
    assert np.array_equal(generator.images(codes), toy.images(codes))
    generator.stem(codes[:2])
    assert stems.codes == 7


def test_counted_draws_are_those_of_the_bare_generator_and_look_at_more_than_they_keep(
    toy: ToyGenerator, toy_panel: ClassifierPanel, toy_tilt: TiltFit
) -> None:
    target = Target.uniform(toy_panel.grid)
    sampler = Sampler(
        GeneratorRef.of(toy), target, target.shares, toy_tilt.source, statements=toy_tilt.verified
    )
    counts, models = exact_counts(target, 300), Models(toy, toy_panel)
    generator, stems = count_stems(toy)
    (bare, made), (counted, also) = (
        gather_latents(verified(sampler.bound(one), models, counts, 3)) for one in (toy, generator)
    )
    assert np.array_equal(bare.codes, counted.codes) and made == also
    # A code is read before it is made, and most that are read are refused.
    assert stems.codes > 1.5 * made
