import io

import numpy as np
import pytest
from PIL import Image

from equipoise.runtimes.http.image_encoding import FILTERS, Picture
from tests.builders.services import images

IMAGE = images(1)[0]


def decoded(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content))).transpose(2, 0, 1)


def test_png_is_the_image_itself() -> None:
    assert np.array_equal(decoded(Picture().encode(IMAGE)), IMAGE)


@pytest.mark.parametrize("name", FILTERS)
def test_the_longer_side_is_brought_to_size(name: str) -> None:
    assert decoded(Picture(side=32, filter=name).encode(IMAGE[:, :4])).shape == (3, 16, 32)


def test_a_margin_surrounds_the_image() -> None:
    framed = decoded(Picture(margin=0.5).encode(IMAGE))
    assert framed.shape == (3, 16, 16)
    assert np.array_equal(framed[:, 4:12, 4:12], IMAGE)
    assert (framed[:, :4] == 128).all()


def test_jpeg_is_near_the_image() -> None:
    grey = np.full((3, 16, 16), 90, np.uint8)
    content = Picture("jpeg").encode(grey)
    assert content.startswith(b"\xff\xd8")
    assert np.abs(decoded(content).astype(int) - 90).max() <= 2
