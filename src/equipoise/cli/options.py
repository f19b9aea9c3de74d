"""Options of the command line, made from what `Settings` declares of each setting.

A command takes settings in one of two ways. A parameter annotated with `SettingOptions` stands for
the options of several settings, and receives a mapping from name to value, None where an option is
not given. A parameter annotated with one of the names below is the option of one setting.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import typer
from typer.models import OptionInfo

from equipoise.core.settings import Settings, setting_info, setting_kinds

Given = dict[str, Any]
"""Settings by name, as options gave them; None where an option is not given."""

_FIELDS = {field.name: field for field in fields(Settings)}


class SettingOptions:
    """Marks a parameter of a command that stands for the options of settings.

    Parameters
    ----------
    names : str
        Settings, in the order of `--help`; all by default.
    """

    def __init__(self, *names: str) -> None:
        self.names = names or tuple(_FIELDS)


def option(name: str) -> OptionInfo:
    """Return the option of a setting: its flag, and its help with the default."""
    field = _FIELDS[name]
    info = setting_info(field)
    shown = info.shown
    if shown is None and field.default not in (None, MISSING):
        default = field.default
        shown = ",".join(default) if isinstance(default, tuple) else str(default)
    text = f"{info.help} [{shown}]" if shown else info.help
    flag = info.flag or f"--{name.replace('_', '-')}"
    made: OptionInfo = typer.Option(flag, help=text)
    return made


def _annotation(name: str) -> Any:
    """Return the annotated type of a setting's option; None stands for "not given"."""
    kinds = [kind for kind in setting_kinds()[name] if kind is not type(None)]
    kind = kinds[0] if len(kinds) == 1 and kinds[0] is not tuple else str
    if setting_info(_FIELDS[name]).several:
        return Annotated[list[str] | None, option(name)]
    return Annotated[kind | None, option(name)]


def takes_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of its parameters that are annotated with `SettingOptions`.

    Its signature, which Typer reads, has an option for each setting where such a parameter stood.
    """
    signature = inspect.signature(command, eval_str=True)
    parameters: list[inspect.Parameter] = []
    groups: dict[str, tuple[str, ...]] = {}
    for parameter in signature.parameters.values():
        marks = get_args(parameter.annotation)[1:] if _is_annotated(parameter) else ()
        found = [mark.names for mark in marks if isinstance(mark, SettingOptions)]
        if not found:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
            continue
        groups[parameter.name] = found[0]
        parameters += [
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_annotation(name)
            )
            for name in found[0]
        ]

    @functools.wraps(command)
    def run(**values: Any) -> None:
        for name, settings in groups.items():
            values[name] = {setting: values.pop(setting) for setting in settings}
        command(**values)

    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return run


def _is_annotated(parameter: inspect.Parameter) -> bool:
    return get_origin(parameter.annotation) is Annotated


GeneratorName = Annotated[str | None, option("generator")]
Attributes = Annotated[str | None, option("attributes")]
Classifiers = Annotated[list[str] | None, option("classifiers")]
Device = Annotated[str | None, option("device")]
MixedDevices = Annotated[bool | None, option("mixed_devices")]
Workers = Annotated[int | None, option("workers")]
EngineName = Annotated[
    str, typer.Option("--engine", help="Where shards are done: threads, processes, ray.")
]
Address = Annotated[
    str | None,
    typer.Option(help="Of a Ray cluster, or auto. [one on this machine]", show_default=False),
]
GpusPerWorker = Annotated[
    float, typer.Option("--gpus-per-worker", help="Share of a GPU for each process or actor.")
]
SkipBroken = Annotated[
    bool, typer.Option("--skip-broken", help="Leave out images that cannot be read; count them.")
]
AbstainBelow = Annotated[float | None, option("abstain_below")]
Fraction = Annotated[float | None, option("fraction")]
Multilevel = Annotated[str | None, option("multilevel")]

Log = Annotated[
    str | None,
    typer.Option(help="Log the finished run: mlflow, wandb, tensorboard.", show_default=False),
]
Config = Annotated[
    Path | None, typer.Option(help="Settings file (TOML); flags override it.", show_default=False)
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print settings and expected cost, then stop.")
]
JsonFile = Annotated[
    Path | None, typer.Option("--json", help="Write the numbers to this file (docs/record.md).")
]

Faithful = Annotated[
    str | None,
    typer.Option(
        help="For verified draws: a number that the sampler was made with, exact or typical. "
        "[the sampler's own]",
    ),
]

Moved = Annotated[
    str | None,
    typer.Option(
        "--generator", help="The sampler's generator in another file, as `convert` makes it."
    ),
]
