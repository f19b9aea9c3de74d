"""Networks in files: three exports of one network agree, and what is wrong is named."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from equipoise.core.errors import FileFormatError, InputError, ModelOutputError
from equipoise.generators import open_generator
from tests.builders.networks import Map, Rows, write_network, write_onnx, write_torchscript


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("networks")
    write_network("onnx", folder)
    return folder


@pytest.mark.parametrize(
    "file", ["torchscript:{}/rows.pt", "onnx:{}/rows.onnx", "onnx:{}/fixed.onnx"]
)
def test_images_are_those_of_the_network(folder: Path, file: str) -> None:
    generator = open_generator(file.format(folder))
    codes = generator.prior.codes(3, 0, 50)
    with torch.inference_mode():
        truth = np.rint((Rows()(torch.from_numpy(codes)).numpy() + 1) * 127.5)
    assert np.abs(generator.images(codes) - truth).max() <= 1


def test_what_is_not_told_is_found_and_shown(folder: Path) -> None:
    rows = open_generator(f"torchscript:{folder}/rows.pt")
    assert rows.name.endswith("rows.pt?shape=12&range=-1..1&prior=normal&space=z")
    grey = open_generator(f"torchscript:{folder}/map.pt")
    assert grey.name.endswith("map.pt?shape=10x1x1&range=0..1&prior=normal&space=z")
    assert grey.image_shape == (3, 4, 4)
    images = grey.images(grey.prior.codes(0, 0, 5))
    assert np.array_equal(images[:, 0], images[:, 2])
    assert open_generator(f"onnx:{folder}/rows.onnx").name.endswith("&space=z&input=z")


def test_an_onnx_file_is_its_own_address(folder: Path) -> None:
    long = f"onnx:{folder}/rows.onnx?input=z&stem=hidden"
    for short in (f"{folder}/rows.onnx#z?stem=hidden", f"onnx:{folder}/rows.onnx#z?stem=hidden"):
        assert open_generator(short).name == open_generator(long).name
    assert open_generator(f"{folder}/rows.onnx").name.endswith("&input=z")
    with pytest.raises(InputError, match=r"must be one of z, got nothing.*faces.onnx#z"):
        open_generator(f"{folder}/rows.onnx#nothing")


def test_the_stem_is_the_named_part(folder: Path) -> None:
    onnx, script, fixed = (
        open_generator(a.format(folder))
        for a in (
            "{}/rows.onnx?stem=linear",
            "torchscript:{}/rows.pt?stem=first",
            "{}/fixed.onnx?stem=linear",
        )
    )
    codes = onnx.prior.codes(0, 0, 9)
    assert onnx.stem(codes).shape == (9, 20)
    for other in (script, fixed):
        assert np.allclose(onnx.stem(codes), other.stem(codes), atol=1e-5)


def test_a_file_beside_tells_the_rest_and_options_go_first(tmp_path: Path) -> None:
    write_torchscript(Map(), tmp_path / "net.pt")
    (tmp_path / "net.toml").write_text('prior = "uniform"\nrange = "-1..1"\n')
    generator = open_generator(f"torchscript:{tmp_path}/net.pt?range=0..1")
    assert "range=0..1&prior=uniform" in generator.name
    assert np.abs(generator.prior.codes(0, 0, 99)).max() <= 1


def test_all_that_decides_the_output_is_in_the_digest(folder: Path) -> None:
    """Save the batch size, which does not."""
    plain = f"torchscript:{folder}/rows.pt"
    digests = [
        open_generator(a).digest
        for a in (
            plain,
            f"{plain}?prior=uniform",
            f"{plain}?range=0..1",
            f"onnx:{folder}/rows.onnx",
        )
    ]
    assert len(set(digests)) == 4
    assert open_generator(plain, batch_size=3).digest == digests[0]


class Noisy(nn.Module):
    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return torch.rand(z.shape[0], 3, 4, 4)


class Wide(nn.Module):
    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return 40 * z[:, :3].reshape(-1, 3, 1, 1)


class Broken(nn.Module):
    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return z / 0 * 0


class Normalised(nn.Module):
    """Normalises by its batch, as a network exported in training mode does."""

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        rows = torch.batch_norm(z, None, None, None, None, True, 0.1, 1e-5, False)
        return torch.tanh(rows).reshape(-1, 3, 2, 2)


class Placed(nn.Module):
    """Depends on the place in the batch, as noise of a fixed batch does."""

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        place = torch.arange(z.shape[0]).reshape(-1, 1)
        return torch.tanh(z[:, :12] + place).reshape(-1, 3, 2, 2)


class Output(nn.Module):
    """The pictures of `Rows` in another form of output."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self.rows, self.form = Rows(), form

    def forward(self, z: torch.Tensor) -> object:
        images = self.rows(z)
        return {
            "pair": (images, z),
            "late": (z, images),
            "dict": {"image": images},
            "flat": images.flatten(1),
            "grey": images[:, 0],
        }[self.form]


def write_traced(form: str, file: Path) -> str:
    traced = torch.jit.trace(Output(form).eval(), torch.zeros(4, 12), strict=False)
    torch.jit.save(traced, str(file))
    return f"torchscript:{file}"


class Lone(nn.Module):
    """Returns pictures and nothing else, as rosinality's networks do."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = Rows()

    def forward(self, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        return self.rows(z), None


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("form", ["pair", "lone"])
def test_of_a_tuple_the_first_is_taken(form: str, tmp_path: Path) -> None:
    if form == "lone":
        write_torchscript(Lone(), tmp_path / "net.pt")
    else:
        write_traced(form, tmp_path / "net.pt")
    generator = open_generator(f"torchscript:{tmp_path}/net.pt")
    plain = open_generator(write_network("torchscript", tmp_path))
    codes = plain.prior.codes(0, 0, 5)
    assert generator.name.endswith("?shape=12&range=-1..1&prior=normal&space=z")
    assert np.array_equal(generator.images(codes), plain.images(codes))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("late", r"got a tuple of \(16, 12\), \(16, 3, 8, 8\)\. Export"),
        ("dict", "got a dict of 'image'"),
        ("flat", r"got \(16, 192\)\. .*\(16, channels, height, width\)"),
        ("grey", r"got \(16, 8, 8\)"),
    ],
)
def test_what_comes_out_is_named_and_not_the_shape_of_the_codes(
    form: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelOutputError, match=said):
        open_generator(write_traced(form, tmp_path / "net.pt"))


class Labelled(nn.Module):
    """Fails for another reason than the shape of its codes."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(12, 12)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        images = torch.tanh(self.first(z)).reshape(-1, 3, 2, 2)
        if images.shape[0] > 0:
            raise RuntimeError("needs a label")
        return images


@pytest.mark.parametrize(
    ("module", "options", "said"),
    [
        (Labelled(), "", "must run on codes of shape 12, got .*needs a label"),
        (Normalised(), "?shape=12", "whatever the other codes of its batch, .*evaluation mode"),
        (Placed(), "?shape=12", "whatever the other codes of its batch, .*evaluation mode"),
        (Noisy(), "?shape=4", "must return the same image for the same code at each call"),
        (Wide(), "?shape=4", "range of .* must be given, because the outputs match none, got -"),
        (Broken(), "?shape=3x2x2", "must be finite"),
        (Broken(), "?shape=7", r"must be a tensor of 16 images .* got \(16, 7\)"),
        (Rows(), "?shape=13", "shape of the codes .* must be one that the network accepts, got"),
        (Rows(), "?stem=middle", "stem of .* got middle. There are: first, last"),
        (Rows(), "?shape=0", "shape must be up to four sizes"),
        (Rows(), "?range=0..2", r"range must be one of -1\.\.1, .* got 0\.\.2"),
        (Rows(), "?prior=cauchy", "prior must be one of normal, uniform, spherical, got cauchy"),
        (Rows(), "?size=3", "option of a network must be one of shape, .* got size"),
    ],
)
def test_what_is_no_generator_is_named(
    tmp_path: Path, module: nn.Module, options: str, said: str
) -> None:
    write_torchscript(module, tmp_path / "net.pt")
    with pytest.raises((InputError, ModelOutputError), match=said):
        open_generator(f"torchscript:{tmp_path}/net.pt{options}")


def test_damaged_foreign_and_unsafe_files_are_refused(folder: Path, tmp_path: Path) -> None:
    for family, name in (
        ("torchscript", "rows.pt"),
        ("onnx", "rows.onnx"),
    ):
        content = (folder / name).read_bytes()
        (tmp_path / name).write_bytes(content[: len(content) // 2])
        with pytest.raises(FileFormatError, match=r"must be (a )?whole"):
            open_generator(f"{family}:{tmp_path}/{name}")
        with pytest.raises(FileFormatError, match="must be readable, got No such file"):
            open_generator(f"{family}:{tmp_path}/none{name}")


@pytest.mark.parametrize(
    "address", ["{}/faces.pt2", "torchexport:faces.pt2", "torchscript:{}/faces.pt2?shape=12"]
)
def test_a_file_of_torch_export_is_refused_with_the_formats_that_work(
    tmp_path: Path, address: str
) -> None:
    given = address.format(tmp_path)
    with pytest.raises(InputError) as caught:
        open_generator(given)
    error = caught.value
    assert error.argument == "generator"
    assert error.rule.startswith("must be an ONNX or TorchScript file;")
    assert "torch.export files (.pt2)" in error.rule
    assert error.got == given
    assert "torch.onnx.export" in error.remedy and "torch.jit.save" in error.remedy


def test_inputs_of_onnx_are_checked(folder: Path, tmp_path: Path) -> None:
    write_onnx(tmp_path / "two.onnx", extra_input=True)
    with pytest.raises(InputError, match=r"input of .* must be one of z, label, got none"):
        open_generator(f"onnx:{tmp_path}/two.onnx")
    with pytest.raises(InputError, match=r"must be one, of float32 codes, got z: .*label:"):
        open_generator(f"onnx:{tmp_path}/two.onnx?input=z")
    for name in ("nothing", "n" * 300):
        with pytest.raises(FileFormatError, match=f"with a tensor '{name}'"):
            open_generator(f"onnx:{folder}/rows.onnx?stem={name}")
    with pytest.raises(InputError, match="device must be one that ONNX Runtime computes on"):
        open_generator(f"onnx:{folder}/rows.onnx", device="meta")


@pytest.mark.parametrize("text", ["prior = 3", "prior = ", "what = 'x'"])
def test_a_bad_file_beside_is_named(tmp_path: Path, text: str) -> None:
    write_torchscript(Rows(), tmp_path / "net.pt")
    (tmp_path / "net.toml").write_text(text)
    with pytest.raises(InputError, match=r"net\.toml|got what"):
        open_generator(f"torchscript:{tmp_path}/net.pt")
