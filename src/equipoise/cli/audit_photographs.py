"""The same audit on a user's labelled photographs, beside a stored one: audit photographs."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from equipoise.audit.defaults import TOLERANCE
from equipoise.cli.app import audit_app, out_console
from equipoise.cli.audit import Ignore, Plot, Table, print_checks, write_files
from equipoise.cli.console import bars, print_table, refuse_flags
from equipoise.cli.gate import Gate, JUnit, end_gate
from equipoise.cli.options import Address, Classifiers, EngineName, GpusPerWorker, JsonFile, Workers
from equipoise.cli.reports import Pdf, print_report
from equipoise.core.errors import InputError
from equipoise.core.numbers import decimals, estimate, percent
from equipoise.core.progress import Execution

if TYPE_CHECKING:
    from equipoise.audit.photographs.age_record import AgePhotographsAudit
    from equipoise.audit.photographs.match_record import MatchPhotographsAudit
    from equipoise.audit.photographs.record import FlipPhotographsAudit, PhotographsAudit

_RECORDS = ("audit.json", "age.json", "verification.json", "superres.json")


@audit_app.command()
def photographs(
    folder: Annotated[Path, typer.Argument(help="Folder of photographs.")],
    labels: Annotated[
        Path,
        typer.Option(
            help="CSV with file_name, and a column for each attribute; years, the true age, "
            "beside an audit of age; person beside one of verification."
        ),
    ],
    beside: Annotated[
        Path,
        typer.Option(help="Folder of the audit: of a classifier, age, verification or superres."),
    ],
    model: Annotated[
        str,
        typer.Option(
            help="The same model as there, or its answers to the photographs (.csv, .parquet, "
            ".jsonl; descriptors .npz)."
        ),
    ],
    classifiers: Classifiers = None,
    side: Annotated[
        int | None,
        typer.Option(
            help="Pixels of each side to which photographs are cut. [256; that of the generated "
            "images beside superres]",
            show_default=False,
        ),
    ] = None,
    tolerance: Annotated[
        float | None, typer.Option(help="Difference of rates that is tolerated. [0.05]")
    ] = None,
    years: Annotated[
        float | None,
        typer.Option(help="Difference of mean errors of age that is tolerated. [2]"),
    ] = None,
    ratio: Annotated[
        float | None,
        typer.Option(help="Ratio of rates of false matches that is tolerated. [2]"),
    ] = None,
    ignore: Ignore = None,
    seed: Annotated[int, typer.Option(help="Seed of the intervals' draws.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder of the comparison.")] = Path("runs/photographs"),
    workers: Workers = None,
    engine: EngineName = "threads",
    address: Address = None,
    gpus_per_worker: GpusPerWorker = 0.0,
    json_file: JsonFile = None,
    pdf: Pdf = False,
    fail_on: Gate = None,
    junit: JUnit = None,
    table: Table = None,
    plot: Plot = None,
) -> None:
    """Audit a classifier, age, verification or super-resolution on photographs too, and compare.

    A stopped audit is resumed.

    Example: `equipoise audit photographs photos --labels labels.csv --beside runs/audit --model
    mine:model`
    """
    from equipoise.audit.photographs.age_record import AgePhotographsAudit
    from equipoise.audit.photographs.match_record import MatchPhotographsAudit
    from equipoise.audit.photographs.record import FlipPhotographsAudit
    from equipoise.audit.photographs.tables import write_age_comparison
    from equipoise.audit.share_table import write_share_table
    from equipoise.engines import open_engine

    places = open_engine(engine, workers=workers, address=address, gpus_per_worker=gpus_per_worker)
    records = [name for name in _RECORDS if (beside / name).is_file()]
    for flags, own in (
        ({"classifier": classifiers}, ["superres.json"]),
        ({"years": years}, ["age.json"]),
        ({"ratio": ratio}, ["verification.json"]),
        ({"tolerance": tolerance}, ["audit.json", "superres.json"]),
    ):
        if records and records[0] not in own:
            refuse_flags(f"beside {records[0]}", flags)
    wished = _Wished(folder, labels, beside, model, side, tuple(ignore or ()), seed, out)
    if len(records) > 1:
        rule = "must hold the record of one audit"
        remedy = "Move the others to folders of their own."
        raise InputError("beside", rule, " and ".join(records), remedy)
    within = TOLERANCE if tolerance is None else tolerance
    with bars() as progress:
        execution = Execution(workers, progress, places)
        audit: AgePhotographsAudit | FlipPhotographsAudit | MatchPhotographsAudit | PhotographsAudit
        if records == ["age.json"]:
            audit = _of_ages(wished, 2.0 if years is None else years, execution)
        elif records == ["verification.json"]:
            audit = _of_matches(wished, 2.0 if ratio is None else ratio, execution)
        elif records == ["superres.json"]:
            audit = _of_flips(wished, within, classifiers or [], execution)
        else:
            audit = _of_classifier(wished, within, execution)
    print_checks(audit)
    if isinstance(audit, AgePhotographsAudit):
        _print_years(audit)
        print_report(out / "photographs-age.html", pdf)
        write_files(audit, json_file, plot, table, write_age_comparison)
    elif isinstance(audit, MatchPhotographsAudit):
        _print_matches(audit)
        print_report(out / "photographs-verification.html", pdf)
        write_files(audit, json_file, plot, table, write_share_table)
    elif isinstance(audit, FlipPhotographsAudit):
        _print_rates(audit, "Rate of flips by cell:")
        print_report(out / "photographs-superres.html", pdf)
        write_files(audit, json_file, plot, table, write_share_table)
    else:
        _print_rates(audit, "Share of wrong answers by cell:")
        print_report(out / "photographs.html", pdf)
        write_files(audit, json_file, plot, table, write_share_table)
    end_gate("audit on photographs", audit.checks, fail_on, junit)


@dataclass(frozen=True)
class _Wished:
    """What is compared, and where it goes."""

    folder: Path
    labels: Path
    beside: Path
    model: str
    side: int | None
    ignore: tuple[str, ...]
    seed: int
    out: Path

    @property
    def pixels(self) -> int:
        """Of each side to which photographs are cut."""
        from equipoise.audit.labelled_photographs import SIDE

        return SIDE if self.side is None else self.side


def _of_classifier(wished: _Wished, tolerance: float, execution: Execution) -> PhotographsAudit:
    """Compare an audit of a classifier."""
    from equipoise.audit.answer_rows import SUFFIXES
    from equipoise.audit.answers_file import read_answers
    from equipoise.audit.labelled_photographs import read_photographs
    from equipoise.audit.photographs.grid import grid_of
    from equipoise.audit.photographs.record import PhotographsSettings
    from equipoise.audit.photographs.run import audit_photographs
    from equipoise.audit.record import ClassifierAudit
    from equipoise.classifiers.models import ClassifierAddress
    from equipoise.core.records import read_record

    remedy = f"Run `equipoise audit classifier --out {wished.beside}` first."
    stored = read_record(wished.beside / "audit.json", ClassifierAudit, remedy, what="audit")
    attribute, model = stored.settings.attribute, wished.model
    asked = None if model.lower().endswith(SUFFIXES) else ClassifierAddress(model)
    found = read_answers(Path(model), attribute, stored.levels) if asked is None else asked.open()
    settings = PhotographsSettings(
        attribute=attribute,
        by=stored.settings.by,
        tolerance=tolerance,
        side=wished.pixels,
        ignore=wished.ignore,
        seed=wished.seed,
    )
    images = read_photographs(wished.folder, wished.labels, grid_of(stored), wished.pixels)
    return audit_photographs(
        stored, found, images, wished.out, settings, address=asked, execution=execution
    )


def _of_ages(wished: _Wished, years: float, execution: Execution) -> AgePhotographsAudit:
    """Compare an audit of age."""
    from equipoise.audit.age.record import AgeAudit
    from equipoise.audit.labelled_photographs import read_aged
    from equipoise.audit.photographs.age_record import AgePhotographsSettings
    from equipoise.audit.photographs.ages import audit_age_photographs
    from equipoise.audit.photographs.grid import grid_of
    from equipoise.cli.audit_age import open_estimator, read_or_ask
    from equipoise.core.records import read_record

    remedy = f"Run `equipoise audit age --out {wished.beside}` first."
    stored = read_record(wished.beside / "age.json", AgeAudit, remedy, what="audit")
    estimator = open_estimator(wished.model)
    images, truth = read_aged(wished.folder, wished.labels, grid_of(stored), wished.pixels)
    estimates = read_or_ask(wished.model, estimator, images, wished.out, "model", execution)
    settings = AgePhotographsSettings(
        by=stored.settings.by,
        years=years,
        side=wished.pixels,
        ignore=wished.ignore,
        seed=wished.seed,
    )
    return audit_age_photographs(stored, estimates, truth, images, wished.out, settings)


def _of_matches(wished: _Wished, ratio: float, execution: Execution) -> MatchPhotographsAudit:
    """Compare an audit of verification."""
    from equipoise.audit.labelled_photographs import read_people
    from equipoise.audit.photographs.grid import grid_of
    from equipoise.audit.photographs.match_record import MatchPhotographsSettings
    from equipoise.audit.photographs.matches import audit_match_photographs
    from equipoise.audit.verification.describers import DescriberAddress
    from equipoise.audit.verification.descriptors import compute_descriptors, read_descriptors
    from equipoise.audit.verification.record import VerificationAudit
    from equipoise.core.records import read_record

    remedy = f"Run `equipoise audit verification --out {wished.beside}` first."
    stored = read_record(
        wished.beside / "verification.json", VerificationAudit, remedy, what="audit"
    )
    people = read_people(wished.labels, grid_of(stored), wished.pixels, folder=wished.folder)
    images, began = people.images.take(people.first), time.perf_counter()
    if wished.model.endswith(".npz"):
        every = read_descriptors(Path(wished.model), people.images)
        found = replace(every, vectors=every.vectors[people.first])
    else:
        address, kept = DescriberAddress(wished.model), wished.out / "descriptors"
        found = compute_descriptors(address, images.pictures, kept, execution)
    settings = MatchPhotographsSettings(
        by=stored.settings.by,
        threshold=stored.threshold,
        ratio=ratio,
        side=wished.pixels,
        ignore=wished.ignore,
        seed=wished.seed,
    )
    return audit_match_photographs(
        stored,
        found,
        images,
        wished.out,
        settings,
        seconds=time.perf_counter() - began,
    )


def _of_flips(
    wished: _Wished, tolerance: float, classifiers: list[str], execution: Execution
) -> FlipPhotographsAudit:
    """Compare an audit of super-resolution."""
    from equipoise.audit.labelled_photographs import SIDE, read_photographs
    from equipoise.audit.photographs.flips import audit_flip_photographs
    from equipoise.audit.photographs.record import FlipPhotographsSettings
    from equipoise.audit.superres.models import RestorerAddress
    from equipoise.audit.superres.record import SuperresAudit
    from equipoise.classifiers import open_panel
    from equipoise.core.records import read_record

    remedy = f"Run `equipoise audit superres --out {wished.beside}` first."
    stored = read_record(wished.beside / "superres.json", SuperresAudit, remedy, what="audit")
    address = RestorerAddress(wished.model, stored.settings.factor)
    restorer = address.open()
    panel = open_panel(stored.settings.attributes, classifiers=classifiers)
    side = wished.side or stored.pixels
    if stored.pixels and side != stored.pixels:
        rule = f"must be that of the generated images, {stored.pixels}: flips depend on it"
        raise InputError("side", rule, side, "Leave it out.")
    settings = FlipPhotographsSettings(
        attributes=stored.settings.attributes,
        tolerance=tolerance,
        side=side or SIDE,
        ignore=wished.ignore,
        seed=wished.seed,
    )
    images = read_photographs(wished.folder, wished.labels, panel.grid, settings.side)
    return audit_flip_photographs(
        stored,
        restorer,
        panel,
        images,
        wished.out,
        settings,
        address=address,
        execution=execution,
    )


def _print_rates(audit: PhotographsAudit | FlipPhotographsAudit, title: str) -> None:
    out_console.print(title)
    print_table(
        out_console,
        ("cell", "generated", "photographs", "difference"),
        [
            (
                pair.name,
                estimate(pair.synthetic.estimate, percent, missing="-"),
                estimate(pair.real.estimate, percent, missing="-"),
                estimate(pair.difference, percent, missing="-"),
            )
            for pair in audit.agreements[0].pairs
        ],
    )


def _print_years(audit: AgePhotographsAudit) -> None:
    for part in audit.agreements[:2]:
        out_console.print(f"{part.what.capitalize()} of age in years by cell:")
        print_table(
            out_console,
            ("cell", "generated", "photographs", "difference"),
            [
                (
                    pair.name,
                    *(
                        estimate(one, decimals, missing="-")
                        for one in (pair.synthetic, pair.real, pair.difference)
                    ),
                )
                for pair in part.pairs
            ],
        )


def _print_matches(audit: MatchPhotographsAudit) -> None:
    out_console.print("Rate of false matches:")
    print_table(
        out_console,
        ("pairs", "generated", "photographs", "ratio"),
        [
            (
                pair.name,
                estimate(pair.synthetic.estimate, lambda rate: percent(rate, 3), missing="-"),
                estimate(pair.real.estimate, lambda rate: percent(rate, 3), missing="-"),
                estimate(pair.ratio, missing="-"),
            )
            for part in audit.agreements[:2]
            for pair in part.pairs
        ],
    )
