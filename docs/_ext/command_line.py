"""Writes the reference of the command line into its page, from the commands themselves.

`reference/command-line.md` has a line `<!-- commands -->`, in place of which every command stands
with its help, its arguments and its options, as `--help` prints them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer

PAGE = "reference/command-line"
MARK = "<!-- commands -->"


def _commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield every command that can be run, with its full name, in alphabetical order."""
    if hasattr(command, "commands"):
        for key in sorted(command.commands):
            yield from _commands(command.commands[key], f"{name} {key}")
    else:
        yield name, command


def _linked(text: str) -> str:
    """Turn the pages that a help names by their path into links."""
    return re.sub(r"\bdocs/([\w/-]+)\.md", r"[\1](../\1.md)", text)


def _option(names: str, meaning: str) -> list[str]:
    """Return one argument or option, as its `--help` prints it, in Markdown."""
    title = names.replace(" / ", ", ")
    return [f":::{{option}} {title}", _linked(meaning).replace("*", r"\*"), ":::", ""]


def reference() -> str:
    """Return every command of the command line as Markdown."""
    from equipoise.cli import app

    lines: list[str] = []
    for name, command in _commands(typer.main.get_command(app), "equipoise"):
        context = command.context_class(command, info_name=name)
        usage = " ".join([name, *command.collect_usage_pieces(context)])
        lines += [f"## {name}", "", f":::{{program}} {name}", ":::", ""]
        lines += [_linked(command.help or ""), "", "```text", usage, "```", ""]
        for parameter in command.get_params(context):
            shown = parameter.get_help_record(context)
            if shown is not None and "--help" not in parameter.opts:
                lines += _option(*shown)
    return "\n".join(lines)


def _fill(app: Any, page: str, source: list[str]) -> None:
    if page == PAGE:
        source[0] = source[0].replace(MARK, reference())


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("source-read", _fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
