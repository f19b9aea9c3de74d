"""The mix within each context, of a folder of images or of a table of labels: for `measure`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from equipoise.cli.app import out_console
from equipoise.cli.console import print_representation
from equipoise.core.numbers import decimals, estimate, percent
from equipoise.core.tables import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from equipoise.core.context_targets import ContextTargets
    from equipoise.core.labels import Labels
    from equipoise.measure.contexts import AbsentCell, ContextsMeasurement

_MOST_ROWS, _MOST_ABSENT = 20, 10
"""Contexts, and cells that never occur, that the terminal shows; the record has all."""


def measure_folder_contexts(
    what: str,
    labels: Labels,
    names: Sequence[str],
    targets: ContextTargets | None,
    tolerance: float,
    neutral: Sequence[str],
    json_file: Path | None,
) -> None:
    """Print, and write, the mix within each context of a folder of labelled images.

    Parameters
    ----------
    what : str
        The folder.
    labels : Labels
    names : sequence of str
        File of each image, relative to the folder.
    targets, tolerance, neutral
        As for `equipoise.measure.contexts.measure_contexts`.
    json_file : Path, optional
    """
    from equipoise.labelling.contexts import contexts_of_folder
    from equipoise.measure.contexts import measure_contexts

    folder = Path(what)
    contexts, empty = contexts_of_folder(folder, [folder / name for name in names])
    found = measure_contexts(labels, contexts, targets, tolerance, empty=empty, neutral=neutral)
    show_contexts(what, found, json_file)


def measure_table_contexts(
    path: Path,
    attributes: str | None,
    target: str | None,
    tolerance: float,
    neutral: Sequence[str],
    json_file: Path | None,
) -> None:
    """Print, and write, the mix within each context of a table of labels.

    Parameters
    ----------
    path, attributes
        As for `equipoise.labelling.contexts.read_label_table`.
    target : str, optional
        As `parse_context_targets` reads it; uniform by default.
    tolerance : float
    neutral : sequence of str
        Contexts that ask for no kind of person.
    json_file : Path, optional
    """
    from equipoise.core.context_targets import parse_context_targets
    from equipoise.labelling.contexts import read_label_table
    from equipoise.measure.contexts import measure_contexts

    labels, contexts = read_label_table(path, attributes)
    wanted = None if target is None else parse_context_targets(target, labels.grid)
    found = measure_contexts(labels, contexts, wanted, tolerance, neutral=neutral)
    show_contexts(str(path), found, json_file)


def show_contexts(title: str, found: ContextsMeasurement, json_file: Path | None) -> None:
    """Print the mix within each context, and write it where a file is named."""
    from equipoise.core.records import write_record

    print_representation(out_console, f"{title}: all contexts together", found.pooled)
    table = Table(
        "context", "images", "deviation ratio", "farthest cell", "its share", "verdict",
        title="within each context, worst first (95 %, all contexts and cells together)",
        title_justify="left",
    )  # fmt: skip
    for mix in found.contexts[:_MOST_ROWS]:
        share = None
        if mix.farthest:
            share = mix.counts[found.cells.index(mix.farthest)] / (mix.n - mix.unknown)
        table.add_row(
            shown(mix.name),
            f"{mix.n:,}" + (f" ({mix.unknown:,} unknown)" if mix.unknown else ""),
            estimate(mix.deviation, decimals),
            mix.farthest,
            percent(share, missing=""),
            mix.verdict.replace("_", " "),
        )
    out_console.print(table)
    if (more := len(found.contexts) - _MOST_ROWS) > 0:
        out_console.print(f"and {more:,} contexts more, all of them in the file of --json")
    show_absent("absent ", found.absent)
    mean = estimate(found.mean, decimals)
    lines: tuple[str, ...] = (
        f"mean     deviation ratio {mean}; a perfect generator has {found.floor:.2f}",
        f"tenth    of the contexts: {estimate(found.worst_decile, decimals)} or more",
        f"KL       {decimals(found.kl, 4)} within contexts (floor {decimals(found.kl_floor, 4)}), "
        f"{decimals(found.pooled.kl, 4)} over the pool",
        f"pool     deviation ratio {estimate(found.pooled_deviation, decimals)}",
        f"verdict  {found.with_verdict('meets'):,} contexts meet the target, "
        f"{found.with_verdict('misses'):,} miss it, {found.with_verdict('undecided'):,} undecided",
        f"caveat   {found.warning}",
    )
    if (diversity := found.diversity) is not None:
        lines += (
            f"neutral  diversity {estimate(diversity.intrinsic, decimals)} (ID), of "
            f"{diversity.neutral:,} contexts together; a tenth of {diversity.others:,} others have "
            f"at most {estimate(diversity.robust, decimals)} (CA_0.1)",
            f"MGBI     {estimate(diversity.index, decimals)}: the root of their product",
        )
    for line in lines:
        out_console.print(line, highlight=False)
    if json_file is not None:
        write_record(json_file, found)


def show_absent(title: str, cells: Sequence[AbsentCell]) -> None:
    """Print wanted cells that never occur in a context, and what an image of one needs."""
    for one in cells[:_MOST_ABSENT]:
        out_console.print(
            f"{title}  {one.cell} in {shown(one.context)}: none of {one.n:,}, a share of at most "
            f"{percent(one.most)}; an image of it needs {one.calls:,.0f} calls or more",
            highlight=False,
            markup=False,
        )
    if (more := len(cells) - _MOST_ABSENT) > 0:
        out_console.print(f"{title}  {more:,} more")
