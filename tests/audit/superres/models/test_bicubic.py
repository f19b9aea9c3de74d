import numpy as np
import pytest
from PIL import Image

from equipoise.audit.superres.models import reduced
from equipoise.core.errors import InputError


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_it_reduces_as_pillow_does(factor: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (3, 64, 64)).astype(np.uint8)
    side = 64 // factor
    wanted = Image.fromarray(image.transpose(1, 2, 0)).resize(
        (side, side), Image.Resampling.BICUBIC
    )
    apart = reduced(image[None], factor)[0].astype(int) - np.asarray(wanted).transpose(2, 0, 1)
    assert np.abs(apart).max() <= 1


@pytest.mark.parametrize(("factor", "said"), [(1, "at least 2, got 1"), (5, "divide .* got 5")])
def test_a_factor_that_does_not_fit_is_named(factor: int, said: str) -> None:
    with pytest.raises(InputError, match=said):
        reduced(np.zeros((1, 3, 64, 64), np.uint8), factor)
