"""Writes pickles as NVIDIA's repositories do: modules reduced to calls of a reconstructor.

The stand-in packages exist only while a file is written; they are gone when it is read.
"""

import pickle
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import nn

from equipoise.generators.stylegan.network import Network
from equipoise.generators.stylegan.sizes import StyleGAN3Config as AliasFreeConfig
from equipoise.generators.stylegan.stylegan2 import blur_filter


class Module(nn.Module):
    """A module of theirs, pickled by `torch_utils.persistence`."""

    def __init__(self, class_name: str) -> None:
        super().__init__()
        self.class_name = class_name

    def __reduce_ex__(self, protocol: int) -> tuple:
        state = {k: v for k, v in self.__dict__.items() if k != "class_name"}
        meta = {
            "type": "class",
            "version": 6,
            "module_src": "open('canary', 'w').write('the source was run')",
            "class_name": self.class_name,
            "state": state,
        }
        return sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, (meta,), None


@contextmanager
def their_packages() -> Iterator[types.ModuleType]:
    made = {}
    for name in ("torch_utils", "torch_utils.persistence", "dnnlib", "dnnlib.util"):
        made[name] = types.ModuleType(name)

    def _reconstruct_persistent_obj(meta: dict) -> None:
        raise AssertionError("a file was run")

    class EasyDict(dict):
        pass

    for thing, module in (
        (_reconstruct_persistent_obj, "torch_utils.persistence"),
        (EasyDict, "dnnlib.util"),
    ):
        thing.__module__, thing.__qualname__ = module, thing.__name__
        setattr(made[module], thing.__name__, thing)
    sys.modules.update(made)
    try:
        yield made["dnnlib.util"]
    finally:
        for name in made:
            del sys.modules[name]


def their_tree(network: Network, parameters: tuple[str, ...]) -> Module:
    """The network's tensors as a tree of theirs; those of other names are buffers."""
    root = Module("Generator")
    for name, tensor in network.state_dict().items():
        *path, own = name.split(".")
        module = root
        for step in path:
            if step not in module._modules:
                module.add_module(step, Module(step.capitalize()))
            module = module._modules[step]
        if own in parameters:
            module.register_parameter(own, nn.Parameter(tensor, requires_grad=False))
        else:
            module.register_buffer(own, tensor)
    return root


def their_modules(network: Network) -> Module:
    """The network as a tree of theirs, with the attributes that theirs have."""
    config = network.config
    root = their_tree(network, ("weight", "bias", "const", "noise_strength"))
    root.img_resolution, root.z_dim = config.resolution, config.z_dim
    for name, module in root.named_modules():
        if ".conv" in name and name.count(".") == 2:
            module.conv_clamp, module.activation = config.conv_clamp, "lrelu"
            module.register_buffer("resample_filter", blur_filter(1)[0, 0] / 4)
            module.gain = np.float64(1.5) / np.sqrt(2)
        elif name.startswith("mapping.fc"):
            module.bias_gain = config.mapping_rate
        elif name.startswith("synthesis.b") and name.count(".") == 1:
            module.architecture = config.architecture
            module._backward_hooks_of_old = set()
    return root


def their_alias_free_modules(network: Network) -> Module:
    """A StyleGAN3 as a tree of theirs, with the attributes that theirs have."""
    config = network.config
    root = their_tree(network, ("weight", "bias"))
    synthesis = root._modules["synthesis"]
    synthesis.img_resolution, synthesis.num_critical = config.resolution, config.critical
    synthesis.margin_size, synthesis.output_scale = config.margin, config.output_scale
    synthesis._init_kwargs = sys.modules["dnnlib.util"].EasyDict(
        filter_size=config.filter_size, first_cutoff=config.first_cutoff, num_fp16_res=4
    )
    for name, module in root.named_modules():
        if name.startswith("synthesis.L") and name.count(".") == 1:
            module.conv_clamp, module.in_size = config.conv_clamp, np.array([4, 4])
            module.in_cutoff = np.float64(2)
        elif name.startswith("mapping.fc"):
            module.bias_gain = config.mapping_rate
    return root


def write_nvidia(network: Network, path: Path, protocol: int = 4) -> None:
    alias_free = isinstance(network.config, AliasFreeConfig)
    with their_packages() as util:
        kwargs = util.EasyDict(class_name="training.dataset.ImageFolderDataset", resolution=32)
        content = {
            "G": None,
            "D": Module("Discriminator"),
            "G_ema": (their_alias_free_modules if alias_free else their_modules)(network),
            "training_set_kwargs": kwargs,
            "augment_pipe": None,
        }
        path.write_bytes(pickle.dumps(content, protocol=protocol))


def rosinality_state(network: Network) -> dict:
    """The state of a network without classes, in rosinality's layout."""
    ours, config = network.state_dict(), network.config
    theirs = {"input.input": ours["synthesis.b4.const"][None]}

    def affine(name: str, prefix: str) -> None:
        for kind in ("weight", "bias"):
            theirs[f"{name}.conv.modulation.{kind}"] = ours[f"{prefix}.affine.{kind}"]

    number = 0
    for i, size in enumerate(config.sizes):
        block = f"synthesis.b{size}"
        for conv in ("conv1",) if size == 4 else ("conv0", "conv1"):
            prefix = f"{block}.{conv}"
            name = "conv1" if size == 4 else f"convs.{number - 1}"
            weight = ours[f"{prefix}.weight"]
            theirs[f"{name}.conv.weight"] = weight[None] * (weight.shape[1] * 9) ** 0.5
            theirs[f"{name}.noise.weight"] = ours[f"{prefix}.noise_strength"][None]
            theirs[f"{name}.activate.bias"] = ours[f"{prefix}.bias"]
            theirs[f"noises.noise_{number}"] = ours[f"{prefix}.noise_const"][None, None]
            affine(name, prefix)
            if conv == "conv0":
                theirs[f"{name}.conv.blur.kernel"] = blur_filter(1)[0, 0]
            number += 1
        name = "to_rgb1" if i == 0 else f"to_rgbs.{i - 1}"
        theirs[f"{name}.conv.weight"] = ours[f"{block}.torgb.weight"][None]
        theirs[f"{name}.bias"] = ours[f"{block}.torgb.bias"][None, :, None, None]
        affine(name, f"{block}.torgb")
    for i in range(config.mapping_layers):
        for kind in ("weight", "bias"):
            theirs[f"style.{i + 1}.{kind}"] = ours[f"mapping.fc{i}.{kind}"]
    return {"g_ema": theirs, "latent_avg": ours["mapping.w_avg"], "iter": 7}


def genforce_state(network: Network) -> dict:
    """The state of a network without classes, in genforce's layout."""
    ours, config = network.state_dict(), network.config
    theirs = {
        "synthesis.early_layer.const": ours["synthesis.b4.const"][None],
        "truncation.w_avg": ours["mapping.w_avg"],
    }
    for i, size in enumerate(config.sizes):
        for kind in ("conv0", "conv1", "torgb") if i else ("conv1", "torgb"):
            prefix = f"synthesis.b{size}.{kind}"
            name = f"synthesis.layer{2 * i - (kind == 'conv0')}"
            weight = ours[f"{prefix}.weight"]
            if kind == "torgb":
                name = f"synthesis.output{i}"
            else:
                weight = weight * (weight.shape[1] * 9) ** 0.5
                theirs[f"{name}.noise_strength"] = ours[f"{prefix}.noise_strength"]
                theirs[f"{name}.noise"] = ours[f"{prefix}.noise_const"][None, None]
            theirs[f"{name}.weight"] = weight.flip(2, 3) if kind == "conv0" else weight
            theirs[f"{name}.bias"] = ours[f"{prefix}.bias"]
            theirs[f"{name}.style.weight"] = ours[f"{prefix}.affine.weight"]
            theirs[f"{name}.style.bias"] = ours[f"{prefix}.affine.bias"] - 1
    for i in range(config.mapping_layers):
        for kind in ("weight", "bias"):
            theirs[f"mapping.dense{i}.{kind}"] = ours[f"mapping.fc{i}.{kind}"]
    return theirs


def save_checkpoint(content: dict, path: Path, archive: bool) -> None:
    torch.save(content, path, _use_new_zipfile_serialization=archive)
