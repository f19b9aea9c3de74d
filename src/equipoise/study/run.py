"""Runs a study, one pair of generator and target after the other.

The run of a pair is OUT/GENERATOR/TARGET; labels of a generator's prior are paid for once. A
stopped study goes on from what the folders hold.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from equipoise.core.completion import SUFFIX
from equipoise.core.files import atomic_path, write_text
from equipoise.core.progress import Progress, no_progress
from equipoise.core.records import write_record
from equipoise.core.settings import Settings
from equipoise.core.targets import parse_target
from equipoise.pipeline import balance, open_models
from equipoise.report.html import ALONE
from equipoise.runs.folder import RunFolder
from equipoise.study.audits import audit_run, open_audited
from equipoise.study.file import read_study
from equipoise.study.record import Study, in_numbers


def run_study(file: Path | str, out: Path | str, progress: Progress = no_progress) -> Study:
    """Balance each generator of a study to each target, audit, and write one report.

    It is study.html, and its numbers study.json.

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
        As `read_study`, `balance` and `audit_classifier`; what was computed is kept. Targets and
        audited models are checked before the first run.
    """
    plan, home = read_study(Path(file)), Path(out)
    wanted = plan.runs
    each = {one.generator: one for one in wanted.values()}
    grids = {generator: open_models(one).panel.grid for generator, one in each.items()}
    for settings in wanted.values():
        parse_target(settings.target, grids[settings.generator])
    audited = {name: (wished, open_audited(wished)) for name, wished in plan.audits.items()}
    runs = []
    labels: dict[str, Path] = {}
    for done, ((generator, target), settings) in enumerate(wanted.items()):
        progress("study", done, len(wanted))
        run = RunFolder(home / generator / target)
        if not _finished(run, settings):
            if generator in labels:
                _copy_labels(labels[generator], run.labels)
            balance(settings, run.path, progress)
        labels.setdefault(generator, run.labels)
        place = f"{generator}/{target}"
        audits = tuple(
            audit_run(name, wished, model, run, settings, f"{place}/audits", home, progress)
            for name, (wished, model) in audited.items()
        )
        runs.append(in_numbers(generator, target, run, audits))
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
    for path in sorted(
        source.glob("[!.]*"), key=lambda path: (path.name.endswith(SUFFIX), path.name)
    ):
        with atomic_path(target / path.name) as part:
            shutil.copyfile(path, part)
