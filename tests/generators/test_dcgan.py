from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from equipoise.core.errors import FileFormatError, InputError
from equipoise.generators import open_generator
from equipoise.generators.dcgan import DCGAN
from equipoise.runtimes import zoo
from equipoise.runtimes.devices import check_device


def small_state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.ConvTranspose2d(6, 8, 4, 1, 0, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.ConvTranspose2d(8, 3, 4, 2, 1, bias=False),
    )
    return network.state_dict()


@pytest.mark.parametrize("prefix", ["", "main.", "module.main."])
@pytest.mark.parametrize("wrapped", [False, True])
def test_reads_the_tutorials_layouts(tmp_path: Path, prefix: str, wrapped: bool) -> None:
    state = {prefix + key: value for key, value in small_state().items()}
    torch.save({"netG_state_dict": state} if wrapped else state, tmp_path / "g.pt")
    generator = DCGAN(tmp_path / "g.pt")
    assert (generator.dim, generator.image_shape, generator.name) == (6, (3, 8, 8), "g")
    assert generator.pinned == ()
    assert generator.stem(generator.prior.codes(0, 0, 2)).shape == (2, 8, 4, 4)


def test_matches_a_plain_forward_pass(tmp_path: Path) -> None:
    state = small_state()
    torch.save(state, tmp_path / "g.pt")
    generator = DCGAN(tmp_path / "g.pt")
    codes = generator.prior.codes(0, 0, 5)
    x = torch.from_numpy(codes.astype(np.float64))[:, :, None, None]
    double = {key: value.double() for key, value in state.items()}
    hidden = torch.nn.functional.conv_transpose2d(x, double["0.weight"])
    hidden = torch.nn.functional.batch_norm(
        hidden,
        double["1.running_mean"],
        double["1.running_var"],
        double["1.weight"],
        double["1.bias"],
    ).relu()
    assert np.allclose(generator.stem(codes), hidden.numpy(), atol=1e-5)
    out = torch.tanh(
        torch.nn.functional.conv_transpose2d(hidden, double["3.weight"], stride=2, padding=1)
    )
    expected = (out.numpy() + 1) * 127.5
    assert np.abs(generator.images(codes) - expected).max() <= 0.5 + 1e-3


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "g.pt"
    torch.save(small_state(), path)
    content = path.read_bytes()
    for cut in (0, 10, len(content) // 2, len(content) - 30):
        path.write_bytes(content[:cut])
        with pytest.raises(FileFormatError, match=r"g\.pt must be a whole (pickle|archive)"):
            DCGAN(path)
    with pytest.raises(FileFormatError, match=r"missing\.pt must be readable, got No such file"):
        DCGAN(tmp_path / "missing.pt")
    torch.save({"netG_state_dict": {"a": 1}}, path)
    with pytest.raises(FileFormatError, match="must hold the layers of a DCGAN generator"):
        DCGAN(path)
    torch.save({"5.weight": torch.zeros(3)}, path)
    with pytest.raises(FileFormatError, match="must have the layers of a DCGAN generator"):
        DCGAN(path)
    state = small_state()
    state["3.weight"][0] = torch.nan
    torch.save(state, path)
    with pytest.raises(FileFormatError, match="must hold finite weights"):
        DCGAN(path)


def test_a_pickle_with_code_is_refused_and_nothing_runs(tmp_path: Path) -> None:
    canary = tmp_path / "canary"

    class Hostile:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (canary,)

    torch.save({"netG_state_dict": Hostile()}, tmp_path / "g.pt")
    with pytest.raises(FileFormatError, match="must hold the layers of a DCGAN generator"):
        DCGAN(tmp_path / "g.pt")
    assert not canary.exists()


def test_a_missing_device_is_named() -> None:
    with pytest.raises(InputError, match="device must be one that this machine has, got warp:9"):
        check_device("warp:9")


def test_the_pinned_generator_knows_its_terms(real: DCGAN) -> None:
    assert real.pinned == ("digiface-dcgan",)
    assert real.digest == zoo.MODELS["digiface-dcgan"].sha256
    assert (real.dim, real.image_shape) == (100, (3, 64, 64))


def example_state(colours: int = 3, counted: bool = True) -> dict[str, torch.Tensor]:
    """`netG_epoch_N.pth` of PyTorch's example for images of 64 pixels, with small widths."""
    torch.manual_seed(1)
    widths = [5, 16, 8, 4, 2]
    layers: list[nn.Module] = []
    for i, (inputs, outputs) in enumerate(pairwise(widths)):
        stride, padding = (1, 0) if i == 0 else (2, 1)
        layers.append(nn.ConvTranspose2d(inputs, outputs, 4, stride, padding, bias=False))
        layers += [nn.BatchNorm2d(outputs), nn.ReLU()]
    layers += [nn.ConvTranspose2d(2, colours, 4, 2, 1, bias=False), nn.Tanh()]
    network = nn.Module()
    network.main = nn.Sequential(*layers)
    state = network.state_dict()
    return {k: v for k, v in state.items() if counted or not k.endswith("num_batches_tracked")}


@pytest.mark.parametrize("archive", [False, True])
@pytest.mark.parametrize("counted", [False, True])
@pytest.mark.parametrize("colours", [1, 3])
def test_the_states_of_pytorchs_example_have_an_address(
    colours: int, counted: bool, archive: bool, tmp_path: Path
) -> None:
    file = tmp_path / "netG_epoch_24.pth"
    state = example_state(colours, counted)
    torch.save(state, file, _use_new_zipfile_serialization=archive)
    generator = open_generator(f"dcgan:{file}")
    assert (generator.dim, generator.image_shape) == (5, (3, 64, 64))
    codes = generator.prior.codes(0, 0, 3)
    x = torch.from_numpy(codes.astype(np.float64))[:, :, None, None]
    double = {name: tensor.double() for name, tensor in state.items()}
    for i in range(5):
        stride, padding = (1, 0) if i == 0 else (2, 1)
        kernel = double[f"main.{3 * i}.weight"]
        x = torch.nn.functional.conv_transpose2d(x, kernel, stride=stride, padding=padding)
        if i < 4:
            named = [double[f"main.{3 * i + 1}.{n}"] for n in ("running_mean", "running_var")]
            named += [double[f"main.{3 * i + 1}.{n}"] for n in ("weight", "bias")]
            x = torch.nn.functional.batch_norm(x, *named).relu()
    pixels = ((torch.tanh(x) + 1) * 127.5).expand(-1, 3, -1, -1).numpy()
    assert np.abs(generator.images(codes) - pixels).max() <= 0.5 + 1e-3


def test_a_dcgan_has_no_options(tmp_path: Path) -> None:
    torch.save(example_state(), tmp_path / "g.pth")
    with pytest.raises(InputError, match="option of a DCGAN must be left out, got space"):
        open_generator(f"dcgan:{tmp_path / 'g.pth'}?space=z")
