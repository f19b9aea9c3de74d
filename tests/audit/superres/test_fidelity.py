import numpy as np
import pytest
import torch

from equipoise.audit.superres.fidelity import BEST_PSNR, diversity, inconsistency, psnr, ssim
from equipoise.audit.superres.models import reduced

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (4, 3, 40, 32)).astype(np.uint8)
NOISY = np.clip(IMAGES + RNG.normal(0, 20, IMAGES.shape), 0, 255).round().astype(np.uint8)


def test_both_are_those_of_a_kept_library() -> None:
    image = pytest.importorskip("torchmetrics.functional.image")
    one, other = (torch.from_numpy(rows).double() for rows in (NOISY, IMAGES))
    _, everywhere = image.structural_similarity_index_measure(
        one, other, data_range=255.0, reduction="none", return_full_image=True
    )
    # Its windows also hang over the edge, over mirrored pixels.
    likeness = everywhere[..., 5:-5, 5:-5].mean(dim=(1, 2, 3))
    ratio = image.peak_signal_noise_ratio(
        one, other, data_range=255.0, reduction="none", dim=(1, 2, 3)
    )
    assert np.allclose(ssim(NOISY, IMAGES), likeness.numpy(), atol=1e-6)
    assert np.allclose(psnr(NOISY, IMAGES), ratio.numpy(), atol=1e-6)


def test_equal_images_have_the_best_values_and_more_noise_worse() -> None:
    assert ssim(IMAGES, IMAGES) == pytest.approx(1)
    assert psnr(IMAGES, IMAGES) == pytest.approx(BEST_PSNR)
    worse = np.clip(IMAGES + RNG.normal(0, 60, IMAGES.shape), 0, 255).round().astype(np.uint8)
    assert (psnr(worse, IMAGES) < psnr(NOISY, IMAGES)).all()
    assert (ssim(worse, IMAGES) < ssim(NOISY, IMAGES)).all()
    assert np.isnan(ssim(IMAGES[..., :10], IMAGES[..., :10])).all()


def test_an_image_agrees_with_what_it_was_reduced_to() -> None:
    assert inconsistency(IMAGES, reduced(IMAGES, 4), 4).tolist() == [0] * 4
    assert (inconsistency(255 - IMAGES, reduced(IMAGES, 4), 4) > 5).all()


def test_diversity_is_the_mean_distance_of_pairs() -> None:
    tries = np.zeros((1, 3, 3, 4, 4), np.uint8)
    tries[0, 1], tries[0, 2] = 10, 40
    assert diversity(tries).tolist() == [(10 + 40 + 30) / 3]
    assert np.isnan(diversity(tries[:, :1])).all()
