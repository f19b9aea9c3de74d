"""Ways to a mix within every context side by side: `compare --contexts`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from equipoise.cli.app import out_console
from equipoise.cli.console import bars, dry_run, print_table
from equipoise.cli.options import Given
from equipoise.core.settings import Settings, make_settings

OWN = "own"
"""Stands for the contexts that the generator has of itself."""


def compare_within(
    given: Given,
    config: Path | None,
    contexts: str,
    out: Path,
    json_file: Path | None,
    *,
    dry: bool,
) -> None:
    """Compare all ways to a mix within every context, print the table, and write the page.

    Parameters
    ----------
    given : dict
        Settings that options gave.
    config : Path, optional
    contexts : str
        A list of prompts, or `OWN`.
    out : Path
        Folder.
    json_file : Path, optional
    dry : bool
        Stop after settings and cost.
    """
    from equipoise.generators.address import with_prompts

    settings = make_settings(given, config)
    if contexts != OWN:
        settings = replace(settings, generator=with_prompts(settings.generator, contexts))
    tables = {f"label {what}": settings.n for what in ("edits", "prompts", "prompts and edits")}
    from equipoise.compare.context_methods import BEST_OF, METHODS
    from equipoise.compare.contexts import IMAGES, compare_contexts, remarks, table
    from equipoise.compare.contexts import write_contexts_page as write_page

    dry_run(out_console, settings, tables)
    images = f"{settings.measure_n or IMAGES:,} images" + " of each context" * (
        settings.measure_n is None
    )
    out_console.print(
        f"draw     {images} for each of {len(METHODS)} methods, and {max(BEST_OF)} times as many "
        "of the prompts, on top of that",
        highlight=False,
    )
    if dry:
        return
    from equipoise.core.records import write_record

    with bars() as progress:
        results = compare_contexts(settings, out, progress)
    print_table(out_console, *table(results))
    for remark in remarks(results):
        out_console.print(remark, highlight=False, markup=False)
    command = command_words(settings, given, {"contexts": contexts})
    write_page(out / "compare.md", command, results)
    if json_file is not None:
        write_record(json_file, results)
    out_console.print(f"page     {out / 'compare.md'}")


def command_words(
    settings: Settings, given: Given, more: Mapping[str, str], features: Sequence[str] = ()
) -> str:
    """Return the command `compare` that repeats these results, but for --out."""
    flags = {name: value for name, value in settings.to_dict().items() if name in given}
    flags = {**flags, "attributes": ",".join(settings.attributes), **more}
    del flags["classifiers"]
    pairs = ((k, shlex.quote(str(v))) for k, v in flags.items() if v is not None)
    words = [f"--{k.replace('_', '-')} {v}" for k, v in pairs]
    words += [f"--features {name}" for name in features]
    words += [f"--classifier {shlex.quote(uri)}" for uri in settings.classifiers]
    return " ".join(["equipoise compare", *words])
