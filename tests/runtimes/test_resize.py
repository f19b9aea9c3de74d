import numpy as np
import torch

from equipoise.runtimes.resize import resize


def test_shrinking_by_a_whole_factor_is_the_mean_of_the_area() -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 3, 64, 64)).astype(np.uint8)
    expected = images.reshape(4, 3, 32, 2, 32, 2).astype(np.float64).mean(axis=(3, 5))
    assert np.allclose(resize(images, 32).numpy(), expected, atol=1e-3)


def test_flat_pictures_stay_flat_at_any_size() -> None:
    for size in (16, 48, 64, 100):
        out = resize(np.full((1, 3, 64, 64), 77, np.uint8), size)
        assert out.shape == (1, 3, size, size)
        assert torch.allclose(out, torch.tensor(77.0))
