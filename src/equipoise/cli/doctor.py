"""Is all well before a run: doctor."""

from __future__ import annotations

from math import isnan
from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.app import app, out_console
from equipoise.cli.console import bars, print_caveats, print_table
from equipoise.cli.options import Given, JsonFile, SettingOptions, takes_settings
from equipoise.core.settings import make_settings


@app.command()
@takes_settings
def doctor(
    *,
    checked: Annotated[Given, SettingOptions("generator", "classifiers", "attributes")],
    out: Annotated[Path, typer.Option(help="Picture of 16 images with their answers.")] = Path(
        "doctor.png"
    ),
    n: Annotated[int, typer.Option(help="Images that classifiers are checked on.")] = 256,
    drawn: Annotated[Given, SettingOptions("seed", "device", "batch_size")],
    json_file: JsonFile = None,
) -> None:
    """Check a generator and classifiers before a run: faults, speed, a picture of their answers.

    Without --attributes, those of the given classifiers are asked. Ends with status 1 where a check
    finds an issue. docs/classifiers.md explains each check.

    Example: `equipoise doctor --generator digiface-dcgan --classifier smile.toml`
    """
    from equipoise.audit.preflight.doctor import examine
    from equipoise.classifiers import open_classifier
    from equipoise.core.records import write_record
    from equipoise.pipeline import open_models

    given = {**checked, **drawn}
    if given["classifiers"] and given["attributes"] is None:
        names = [a.name for uri in given["classifiers"] for a in open_classifier(uri).attributes]
        given["attributes"] = ",".join(dict.fromkeys(names))
    settings = make_settings(given)
    models = open_models(settings)
    opened, panel = models.generator, models.panel
    with bars() as progress:
        found = examine(opened, panel, out, settings, n, progress)
    for part in found.parts:
        speed = "all answers from its cache"
        if not isnan(part.images_per_second):
            speed = f"{part.images_per_second:,.0f} images a second"
        out_console.print(f"{part.role} {part.name}, {speed}")
        for model in part.models:
            licence = model.licence or "not known"
            out_console.print(f"  {model.name} {model.digest[:12]}, licence {licence}")
            if model.preprocessing:
                out_console.print(f"  sees {model.preprocessing}")
        rows = [(check.outcome, check.check_id, check.words) for check in part.checks]
        print_table(out_console, ("outcome", "check", "answer"), rows)
    print_caveats(out_console, models.caveats)
    time = "as long as the service takes"
    if not isnan(found.seconds):
        time = f"{found.seconds:,.0f} s on one thread"
    out_console.print(
        f"time     `balance` makes and reads {found.calls:,} images: {time}, and the fit"
    )
    out_console.print(f"picture  {found.picture}")
    if json_file is not None:
        write_record(json_file, found)
    if not found.well:
        raise typer.Exit(1)
