"""The graph of an exported network, called step by step.

Names are those of torch 2.13's `torch/_export/serde/schema.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from equipoise.runtimes.torch_export.archive import DTYPES, Exported
from equipoise.runtimes.torch_export.operators import CHECKS, operator_of

_MOST_STEPS = 200_000
_FORMATS = {
    1: torch.contiguous_format,
    2: torch.channels_last,
    3: torch.channels_last_3d,
    4: torch.preserve_format,
}
_STRIDED = 7
_BY_NAME = 2
_STATE = {
    "parameter": "parameter_name",
    "buffer": "buffer_name",
    "tensor_constant": "tensor_constant_name",
}
_PLAIN = ("as_int", "as_ints", "as_string", "as_bool", "as_bools")
_EITHER = ("as_optional_tensor", "as_sym_int", "as_sym_float", "as_sym_bool")
"""Arguments that hold a name or a value."""


@dataclass(frozen=True)
class Earlier:
    """An argument that is an earlier step's output, or an input."""

    name: str


@dataclass(frozen=True, eq=False)
class Step:
    """One call.

    Attributes
    ----------
    call : callable
    positional, by_name : list and dict of values
        With `Earlier` for what is computed, also within lists.
    outputs : tuple of str
        Names of what it gives.
    many : bool
        Whether it gives a tuple or a list, one value for each name.
    """

    call: Callable[..., Any]
    positional: Sequence[Any]
    by_name: Mapping[str, Any]
    outputs: tuple[str, ...]
    many: bool

    def uses(self) -> set[str]:
        """Return the names of the values that it needs."""
        return _names([*self.positional, *self.by_name.values()])


class Program:
    """An exported network that takes codes alone and gives one tensor.

    Parameters
    ----------
    exported : Exported
    device : torch.device
        Where to compute, wherever it was exported.

    Attributes
    ----------
    code_shape : tuple of int or None
        Of one code; None where it is not fixed.
    batch : int or None
        Codes in a call, where it is fixed.
    names : tuple of str
        Of the tensors that steps give.

    Raises
    ------
    ValueError
        When it calls what is not allowed, changes its own weights, or takes more than codes.
    """

    def __init__(self, exported: Exported, device: torch.device) -> None:
        graph, signature = exported.graph["graph"], exported.graph["signature"]
        self._state: dict[str, torch.Tensor] = {}
        inputs = []
        for spec in signature["input_specs"]:
            ((kind, told),) = spec.items()
            if kind in _STATE:
                tensor = exported.tensors[told[_STATE[kind]]]
                self._state[told["arg"]["name"]] = tensor.to(device)
            elif kind == "user_input" and "as_tensor" in told["arg"]:
                inputs.append(told["arg"]["as_tensor"]["name"])
            else:
                raise ValueError(f"an input that is no tensor ({kind})")
        if len(inputs) != 1:
            raise ValueError(f"{len(inputs)} inputs in place of codes alone")
        self._input = inputs[0]
        kinds = [kind for spec in signature["output_specs"] for kind in spec]
        if set(kinds) != {"user_output"}:
            raise ValueError(f"outputs {sorted(set(kinds))}: it changes itself when it is called")
        if len(graph["nodes"]) > _MOST_STEPS:
            raise ValueError(f"over {_MOST_STEPS:,} steps")
        nodes = [node for node in graph["nodes"] if node["target"] not in CHECKS]
        self._steps = [_step(node, device) for node in nodes]
        output = signature["output_specs"][0]["user_output"]["arg"]["as_tensor"]["name"]
        self._whole = self.until(output)
        self.names = tuple(name for step in self._steps for name in step.outputs)
        about = graph["tensor_values"][self._input]
        if about["dtype"] not in DTYPES or DTYPES[about["dtype"]] != torch.float32:
            raise ValueError("codes that are not float32")
        sizes = [size.get("as_int") for size in about["sizes"]]
        self.batch: int | None = sizes[0]
        known = len(sizes) > 1 and None not in sizes[1:]
        self.code_shape: tuple[int, ...] | None = tuple(sizes[1:]) if known else None

    def __call__(self, codes: torch.Tensor) -> torch.Tensor:
        """Return the first output for codes, shape (n, ...), float32."""
        return self._whole(codes)

    def until(self, name: str) -> Callable[[torch.Tensor], torch.Tensor]:
        """Return a call that computes one named tensor, and only what leads there."""
        steps, needed = [], {name}
        # What no later step needs is dropped, so that few maps are held at a time.
        for step in reversed(self._steps):
            if needed.isdisjoint(step.outputs):
                continue
            uses = step.uses()
            steps.append((step, uses - needed))
            needed |= uses
        steps.reverse()

        def run(codes: torch.Tensor) -> torch.Tensor:
            values: dict[str, Any] = {**self._state, self._input: codes}
            for step, last_used in steps:
                given = step.call(
                    *_filled(step.positional, values),
                    **{key: _filled(value, values) for key, value in step.by_name.items()},
                )
                parts = given if step.many else (given,)
                values.update(zip(step.outputs, parts, strict=True))
                for used in last_used:
                    del values[used]
            found: torch.Tensor = values[name]
            return found

        return run


def _step(node: Mapping[str, Any], device: torch.device) -> Step:
    target = str(node["target"])
    call = operator_of(target)
    if call is None:
        raise ValueError(f"a call of {target[:100]}, which is not one of those known to be safe")
    arguments = [(_argument(i["arg"], device), i["name"], i["kind"]) for i in node["inputs"]]
    outputs: list[str] = []
    many = len(node["outputs"]) > 1
    for output in node["outputs"]:
        ((kind, told),) = output.items()
        if kind in ("as_tensors", "as_optional_tensors"):
            many = True
            outputs += [part["name"] for part in told]
        elif kind in ("as_tensor", "as_optional_tensor"):
            outputs.append(told["name"])
        else:
            outputs.append(told["as_name"])
    return Step(
        call,
        [value for value, _, kind in arguments if kind != _BY_NAME],
        {name: value for value, name, kind in arguments if kind == _BY_NAME},
        tuple(outputs),
        many,
    )


def _argument(told: Mapping[str, Any], device: torch.device) -> Any:
    """Return an argument's value, with `Earlier` for what is computed."""
    ((kind, value),) = told.items()
    if kind in ("as_name", "name"):
        return Earlier(value)
    if kind == "as_none":
        return None
    if kind == "as_tensor":
        return Earlier(value["name"])
    if kind in ("as_tensors", "as_sym_ints", "as_sym_floats", "as_optional_tensors"):
        return [_argument(part, device) for part in value]
    if kind in _EITHER:
        return _argument(value, device)
    if kind in _PLAIN:
        return value
    # JSON has no infinity and no NaN, which are written as text.
    if kind == "as_float":
        return float(value)
    if kind == "as_floats":
        return [float(part) for part in value]
    if kind == "as_scalar_type":
        return DTYPES[value]
    if kind == "as_memory_format":
        return _FORMATS[value]
    if kind == "as_layout" and value == _STRIDED:
        return torch.strided
    if kind == "as_device":
        return device
    raise ValueError(f"an argument of kind {kind}")


def _filled(value: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(value, Earlier):
        return values[value.name]
    if isinstance(value, list):
        return [_filled(part, values) for part in value]
    return value


def _names(values: Sequence[Any]) -> set[str]:
    found = set()
    for value in values:
        if isinstance(value, Earlier):
            found.add(value.name)
        elif isinstance(value, list):
            found |= _names(value)
    return found
