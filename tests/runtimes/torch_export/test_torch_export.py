"""What torch.export saves gives the network's own pictures, and nothing of a file is run."""

import json
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from equipoise.core.errors import FileFormatError, InputError
from equipoise.generators import Differentiable, open_generator
from equipoise.runtimes.torch_export.archive import read_exported
from equipoise.runtimes.torch_export.operators import _ATEN, operator_of
from equipoise.runtimes.torch_export.program import Program
from tests.builders.gradients import check_gradients
from tests.builders.networks import Map, Rows, write_exported

# Torch's own copies of an exported network warn of its own classes.
pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")

GRAPH = "models/model.json"
WEIGHTS = "data/weights/model_weights_config.json"


class Mixed(nn.Module):
    """Attention, norms, sizes that depend on the batch, constants, types, two outputs."""

    scale: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.norm, self.attention = nn.LayerNorm(12), nn.MultiheadAttention(12, 2, batch_first=True)
        self.linear, self.grid = nn.Linear(12, 48), nn.GroupNorm(2, 8)
        self.out = nn.Conv2d(8, 3, 3, padding=1)
        self.register_buffer("scale", torch.full((1,), 1.5), persistent=False)

    def forward(self, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        first, second = self.norm(z).chunk(2, 1)
        rows = torch.cat([second, first], 1)[:, None].expand(-1, 4, -1)
        rows, _ = self.attention(rows, rows, rows, need_weights=False)
        x = functional.pixel_shuffle(self.linear(rows.mean(1)).view(-1, 12, 2, 2), 2)
        x = self.grid(torch.cat([x, x, x[:, :2]], 1) * self.scale).clamp(min=-float("inf"))
        spread = x.std(dim=(2, 3), keepdim=True)
        x = (x / (spread + 1e-3)).to(torch.float64).float()
        x = functional.interpolate(x.contiguous(memory_format=torch.channels_last), scale_factor=2)
        x = x + torch.arange(8, device=x.device).view(1, 1, 1, 8) * torch.tensor([0.01])
        x = functional.dropout(functional.leaky_relu(x, 0.2, inplace=True), training=self.training)
        return self.out(x).sigmoid(), spread


@pytest.mark.parametrize("dynamic", [True, False])
@pytest.mark.parametrize("decomposed", [False, True])
def test_pictures_are_those_of_the_network(dynamic: bool, decomposed: bool, tmp_path: Path) -> None:
    network, file = Mixed().eval(), tmp_path / "mixed.pt2"
    shapes = ({0: torch.export.Dim.DYNAMIC},) if dynamic else None
    exported = torch.export.export(network, (torch.zeros(5, 12),), dynamic_shapes=shapes)
    torch.export.save(exported.run_decompositions() if decomposed else exported, file)
    generator = open_generator(str(file))
    codes = generator.prior.codes(3, 0, 23)
    with torch.inference_mode():
        truth = np.rint(network(torch.from_numpy(codes))[0].numpy() * 255)
    assert generator.name.endswith("mixed.pt2?shape=12&range=0..1&prior=normal&space=z")
    assert np.abs(generator.images(codes) - truth).max() <= 1
    assert truth.std() > 10


def test_maps_are_taken_as_they_were_exported(tmp_path: Path) -> None:
    network = Map().eval()
    exported = torch.export.export(network, (torch.zeros(2, 10, 1, 1),))
    torch.export.save(exported, tmp_path / "map.pt2")
    generator = open_generator(f"{tmp_path}/map.pt2")
    codes = generator.prior.codes(0, 0, 3)
    with torch.inference_mode():
        truth = np.rint(network(torch.from_numpy(codes)[:, :, None, None]).numpy() * 255)
    assert np.abs(generator.images(codes)[:, :1] - truth).max() <= 1


def test_gradients_lead_through_the_graph(tmp_path: Path) -> None:
    write_exported(Rows(), tmp_path / "rows.pt2", 12)
    generator = open_generator(f"{tmp_path}/rows.pt2")
    assert isinstance(generator, Differentiable)
    check_gradients(generator, 3)


def test_what_no_later_step_needs_is_dropped(tmp_path: Path) -> None:
    write_exported(Rows(), tmp_path / "rows.pt2", 12)
    exported = read_exported(tmp_path / "rows.pt2", (tmp_path / "rows.pt2").read_bytes())
    program = Program(exported, torch.device("cpu"))
    assert {"linear", "relu"} <= set(program.names)
    codes = torch.randn(3, 12)
    rows = Rows()
    assert torch.allclose(program.until("linear")(codes), rows.first(codes), atol=1e-6)
    assert torch.allclose(program(codes), rows(codes), atol=1e-6)


def test_operators_are_of_this_torch_and_none_reaches_out() -> None:
    missing = [name for name in _ATEN if not hasattr(torch.ops.aten, name)]
    assert missing == []
    for target in (
        "torch.ops.aten.from_file.default",
        "torch.ops.aten.randn.default",
        "torch.ops.aten.set_.source_Storage",
        "torch.ops.aten.as_strided.default",
        "torch.ops.prim.Print.default",
        "torch.ops.higher_order.cond",
        "_operator.call",
        "_operator.pow",
        "builtins.eval",
        "torch.ops.aten.relu.__class__",
        "torch.ops.aten.relu.overloads",
        "torch.ops.aten.relu",
    ):
        assert operator_of(target) is None, target


@pytest.mark.parametrize("name", ["_batch_norm_no_update", "_native_batch_norm_legit_no_training"])
def test_a_norm_of_too_few_numbers_is_refused(name: str) -> None:
    """Torch reads as many as there are channels, whatever was given."""
    norm = operator_of(f"torch.ops.aten.{name}.default")
    assert norm is not None
    x, full, short = torch.randn(2, 64, 4, 4), torch.ones(64), torch.ones(1)
    exact = functional.batch_norm(x, full, full, full, full)
    assert torch.allclose(norm(x, full, full, full, full, 0.1, 1e-5)[0], exact)
    for place in range(4):
        given = [short if i == place else full for i in range(4)]
        with pytest.raises(ValueError, match=r"of \(1,\) for channels \(64,\)"):
            norm(x, *given, 0.1, 1e-5)


def rewritten(file: Path, member: str, change: Callable[[Any], None]) -> Path:
    """Return a copy of the file, one of its JSON members changed."""
    other = file.with_name("changed.pt2")
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(other, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith(member):
                told = json.loads(content)
                change(told)
                content = json.dumps(told).encode()
            new.writestr(name, content)
    return other


def nodes(told: Any) -> list[dict[str, Any]]:
    return told["graph_module"]["graph"]["nodes"]


def signature(told: Any) -> dict[str, Any]:
    return told["graph_module"]["signature"]


def stop_being_a_view(told: Any) -> None:
    told["config"]["first.weight"]["tensor_meta"]["sizes"] = [{"as_int": 2**30}, {"as_int": 12}]


@pytest.mark.parametrize(
    ("member", "change", "said"),
    [
        (
            GRAPH,
            lambda t: nodes(t)[0].update(target="torch.ops.aten.from_file.default"),
            r"a call of torch\.ops\.aten\.from_file\.default, which is not one",
        ),
        (GRAPH, lambda t: nodes(t)[0].update(target="builtins.exec"), "a call of builtins.exec"),
        (
            GRAPH,
            lambda t: signature(t)["output_specs"].append({"buffer_mutation": {}}),
            "changes itself",
        ),
        (
            GRAPH,
            lambda t: signature(t)["input_specs"].append({"custom_obj": {}}),
            r"an input that is no tensor \(custom_obj\)",
        ),
        (GRAPH, lambda t: signature(t)["input_specs"].pop(), "0 inputs in place of codes alone"),
        (GRAPH, lambda t: t["schema_version"].update(major=9), "version 9 of the graph's format"),
        (GRAPH, lambda t: nodes(t)[0]["inputs"][0].update(arg={"as_graph": {}}), "kind as_graph"),
        (GRAPH, lambda t: nodes(t)[0].pop("inputs"), "KeyError"),
        (GRAPH, lambda t: t.pop("graph_module"), "KeyError"),
        (WEIGHTS, lambda t: t["config"]["first.bias"].update(use_pickle=True), "as a pickle"),
        (WEIGHTS, lambda t: t["config"].pop("first.bias"), "KeyError: 'first.bias'"),
        (
            WEIGHTS,
            lambda t: t["config"]["first.bias"].update(path_name="../../models/model.json"),
            "no item named",
        ),
        (WEIGHTS, stop_being_a_view, "a view of"),
    ],
)
def test_what_could_do_harm_is_refused_by_its_name(
    member: str, change: Callable[[Any], None], said: str, tmp_path: Path
) -> None:
    write_exported(Rows(), tmp_path / "rows.pt2", 12)
    other = rewritten(tmp_path / "rows.pt2", member, change)
    with pytest.raises(FileFormatError, match=said):
        open_generator(str(other))


def test_packed_archives_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.pt2", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/models/model.json", "0" * 10**6)
    with pytest.raises(FileFormatError, match="a compressed member"):
        open_generator(f"{tmp_path}/bomb.pt2")


def test_no_text_of_a_file_is_evaluated(tmp_path: Path) -> None:
    """Torch's own loader gives sizes' expressions to sympify, which evaluates them."""
    canary = tmp_path / "canary"
    evil = f"__import__('pathlib').Path({str(canary)!r}).touch()"

    def poison(told: Any) -> None:
        for about in told["graph_module"]["graph"]["tensor_values"].values():
            for size in about["sizes"]:
                if "as_expr" in size:
                    size["as_expr"]["expr_str"] = evil

    write_exported(Rows(), tmp_path / "rows.pt2", 12)
    other = rewritten(tmp_path / "rows.pt2", GRAPH, poison)
    generator = open_generator(str(other))
    generator.images(generator.prior.codes(0, 0, 2))
    assert not canary.exists()
    with warnings.catch_warnings(), pytest.raises(Exception):  # noqa: B017
        warnings.simplefilter("ignore")
        torch.export.load(other)
    assert canary.exists()


def test_an_unknown_stem_is_named(tmp_path: Path) -> None:
    write_exported(Rows(), tmp_path / "rows.pt2", 12)
    with pytest.raises(
        InputError, match=r"must be a tensor of the graph, got x\. There are: .*relu"
    ):
        open_generator(f"{tmp_path}/rows.pt2?stem=x")
