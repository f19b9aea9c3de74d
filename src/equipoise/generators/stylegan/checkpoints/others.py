"""Files of projects that are not read here, by their marks, each with a way out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from equipoise.core.errors import FileFormatError
from equipoise.runtimes.pickles.networks import FoundNetwork, items_of
from equipoise.runtimes.pickles.reader import Call, shown

TORCHSCRIPT = (
    "Trace its generator with the project's own code, torch.jit.save(torch.jit.trace(generator, "
    "codes), 'faces.pt'), and give it as torchscript:faces.pt."
)
_NAMES = (
    (r"mapping\.embed_proj\..*", "StyleGAN-XL", TORCHSCRIPT),
    (r"(backbone|renderer|superresolution)\..*", "EG3D", TORCHSCRIPT),
    (r"(SE|GE)\..*|S\.net\..*|G\.(initial_conv|blocks|layers)\..*", "lucidrains", TORCHSCRIPT),
    (r"(scaleLayers|toRGBLayers|formatLayer)\..*", "pytorch_GAN_zoo", TORCHSCRIPT),
    (r"(init\.init|feat_\d+|se_\d+|to_big)\..*", "FastGAN", TORCHSCRIPT),
    (r"blocks\.0\.0\.conv1\..*|generator\.layers\.0\.bn_0\..*", "BigGAN", TORCHSCRIPT),
    (r"(main\.)?0\.weight", "a DCGAN", "Give it as dcgan:FILE."),
    (
        r"(down_blocks|mid_block|time_embedding)\..*",
        "a diffusion model",
        "Give the folder that save_pretrained wrote, as diffusers:FOLDER.",
    ),
)
"""Names of tensors by which a project's networks are known."""

_KINDS = (("TriPlaneGenerator", "EG3D"), ("SuperresGenerator", "StyleGAN-XL"))
"""Classes of modules by which a project's networks are known."""

_TENSORFLOW = (
    "Convert it with the authors' code: legacy.py of stylegan3 or stylegan2-ada-pytorch for "
    "StyleGAN2, convert_model.py of genforce for PGGAN and StyleGAN 1."
)


def refusal(content: Any, networks: Iterable[FoundNetwork], where: str) -> FileFormatError:
    """Return the error of a file without a known layout: what it is, and the way out.

    Parameters
    ----------
    content : object
        As `equipoise.runtimes.pickles.content.read_content` returns it.
    networks : iterable of FoundNetwork
        The networks in it.
    where : str
        Name of the file in errors.
    """
    rule = (
        "must hold a StyleGAN or a PGGAN of NVIDIA, rosinality, genforce, interfacegan or StudioGAN"
    )
    parts = content if isinstance(content, list | tuple) else [content]
    if any(isinstance(part, Call) and part.name.module.endswith("tflib.network") for part in parts):
        return FileFormatError(where, rule, "networks of TensorFlow", _TENSORFLOW)
    items: Mapping[Any, Any] = items_of(content) or {}
    if "GAN" in items:
        return FileFormatError(where, rule, "a model of lucidrains", TORCHSCRIPT)
    for network in networks:
        for kind, project in _KINDS:
            if kind in network.kinds.values():
                return FileFormatError(where, rule, f"a network of {project}", TORCHSCRIPT)
        for mark, project, remedy in _NAMES:
            if any(re.fullmatch(mark, name) for name in network.tensors):
                what = project if project.startswith("a ") else f"a network of {project}"
                return FileFormatError(where, rule, what, remedy)
        held = ", ".join(f"{name or 'it'}: {kind}" for name, kind in sorted(network.kinds.items()))
        held = held or f"tensors {', '.join(sorted(network.tensors)[:5])}"
        got = f"another network{f' at {network.key}' if network.key else ''} ({held[:300]})"
        return FileFormatError(where, rule, got, TORCHSCRIPT)
    named = [(key[:80], value) for key, value in items.items() if isinstance(key, str)]
    held = ", ".join(f"{key}: {shown(value)}" for key, value in named[:8])
    got = f"a mapping of {held[:300]}" if held else shown(content)
    return FileFormatError(where, rule, got, "Give the file that holds the generator's weights.")
