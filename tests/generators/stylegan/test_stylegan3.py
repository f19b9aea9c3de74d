import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.core.seeds import normal_rows
from equipoise.generators.stylegan.sizes import StyleGAN3Config as Config
from tests.builders.stylegan2_reference import images_of
from tests.builders.stylegan3_reference import reference_images, small


@pytest.mark.parametrize("kind", ["T", "R"])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"conv_clamp": 2.0},
        {"c_dim": 3},
        {"filter_size": 4, "critical": 1, "margin": 6},
        {"resolution": 64, "channels": (6, 6, 5, 5, 4, 4, 4, 3, 3)},
    ],
)
def test_images_are_those_of_the_papers_layers(kind: str, changes: dict[str, object]) -> None:
    network = small(kind, **changes)
    z = normal_rows(1, 0, 3, 12)
    c = np.eye(3, dtype=np.float32) if network.config.c_dim else None
    expected = reference_images(network, z, c)
    assert np.abs(images_of(network, z, c).numpy() - expected).max() < 1e-4
    assert expected.std() > 0.05


@pytest.mark.parametrize("kind", ["T", "R"])
def test_an_image_does_not_depend_on_its_neighbours(kind: str) -> None:
    network = small(kind)
    z = normal_rows(2, 0, 5, 12)
    together = images_of(network, z).numpy()
    alone = np.concatenate([images_of(network, row[None]).numpy() for row in z])
    assert np.abs(together - alone).max() < 1e-5


def test_layers_are_those_of_the_released_networks() -> None:
    """Names as the authors' code prints them for configuration T at 1024 pixels."""
    widths = (*(512,) * 7, 323, 203, 128, 81, 51, 32, 32, 3)
    bands = Config(1024, widths).bands
    names = [
        f"L{i}_{b.size}_{width}" for i, (b, width) in enumerate(zip(bands, widths, strict=True))
    ]
    assert " ".join(names) == (
        "L0_36_512 L1_36_512 L2_52_512 L3_52_512 L4_84_512 L5_148_512 L6_148_512 L7_276_323 "
        "L8_276_203 L9_532_128 L10_1044_81 L11_1044_51 L12_1044_32 L13_1024_32 L14_1024_3"
    )


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"resolution": 48}, "resolution must be a power of 2"),
        ({"channels": (4, 3)}, "channels must be 4 to 64 widths"),
        ({"channels": (4, 4, 4, 2)}, "channels of the last layer must be 1 .grey., 3 .RGB. or 4"),
        ({"filter_size": 1}, "filter_size"),
        ({"critical": 9}, "critical must be at most"),
        ({"first_cutoff": 0.0}, "first_cutoff must be above 0"),
    ],
)
def test_wrong_sizes_are_named(changes: dict[str, object], named: str) -> None:
    with pytest.raises(InputError, match=named):
        Config(**{"resolution": 32, "channels": (6, 5, 5, 4, 4, 3), **changes})
