"""Gradients through torch networks."""

from pathlib import Path

import numpy as np
import pytest

from equipoise.audit.superres.models.bicubic import reduced
from equipoise.audit.superres.models.pulse import Pulse
from equipoise.generators import Differentiable, open_generator
from tests.builders.gradients import check_gradients
from tests.builders.networks import write_network


@pytest.mark.parametrize("kind", ["torchscript", "torchscript-map"])
def test_pixels_are_the_images_and_have_their_slope(kind: str, tmp_path: Path) -> None:
    check_gradients(open_generator(write_network(kind, tmp_path)), 4)


@pytest.mark.parametrize("kind", ["onnx", "module"])
def test_onnx_and_codes_off_a_sphere_give_none(kind: str, tmp_path: Path) -> None:
    assert not isinstance(open_generator(write_network(kind, tmp_path)), Differentiable)


def test_a_torchscript_network_can_be_searched(tmp_path: Path) -> None:
    write_network("torchscript", tmp_path)
    generator = open_generator(f"torchscript:{tmp_path}/rows.pt")
    images = generator.images(generator.prior.codes(1, 0, 6))
    low = reduced(images, 2)
    pulse = Pulse(generator, 2, 150)
    found = reduced(pulse.restore(low, 0, np.arange(6)), 2)
    start = reduced(generator.images(generator.prior.codes(2, 0, 6)), 2)
    near, far = (np.abs(x - low.astype(float)).mean() for x in (found, start))
    assert near < far / 4
