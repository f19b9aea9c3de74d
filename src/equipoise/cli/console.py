"""What the terminal shows: progress bars, settings, tables of figures."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress
from rich.table import Column, Table
from rich.text import Text

from equipoise.cli.app import err_console, shown
from equipoise.core.errors import InputError
from equipoise.core.numbers import decimals, estimate, interval, percent
from equipoise.core.progress import no_progress

if TYPE_CHECKING:
    from equipoise.core.progress import Progress
    from equipoise.core.settings import Settings
    from equipoise.measure.representation import Representation
    from equipoise.runs.record import DirectionsInfo
    from equipoise.samplers.statements import ModeStatement

_SECONDS_BETWEEN_LINES = 10.0

_WORD = 40
"""Longest word for which a table leaves a whole column, half of the narrowest usual terminal."""


class _Rate(ProgressColumn):
    """Units a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f}/s" if task.speed else "", style="progress.data.speed")


@contextmanager
def bars(*, resumes: bool = True) -> Iterator[Progress]:
    """Yield a progress that draws bars with throughput and time left, or prints lines to a log.

    Ctrl-C ends the program with a message on what is kept.
    """
    try:
        with _drawn() as progress:
            yield progress
    except KeyboardInterrupt:
        kept = "What was written is kept; the same command resumes."
        begins = "Nothing was kept; the same command starts again."
        err_console.print(f"Stopped. {kept if resumes else begins}")
        raise SystemExit(130) from None


def picture_files(folder: Path, *, skip_broken: bool, workers: int | None = None) -> list[Path]:
    """Return a folder's whole image files, and print how many others are left out, and why."""
    from equipoise.core.progress import Execution
    from equipoise.labelling.picture_folder import find_pictures, whole_pictures

    found = find_pictures(folder)
    for line in found.described():
        err_console.print(line)
    with bars(resumes=False) as progress:
        execution = Execution(workers=workers, progress=progress)
        whole = whole_pictures(found.files, skip_broken=skip_broken, execution=execution)
    if broken := len(found.files) - len(whole):
        err_console.print(f"left out {broken:,}: broken files")
    return whole


@contextmanager
def _drawn() -> Iterator[Progress]:
    if shown.progress != "auto" or not sys.stderr.isatty():
        yield {"none": no_progress, "json": _json_lines(), "auto": _lines()}[shown.progress]
        return
    with RichProgress(
        TextColumn("{task.description:8}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    ) as drawn:
        tasks: dict[str, TaskID] = {}
        clocks = _Clocks()

        def progress(stage: str, done: int, total: int) -> None:
            begins = clocks.begins(stage, done)
            if stage not in tasks:
                tasks[stage] = drawn.add_task(stage, total=total, completed=done)
            elif begins:
                drawn.reset(tasks[stage], completed=done)
            drawn.update(tasks[stage], completed=done, total=total)

        yield progress


class _Clocks:
    """When stages began. One that goes back begins again: several draws have the same name."""

    def __init__(self) -> None:
        self._began: dict[str, tuple[float, int]] = {}
        self._last: dict[str, int] = {}
        self._shown: dict[str, float] = {}

    def begins(self, stage: str, done: int) -> bool:
        """Note how much is done, and return whether the stage begins with it."""
        begins = stage not in self._last or done < self._last[stage]
        self._last[stage] = done
        if begins:
            self._began[stage] = (time.monotonic(), done)
        return begins

    def shown(self, stage: str, done: int, total: int, every: float) -> tuple[float, int] | None:
        """Return the seconds of a stage, and how much was done before, where it is to be shown.

        That is at its start and end, and in between after `every` seconds.
        """
        begins, now = self.begins(stage, done), time.monotonic()
        if not begins and done < total and now - self._shown[stage] < every:
            return None
        self._shown[stage] = now
        began, before = self._began[stage]
        return now - began, before


def _lines() -> Progress:
    """Give a progress that prints a line at the start and the end of a stage, and now and then."""
    clocks = _Clocks()

    def progress(stage: str, done: int, total: int) -> None:
        found = clocks.shown(stage, done, total, _SECONDS_BETWEEN_LINES)
        if found is None:
            return
        seconds, before = found
        rate = (done - before) / seconds if seconds > 0 else 0.0
        speed = f"{rate:,.0f}/s" if rate > 2 else f"{1 / rate:,.1f} s each" if rate else ""
        left = f", {speed}, {(total - done) / rate:,.0f} s left" if rate else ""
        err_console.print(f"{stage:8} {done:,}/{total:,}{left}")

    return progress


def _json_lines() -> Progress:
    """Give a progress that writes JSON lines to standard error, at most one a second a stage."""
    clocks = _Clocks()

    def progress(stage: str, done: int, total: int) -> None:
        found = clocks.shown(stage, done, total, every=1)
        if found is None:
            return
        line = {"stage": stage, "done": done, "total": total, "seconds": round(found[0], 3)}
        print(json.dumps(line), file=sys.stderr, flush=True)  # noqa: T201

    return progress


def dry_run(
    console: Console,
    settings: Settings,
    cost: Mapping[str, int],
    *,
    only: Collection[str] | None = None,
) -> None:
    """Print the resolved settings and what they will cost: generator calls by purpose.

    `only` names the settings that the command has; all by default.
    """
    from equipoise.classifiers import PINNED, open_classifier, pinned_needed
    from equipoise.classifiers.base import KeepsAnswers
    from equipoise.generators import check_name
    from equipoise.runtimes import zoo

    check_name(settings.generator)
    table = Table("setting", "value", title="settings", title_justify="left")
    for name, value in settings.to_dict().items():
        if only is not None and name not in only:
            continue
        shown = ", ".join(value) if isinstance(value, list) else str(value)
        table.add_row(name, "automatic" if value is None else shown)
    console.print(table)
    parts = ", ".join(f"{calls:,} to {what}" for what, calls in cost.items() if calls)
    if cost:
        console.print(
            f"cost     {sum(cost.values()):,} generator calls, each with one reading ({parts})"
        )
    own = [open_classifier(uri) for uri in settings.classifiers if not uri.startswith(PINNED)]
    if asked := [one.name for one in own if isinstance(one, KeepsAnswers)]:
        console.print(
            f"asks     each reading asks {', '.join(asked)}, and so do pictures of a report, 12 of "
            "each cell; what was answered before is not asked again"
        )
    models = {settings.generator} & zoo.MODELS.keys()
    # The toys bring their own classifier.
    if settings.generator.partition(":")[0] not in ("toy", "toy-text"):
        models |= pinned_needed(settings.attributes, settings.classifiers, own)
    if missing := sorted(name for name in models if not zoo.is_cached(name)):
        console.print(f"fetch    models not cached yet: {', '.join(missing)}")


def print_table(console: Console, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows of text under their names; columns of single words are not broken."""
    texts = ([name, *(row[i] for row in rows)] for i, name in enumerate(columns))
    single = [all(len(t) <= _WORD and " " not in t for t in own) for own in texts]
    table = Table(
        *(
            Column(name, overflow="fold", no_wrap=whole)
            for name, whole in zip(columns, single, strict=True)
        )
    )
    for row in rows:
        table.add_row(*row)
    console.print(table)


def refuse_flags(where: str, flags: Mapping[str, object]) -> None:
    """Refuse flags that mean nothing here.

    Raises
    ------
    InputError
        When one of them is given.
    """
    for name, value in flags.items():
        if value is not None:
            raise InputError(f"--{name}", f"must not be given {where}", value, "Leave it out.")


def print_statement(console: Console, mode: ModeStatement) -> None:
    """Print what verified draws are, as stated before any draw."""
    title = f"verified draws, --faithful {mode.faithful} (95 % intervals)"
    table = Table("cell", "faithfulness", "calls, alone", "effective share", title=title)
    table.title_justify = "left"
    for cell in mode.cells:
        table.add_row(
            cell.cell,
            estimate(cell.faithfulness, percent),
            estimate(cell.calls),
            estimate(cell.effective, percent),
        )
    console.print(table)
    console.print(
        f"calls per verified image of the target, many at a time: {estimate(mode.calls)}",
        highlight=False,
    )


def print_representation(console: Console, title: str, representation: Representation) -> None:
    """Print the verdict, shares with simultaneous intervals, and distances from the target."""
    table = Table("cell", "share", "95 % together", "target", title=title, title_justify="left")
    for share in representation.cells:
        table.add_row(
            share.name,
            percent(share.share),
            interval(*share.joint, missing="no known image"),
            percent(share.target, missing=""),
        )
    console.print(table)
    line = f"n = {representation.n:,}, unknown {representation.unknown:,}"
    if representation.kl is not None:
        line += f", KL to target {representation.kl:.4f} (floor {representation.kl_floor:.4f})"
        line += f", total variation {percent(representation.total_variation)}"
    console.print(line, highlight=False)
    if representation.verdict.outcome != "not_applicable":
        console.print(f"verdict  {representation.verdict.words}", highlight=False)


def print_caveats(console: Console, caveats: Sequence[str]) -> None:
    """Print what a reader of the numbers must know."""
    for caveat in caveats:
        console.print(f"caveat   {caveat}")


def print_directions(console: Console, quality: DirectionsInfo) -> None:
    """Print how well each hyperplane separates held-out codes."""
    table = Table("attribute", "positive side", "accuracy", "AUC", "fraction", "fitted", "tested")
    for plane in quality.planes:
        table.add_row(
            plane.attribute,
            ", ".join(plane.positive),
            percent(plane.accuracy),
            decimals(plane.auc, 3),
            percent(plane.fraction, 0),
            str(plane.fitted),
            str(plane.held_out),
        )
    console.print(table)
