"""PGGAN and StyleGAN 1 in the layouts of genforce and interfacegan, and as the papers have them.

States are made by the projects' names; images are computed from them one at a time, in float64,
layer by layer as the projects do, nothing merged.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

State = dict[str, Tensor]


def stylegan1_state(
    project: str,
    channels: tuple[int, ...] = (7, 6, 5, 4),
    *,
    z_dim: int = 9,
    w_dim: int = 8,
    colours: int = 3,
    fused: frozenset[int] = frozenset(),
) -> State:
    """A random state; `fused` are the sizes whose doubling interfacegan fuses."""
    torch.manual_seed(3)
    genforce = project == "genforce"
    state: State = {"synthesis.lod": torch.zeros(()), "truncation.w_avg": 0.3 * torch.randn(w_dim)}
    inputs = z_dim
    for i, width in enumerate((10, 10, w_dim)):
        weight, bias = ("weight", "bias") if genforce else ("linear.weight", "wscale.bias")
        state[f"mapping.dense{i}.{weight}"] = torch.randn(width, inputs) * 100
        state[f"mapping.dense{i}.{bias}"] = torch.randn(width) * 30
        inputs = width
    before = channels[0]
    for block, width in enumerate(channels):
        size = 4 * 2**block
        for second in (0, 1):
            name = f"synthesis.layer{2 * block + second}"
            rest = f"{name}." if genforce else f"{name}.epilogue."
            if block == second == 0:
                const = "const" if genforce else "first_layer"
                state[f"{name}.{const}"] = torch.randn(1, width, 4, 4)
            elif genforce or second or size not in fused:
                weight = "weight" if genforce else "conv.weight"
                kernel = (width, width if second else before, 3, 3)
                state[f"{name}.{weight}"] = torch.randn(kernel)
            else:
                state[f"{name}.weight"] = torch.randn(3, 3, before, width)
            if block and not second:
                taps = torch.tensor([1.0, 2.0, 1.0]) / 4
                state[f"{name}.blur.kernel"] = torch.outer(taps, taps).repeat(width, 1, 1, 1)
            style = (
                ("style.weight", "style.bias")
                if genforce
                else ("style_mod.dense.linear.weight", "style_mod.dense.wscale.bias")
            )
            state |= {
                f"{rest}{style[0]}": torch.randn(2 * width, w_dim),
                f"{rest}{style[1]}": 0.3 * torch.randn(2 * width),
                f"{rest}bias": 0.3 * torch.randn(width),
                f"{rest}apply_noise.weight": 0.3 * torch.randn(width),
                f"{rest}apply_noise.noise": torch.randn(1, 1, size, size),
            }
        colour = f"synthesis.output{block}"
        weight = "weight" if genforce else "conv.weight"
        state[f"{colour}.{weight}"] = torch.randn(colours, width, 1, 1) * 0.3
        state[f"{colour}.bias"] = 0.3 * torch.randn(colours)
        before = width
    return state


def normed(x: Tensor, dim: int) -> Tensor:
    return x / torch.sqrt((x**2).mean(dim, keepdim=True) + 1e-8)


def lrelu(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, 0.2 * x)


def repeated(x: Tensor) -> Tensor:
    return x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)


def shifted_sums(weight: Tensor) -> Tensor:
    """The kernel of a transposed convolution that doubles: sums of four shifts, (out, in, 4, 4)."""
    padded = functional.pad(weight, (1, 1, 1, 1))
    return sum(padded[:, :, a : a + 4, b : b + 4] for a in (0, 1) for b in (0, 1))


def map_codes(state: State, z: np.ndarray) -> Tensor:
    """Codes of w of codes of z, float64."""
    x = normed(torch.from_numpy(z).double(), 1)
    for i in range(3):
        name = f"mapping.dense{i}."
        weight = state.get(f"{name}weight", state.get(f"{name}linear.weight")).double()
        bias = state.get(f"{name}bias", state.get(f"{name}wscale.bias")).double()
        x = lrelu(x @ (weight * (2 / weight.shape[1]) ** 0.5 * 0.01).T + bias * 0.01)
    return x


def stylegan1_images(
    project: str, state: State, w: Tensor, fused: frozenset[int] = frozenset()
) -> Tensor:
    """Images of codes of w, float64; `fused` are the sizes whose doubling is fused."""
    theirs = {name: tensor.double() for name, tensor in state.items()}
    blocks = sum(name.startswith("synthesis.output") for name in theirs) // 2
    x = None
    for layer in range(2 * blocks):
        name, size = f"synthesis.layer{layer}", 4 * 2 ** (layer // 2)
        rest = f"{name}." if project == "genforce" else f"{name}.epilogue."
        if layer == 0:
            const = theirs.get(f"{name}.const", theirs.get(f"{name}.first_layer"))
            x = const.repeat(len(w), 1, 1, 1)
        else:
            weight = theirs.get(f"{name}.conv.weight", theirs.get(f"{name}.weight"))
            up = layer % 2 == 0
            if up and size in fused and project != "genforce":
                weight = weight.permute(3, 2, 0, 1)
            weight = weight * (2 / weight[0].numel()) ** 0.5
            if up and size in fused:
                kernel = shifted_sums(weight).transpose(0, 1)
                x = functional.conv_transpose2d(x, kernel, stride=2, padding=1)
            else:
                x = functional.conv2d(repeated(x) if up else x, weight, padding=1)
            if up:
                blur = theirs[f"{name}.blur.kernel"]
                x = functional.conv2d(x, blur, padding=1, groups=x.shape[1])
        strength = theirs[f"{rest}apply_noise.weight"][:, None, None]
        x = x + theirs[f"{rest}apply_noise.noise"] * strength
        x = lrelu(x + theirs[f"{rest}bias"][:, None, None])
        x = normed(x - x.mean((2, 3), keepdim=True), (2, 3))
        if project == "genforce":
            scale, shift = theirs[f"{rest}style.weight"], theirs[f"{rest}style.bias"]
        else:
            scale = theirs[f"{rest}style_mod.dense.linear.weight"]
            shift = theirs[f"{rest}style_mod.dense.wscale.bias"]
        style = (w @ scale.T / w.shape[1] ** 0.5 + shift).reshape(len(w), 2, -1, 1, 1)
        x = x * (style[:, 0] + 1) + style[:, 1]
    name = f"synthesis.output{blocks - 1}"
    weight = theirs.get(f"{name}.weight", theirs.get(f"{name}.conv.weight"))
    image = functional.conv2d(x, weight / weight.shape[1] ** 0.5)
    return image + theirs[f"{name}.bias"][:, None, None]


def pggan_state(
    project: str,
    channels: tuple[int, ...] = (7, 6, 5),
    *,
    z_dim: int = 9,
    colours: int = 3,
    fused: bool = False,
) -> State:
    """A random state; "interfacegan, older" is its code before growing could be stopped.

    `fused` is the doubling of interfacegan, whose kernels then have another name and order.
    """
    torch.manual_seed(4)
    genforce, older = project == "genforce", project.endswith("older")
    state: State = {} if older else {"lod": torch.zeros(())}
    before = z_dim

    def layer(name: str, outputs: int, inputs: int, size: int) -> None:
        weight, bias = ("weight", "bias") if genforce else ("conv.weight", "wscale.bias")
        state[f"{name}.{weight}"] = torch.randn(outputs, inputs, size, size)
        state[f"{name}.{bias}"] = 0.3 * torch.randn(outputs)

    for block, width in enumerate(channels):
        first = 2 * block + older
        layer(f"layer{first}", width, before, 3 if block else 4)
        if fused and block:
            kernel = state.pop(f"layer{first}.conv.weight")
            state[f"layer{first}.weight"] = kernel.permute(2, 3, 1, 0).contiguous()
        layer(f"layer{first + 1}", width, width, 3)
        if not older:
            layer(f"output{block}", colours, width, 1)
        before = width
    if older:
        side = 4 * 2 ** (len(channels) - 1)
        layer(f"output_{side}x{side}", colours, before, 1)
    return state


def pggan_images(project: str, state: State, z: np.ndarray) -> Tensor:
    """Images of codes of z, float64."""
    theirs = {name: tensor.double() for name, tensor in state.items() if tensor.ndim}
    bias = "bias" if project == "genforce" else "wscale.bias"
    layers = sorted(
        {name.partition(".")[0] for name in theirs if name.startswith("layer")},
        key=lambda name: int(name.removeprefix("layer")),
    )
    last = sorted({name.partition(".")[0] for name in theirs if name.startswith("output")})[-1]
    x = torch.from_numpy(z).double()[:, :, None, None]
    for number, name in enumerate(layers):
        x = normed(x, 1)
        up = number > 0 and number % 2 == 0
        weight = theirs.get(f"{name}.conv.weight", theirs.get(f"{name}.weight"))
        fused = project != "genforce" and f"{name}.weight" in theirs
        if fused:
            weight = weight.permute(3, 2, 0, 1)
        weight = weight * (2 / weight[0].numel()) ** 0.5
        if fused:
            kernel = shifted_sums(weight).transpose(0, 1)
            x = functional.conv_transpose2d(x, kernel, stride=2, padding=1)
        else:
            x = functional.conv2d(repeated(x) if up else x, weight, padding=1 if number else 3)
        x = lrelu(x + theirs[f"{name}.{bias}"][:, None, None])
    weight = theirs.get(f"{last}.conv.weight", theirs.get(f"{last}.weight"))
    image = functional.conv2d(normed(x, 1), weight / weight.shape[1] ** 0.5)
    return image + theirs[f"{last}.{bias}"][:, None, None]
