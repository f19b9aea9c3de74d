"""The networks in a file's content: their tensors by name, and the attributes of their modules.

A network is a state dict, or a tree of modules: those of NVIDIA, pickled by
`torch_utils.persistence` as calls that would run source code stored in the file, or modules that
torch.save pickled whole. All become the same: names and tensors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from equipoise.runtimes.pickles.reader import Call, Name, bad_checkpoint, shown
from equipoise.runtimes.pickles.tensors import is_tensor, tensor_of
from equipoise.runtimes.tensor_views import bounded

_PERSISTENT = Name("torch_utils.persistence", "_reconstruct_persistent_obj")
_MAPPINGS = {
    Name("collections", "OrderedDict"),
    Name("dnnlib.util", "EasyDict"),
    Name("dnnlib", "EasyDict"),
}
_GENERATORS = (
    *("G_ema", "g_ema", "generator_smooth", "netG_ema", "Gs"),
    *("generator", "netG_state_dict", "netG", "G", "g"),
    *("models", "state_dict", "model_state_dict", "model"),
)
"""Keys under which checkpoints hold a generator, averaged ones first."""

_DEEPEST_KEYS = 3
# Limits on a file's modules, chosen by hand: published networks have under 100, nested 4 deep.
_MOST_MODULES = 2000
_DEEPEST = 6


@dataclass(frozen=True, eq=False)
class FoundNetwork:
    """A network of a file, before its layout is known.

    Attributes
    ----------
    key : str
        Where the file holds it, as errors name it.
    tensors : mapping of str to object
        Its tensors by dotted names, as the pickle describes them or as torch tensors.
    modules : mapping of str to mapping
        The attributes of its modules, by dotted name; empty for a state dict.
    kinds : mapping of str to str
        Class names of its modules; empty for a state dict.
    beside : mapping
        What the file holds beside it.
    """

    key: str
    tensors: Mapping[str, Any]
    modules: Mapping[str, Mapping[Any, Any]] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    beside: Mapping[Any, Any] = field(default_factory=dict)

    def state(self, where: str) -> dict[str, torch.Tensor]:
        """Return copies of the tensors.

        Raises
        ------
        FileFormatError
            When one is none, or exceeds its storage.
        ValueError
            When they exceed the limit of a file.
        """
        return dict(
            bounded(
                (name, value if isinstance(value, torch.Tensor) else tensor_of(value, where))
                for name, value in self.tensors.items()
            )
        )

    def without_prefix(self) -> FoundNetwork | None:
        """Return it without the first part of all names, as "module."; None where they differ."""
        first = {name.partition(".")[0] for name in self.tensors}
        if len(first) != 1 or not all("." in name for name in self.tensors):
            return None
        start = f"{first.pop()}."

        def cut(named: Mapping[str, Any]) -> dict[str, Any]:
            return {k.removeprefix(start): v for k, v in named.items() if k.startswith(start)}

        return FoundNetwork(
            self.key, cut(self.tensors), cut(self.modules), cut(self.kinds), self.beside
        )


def networks_in(
    content: Any, where: str, key: str = "", beside: Mapping[Any, Any] | None = None
) -> Iterator[FoundNetwork]:
    """Yield the networks of a file's content that may be generators, the likeliest first.

    Parameters
    ----------
    content : object
        As `equipoise.runtimes.pickles.content.read_content` returns it.
    where : str
        Name of the file in errors.
    key : str
        Where in the file the content lies.
    beside : mapping, optional
        What the file holds beside it.

    Raises
    ------
    FileFormatError
        When a tree of modules has no end.
    """
    if _is_module(content):
        yield _of_modules(content, where, key, beside or {})
        return
    items = items_of(content)
    if items is None:
        return
    tensors = {str(name): value for name, value in items.items() if is_tensor(value)}
    if tensors and (len(tensors) == len(items) or any("." in name for name in tensors)):
        yield FoundNetwork(key, tensors, beside=beside or {})
        return
    if key.count(".") < _DEEPEST_KEYS:
        for name in _GENERATORS:
            if name in items:
                yield from networks_in(items[name], where, f"{key}.{name}".strip("."), items)


def items_of(value: Any) -> Mapping[Any, Any] | None:
    """Return the items of a mapping in a pickle; None for anything else."""
    if isinstance(value, Call) and value.name in _MAPPINGS and not value.arguments:
        return value.items
    return value if isinstance(value, dict) else None


def _is_module(value: Any) -> bool:
    return isinstance(value, Call) and (
        value.name == _PERSISTENT
        or (isinstance(value.state, dict) and {"_modules", "_parameters"} <= value.state.keys())
    )


def _of_modules(root: Any, where: str, key: str, beside: Mapping[Any, Any]) -> FoundNetwork:
    tensors, modules, kinds = {}, {}, {}
    for name, kind, state in _walk(root, key, where):
        modules[name], kinds[name] = state, kind
        for group in ("_parameters", "_buffers"):
            for own, value in (items_of(state.get(group)) or {}).items():
                if value is not None:
                    tensors[f"{name}.{own}".strip(".")] = value
    return FoundNetwork(key, tensors, modules, kinds, beside)


def _walk(root: Any, key: str, where: str) -> Iterator[tuple[str, str, Mapping[Any, Any]]]:
    """Yield each module's dotted name, class name and state."""
    waiting, seen = [("", root)], 0
    while waiting:
        name, value = waiting.pop()
        kind, state = _module(value, f"{key} {name!r}", where)
        seen += 1
        # Many modules may refer to one, so a small file could describe an endless number.
        if seen > _MOST_MODULES or name.count(".") > _DEEPEST:
            raise bad_checkpoint(where, f"must hold at most {_MOST_MODULES} modules", "more")
        yield name, kind, state
        for child, module in (items_of(state.get("_modules")) or {}).items():
            if module is not None:
                waiting.append((f"{name}.{child}".strip("."), module))


def _module(value: Any, name: str, where: str) -> tuple[str, Mapping[Any, Any]]:
    """Return a module's class name and state."""
    if not _is_module(value):
        raise bad_checkpoint(where, f"must hold a module at {name[:200]}", shown(value))
    if value.name != _PERSISTENT:
        return value.name.name[:80], value.state
    record = items_of(value.arguments[0]) if len(value.arguments) == 1 else None
    state = None if record is None else items_of(record.get("state"))
    if record is None or state is None:
        raise bad_checkpoint(where, f"must hold a module's state at {name[:200]}", "none")
    kind = record.get("class_name")
    return kind[:80] if isinstance(kind, str) else shown(kind), state
