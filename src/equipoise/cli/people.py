"""Labels by people: label export, label import, and both for Label Studio."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from equipoise.cli.app import app, out_console
from equipoise.cli.console import bars, picture_files, print_caveats, print_table, refuse_flags
from equipoise.cli.opening import panel_of
from equipoise.cli.options import Attributes, Classifiers, JsonFile, SkipBroken
from equipoise.core.numbers import decimals, estimate, interval, percent
from equipoise.core.progress import Execution
from equipoise.core.settings import make_settings

if TYPE_CHECKING:
    from equipoise.measure.correction import Correction
    from equipoise.measure.error_matrix import ErrorMatrix

label_app = typer.Typer(help="Labels by people, to correct for errors.", no_args_is_help=True)
app.add_typer(label_app, name="label")


@label_app.command("export")
def label_export(
    folder: Annotated[Path, typer.Argument(help="Folder of images, as `sample --out` writes it.")],
    out: Annotated[Path, typer.Option(help="Folder for raters; must be empty.")],
    attributes: Attributes = None,
    classifiers: Classifiers = None,
    per_answer: Annotated[
        int | None, typer.Option(help="Images of each answer of the classifier. [60]")
    ] = None,
    at_random: Annotated[
        int | None, typer.Option(help="Instead: images at random, whatever the answer.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the choice of images.")] = 0,
    skip_broken: SkipBroken = False,
) -> None:
    """Choose images for people to label, without showing the classifier's answers.

    Answers are those of the folder's metadata.csv, of all its attributes by default. Without this
    file, or with --classifier, the images are classified. Give raters to_label.csv,
    how_to_label.txt, images and sheets; keep answers.csv and plan.json.

    Example: `equipoise label export images --per-answer 60 --out to_label`
    """
    from equipoise.measure.people.task import choose, write_task

    if per_answer is None and at_random is None:
        per_answer = 60
    answered = _answered(folder, attributes, classifiers, skip_broken)
    chosen = choose(answered, per_answer=per_answer, at_random=at_random, seed=seed)
    with bars(resumes=False) as progress:
        write_task(answered, chosen, out, progress=progress)
    out_console.print(
        f"to label {len(chosen.rows):,} of {len(answered.files):,} images, "
        f"{len(chosen.answers)} answers: {out}"
    )


def _answered(
    folder: Path, attributes: str | None, classifiers: list[str] | None, skip_broken: bool
) -> Any:
    from equipoise.measure.people.task import read_with_panel
    from equipoise.samplers.export.metadata import METADATA, read_metadata

    if (folder / METADATA).is_file() and not classifiers:
        refuse_flags(f"with {METADATA}", {"skip-broken": skip_broken or None})
        names = None if attributes is None else make_settings({"attributes": attributes}).attributes
        return read_metadata(folder, names)
    panel = panel_of(attributes, classifiers)
    print_caveats(out_console, panel.caveats)
    files = picture_files(folder, skip_broken=skip_broken)
    with bars(resumes=False) as progress:
        return read_with_panel(folder, files, panel, execution=Execution(progress=progress))


@label_app.command("import")
def label_import(
    folder: Annotated[Path, typer.Argument(help="Folder that `label export` wrote.")],
    tables: Annotated[list[Path], typer.Argument(help="Filled to_label.csv, one a rater.")],
    run: Annotated[
        Path | None, typer.Option(help="Run folder that keeps and shows the correction.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the intervals' draws.")] = 0,
    json_file: JsonFile = None,
) -> None:
    """Measure the classifier's errors with people's labels, and correct the shares for them.

    Example: `equipoise label import to_label anna.csv ben.csv --json corrected.json`
    """
    from equipoise.core.records import write_record
    from equipoise.measure.people.judgement import evaluate_annotations, read_ratings
    from equipoise.measure.people.task import check_drawn_by, read_task
    from equipoise.report.card import write_card
    from equipoise.report.run_page import render
    from equipoise.runs.folder import RunFolder
    from equipoise.samplers.file import load_sampler

    kept = None if run is None else RunFolder(run)
    if kept is not None:
        kept.read_record()  # A folder that is no run fails before it is written to.
    task = read_task(folder)
    if kept is not None:
        own = load_sampler(kept.sampler)
        check_drawn_by(task, own.digest, own.grid.names)
    judged = evaluate_annotations(task, read_ratings(tables, task), seed=seed)
    print_table(
        out_console,
        (
            "attribute",
            "raters",
            "rated twice",
            "pairs that agree",
            "within one level",
            "Cohen kappa",
            "Krippendorff alpha",
            "implied error",
            "ties",
            "not rated",
        ),
        [
            (
                a.attribute,
                str(a.raters),
                str(a.rated_twice),
                *(
                    "-" if one is None else estimate(one, percent, missing="-")
                    for one in (a.exact, a.within_one)
                ),
                decimals(a.kappa, 3),
                decimals(a.alpha, 3),
                decimals(a.implied_error, 3),
                str(a.ties),
                str(a.unrated),
            )
            for a in judged.agreement
        ],
    )
    rows = [
        (
            a.attribute,
            one.tone,
            str(one.rated_twice),
            estimate(one.agreement, percent, missing="-"),
            decimals(one.alpha, 3),
        )
        for a in judged.agreement
        for one in a.by_tone
    ]
    if rows:
        header = ("attribute", "tone", "rated twice", "pairs that agree", "Krippendorff alpha")
        print_table(out_console, header, rows)
    for errors, correction in zip(judged.errors, judged.corrections, strict=True):
        _print_errors(errors)
        _print_correction(correction)
    if json_file is not None:
        write_record(json_file, judged)
    if kept is not None:
        kept.write_corrected(judged, own.digest)
        out_console.print(f"report   {render(kept)}")
        out_console.print(f"card     {write_card(kept)}")


@label_app.command("export-studio")
def label_export_studio(
    folder: Annotated[Path, typer.Argument(help="Folder that `label export` wrote.")],
    out: Annotated[Path, typer.Option(help="Folder for tasks.json and label_config.xml.")],
    prefix: Annotated[
        str, typer.Option(help="Stands before an image's name. [Label Studio's local files]")
    ] = "",
) -> None:
    """Write a labelling task, with the answers so far, as JSON for Label Studio.

    Example: `equipoise label export-studio to_label --out studio`
    """
    from equipoise.core.files import write_text
    from equipoise.measure.people.label_studio import LOCAL_FILES, label_config, studio_tasks
    from equipoise.view.rating import Rating

    rating = Rating(folder)
    tasks = studio_tasks(rating.task, rating.answers(), prefix or LOCAL_FILES)
    write_text(out / "tasks.json", json.dumps(tasks, ensure_ascii=False, indent=1))
    write_text(out / "label_config.xml", label_config(rating.task.grid))
    out_console.print(f"tasks    {len(tasks):,}: {out / 'tasks.json'}")
    out_console.print(f"config   {out / 'label_config.xml'}")


@label_app.command("import-studio")
def label_import_studio(
    folder: Annotated[Path, typer.Argument(help="Folder that `label export` wrote.")],
    answers: Annotated[Path, typer.Argument(help="JSON that Label Studio exported.")],
) -> None:
    """Read answers from Label Studio into tables, one a rater, for `label import`.

    Example: `equipoise label import-studio to_label project-1.json`
    """
    from equipoise.core.errors import FileFormatError
    from equipoise.core.files import parse_json, read_text
    from equipoise.measure.people.label_studio import LARGEST_ANSWERS, studio_answers
    from equipoise.view.rating import Rating

    rating, remedy = Rating(folder), "Export it again, as JSON."
    text = read_text(answers, remedy, what="answers", limit=LARGEST_ANSWERS)
    try:
        tasks = parse_json(text)
    except ValueError as error:
        raise FileFormatError(f"answers {answers}", "must be JSON", str(error), remedy) from error
    for table in rating.merge(studio_answers(tasks, rating.task, str(answers))):
        out_console.print(f"table    {table}")


def _print_errors(errors: ErrorMatrix) -> None:
    from equipoise.core.attributes import UNKNOWN_NAME

    names = [f"{k} {name}" for k, name in enumerate(errors.levels, 1)]
    table = errors.by_meaning().tolist()
    said = [str(k) for k in range(1, len(names) + 1)]
    rows = [(name, *map(str, row)) for name, row in zip(names, table, strict=True)]
    print_table(out_console, ("judged to be, by what was said", *said, UNKNOWN_NAME), rows)
    out_console.print("judged images as they were chosen: a column compares, a row does not")


def _print_correction(correction: Correction) -> None:
    print_table(
        out_console,
        ("share", "counted", "95 % of sampling alone", "corrected", "95 %, all together"),
        [
            (
                s.name,
                percent(s.raw.share),
                interval(s.raw.low, s.raw.high),
                percent(s.share, missing="not known"),
                interval(s.low, s.high),
            )
            for s in correction.shares
        ],
    )
    reason = f": {correction.reason}" if correction.reason else ""
    out_console.print(
        f"{correction.status}{reason}; n = {correction.n:,}, judged {correction.judged:,}"
    )
