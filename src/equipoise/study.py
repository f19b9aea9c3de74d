"""A study: several generators, each balanced to several targets, and one report of all.

study.toml has three tables: `[settings]`, as in settings.toml of a run, `[generators]` and
`[targets]`, each with names of your choice. The run of a pair is OUT/GENERATOR/TARGET; labels of a
generator's prior are paid for once. A stopped study goes on from what the folders hold.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from equipoise.core.completion import SUFFIX
from equipoise.core.errors import InputError
from equipoise.core.estimates import Estimate
from equipoise.core.files import atomic_path, read_toml, write_text
from equipoise.core.progress import Progress, no_progress
from equipoise.core.records import write_record
from equipoise.core.settings import Settings, from_dict
from equipoise.core.targets import parse_target
from equipoise.pipeline import balance, open_models
from equipoise.report.html import ALONE
from equipoise.runs.folder import RunFolder

_REMEDY = "Write [settings], [generators] and [targets], as docs/study.md shows."

_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")


@dataclass(frozen=True, kw_only=True)
class StudyRun:
    """One run of a study in numbers.

    Attributes
    ----------
    generator, target : str
        Names, as in study.toml.
    folder : str
        The run folder, relative to the study.
    method : str
    rarest : float
        Smallest share of a cell in the generator's own output, among cells of positive target.
    verdict : str
        Whether new draws meet the target.
    kl, kl_floor, total_variation : float or None
        Of new draws, as of `Representation`.
    faithful : str or None
        Mode of verified draws; None where the method states none.
    faithfulness : Estimate or None
        Of that mode, the least of all cells.
    calls : float or None
        Of that mode, the calls per verified image of the target.
    """

    generator: str
    target: str
    folder: str
    method: str
    rarest: float
    verdict: str
    kl: float | None
    kl_floor: float | None
    total_variation: float | None
    faithful: str | None
    faithfulness: Estimate | None
    calls: float | None


@dataclass(frozen=True, kw_only=True)
class Study:
    """All runs of a study; the layout of `study.json`.

    Attributes
    ----------
    runs : tuple of StudyRun
        Generator by generator, in the order of study.toml.
    """

    runs: tuple[StudyRun, ...]


def read_study(path: Path) -> dict[tuple[str, str], Settings]:
    """Return the settings of each run of a study file, by the names of generator and target.

    Raises
    ------
    InputError
        When the file cannot be read, or a table, a name or a setting breaks its rule.
    """
    tables = read_toml(path, _REMEDY, what="study")
    known = ("settings", "generators", "targets")
    for name, table in tables.items():
        if name not in known or not isinstance(table, Mapping):
            rule = f"must be one of the tables {', '.join(known)}"
            raise InputError(f"{name} in study {path}", rule, table, _REMEDY)
    for name in known[1:]:
        entries: dict[str, Any] = tables.get(name, {})
        if not entries:
            raise InputError(f"{name} in study {path}", "must name at least one", entries, _REMEDY)
        for key, value in entries.items():
            if not _NAME.fullmatch(key) or not isinstance(value, str):
                rule = "must be a text, under a name of letters, digits, _ and -"
                raise InputError(f"{key} of {name} in study {path}", rule, value, _REMEDY)
    common = tables.get("settings", {})
    for name, instead in (("generator", known[1]), ("target", known[2])):
        if name in common:
            rule, remedy = "must not be given", f"Move it to [{instead}]."
            raise InputError(f"{name} of settings in study {path}", rule, common[name], remedy)
    return {
        (generator, target): from_dict({**common, "generator": address, "target": text})
        for generator, address in tables["generators"].items()
        for target, text in tables["targets"].items()
    }


def run_study(file: Path | str, out: Path | str, progress: Progress = no_progress) -> Study:
    """Balance each generator of a study to each target, and write study.html and study.json.

    Parameters
    ----------
    file : Path
        The study, TOML.
    out : Path
        Folder of the study; made when missing.
    progress : Progress
        Called at each step of each run; its stages are those of `balance`, and `study`, which
        counts runs.

    Raises
    ------
    EquipoiseError
        As `read_study` and `balance`; what was computed is kept. Targets are checked before the
        first run.
    """
    wanted, home = read_study(Path(file)), Path(out)
    grids = {one.generator: open_models(one).panel.grid for one in wanted.values()}
    for settings in wanted.values():
        parse_target(settings.target, grids[settings.generator])
    runs: list[StudyRun] = []
    labels: dict[str, Path] = {}
    for done, ((generator, target), settings) in enumerate(wanted.items()):
        progress("study", done, len(wanted))
        run = RunFolder(home / generator / target)
        if not _finished(run, settings):
            if generator in labels:
                _copy_labels(labels[generator], run.labels)
            balance(settings, run.path, progress)
        labels.setdefault(generator, run.labels)
        runs.append(_in_numbers(generator, target, run))
    progress("study", len(wanted), len(wanted))
    found = Study(runs=tuple(runs))
    write_record(home / "study.json", found)
    write_text(home / "study.html", ALONE.fill("study.html.jinja", study=found))
    return found


def _finished(run: RunFolder, settings: Settings) -> bool:
    """Return whether a run of these settings is whole; its card is what is written last."""
    if not (run.path / "card.md").is_file():
        return False
    own = run.read_record().settings
    return replace(own, workers=settings.workers) == settings


def _copy_labels(source: Path, target: Path) -> None:
    """Copy the labels of a generator's prior, each shard before the record that it is done."""
    for path in sorted(source.iterdir(), key=lambda path: (path.name.endswith(SUFFIX), path.name)):
        with atomic_path(target / path.name) as part:
            shutil.copyfile(path, part)


def _in_numbers(generator: str, target: str, run: RunFolder) -> StudyRun:
    record = run.read_record()
    first = record.results[0]
    mix = first.representation
    mode = first.tilt.verified[0] if first.tilt else None
    return StudyRun(
        generator=generator,
        target=target,
        folder=f"{generator}/{target}",
        method=first.method,
        rarest=min(share.share for share in record.prior.cells if share.target),
        verdict=mix.verdict.words,
        kl=mix.kl,
        kl_floor=mix.kl_floor,
        total_variation=mix.total_variation,
        faithful=mode.faithful if mode else None,
        faithfulness=min((c.faithfulness for c in mode.cells), key=lambda e: e.value)
        if mode
        else None,
        calls=mode.calls.value if mode else None,
    )
