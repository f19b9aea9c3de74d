"""Runs in the browser, and a run's sampler towards another target: view, steer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.app import app, out_console
from equipoise.cli.console import print_table, refuse_flags
from equipoise.cli.options import JsonFile
from equipoise.core.numbers import estimate, interval, percent


@app.command()
def view(
    runs: Annotated[Path, typer.Argument(help="Folder of runs, or a run.")] = Path("runs"),
    host: Annotated[
        str, typer.Option(help="Address to listen at; any but this machine's own needs a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 for any that is free.")] = 7860,
    token: Annotated[
        str | None, typer.Option(help="Token that requests must bring. [made where it is needed]")
    ] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="Name by which the server is reached; may be repeated.")
    ] = None,
    trust: Annotated[
        list[str] | None,
        typer.Option(
            help="Generator or classifier of your own that may be opened to draw; may be repeated."
        ),
    ] = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Write nothing: no draws, no labels.")
    ] = False,
    api_only: Annotated[
        bool, typer.Option("--api-only", help="Serve the HTTP API without pages.")
    ] = False,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Do not open the browser.")
    ] = False,
    bundle: Annotated[
        Path | None, typer.Option(help="Instead: write static pages to this new folder.")
    ] = None,
    embed: Annotated[
        bool, typer.Option("--embed", help="Instead: write static pages beside each run's files.")
    ] = False,
    run: Annotated[
        list[str] | None,
        typer.Option(help="For --bundle and --embed: a run, by name; may be repeated. [all]"),
    ] = None,
) -> None:
    """Show runs in the browser: steer, draw, label, audit, compare.

    Example: `equipoise view runs`
    """
    from equipoise.core.plugins import install, load_library

    remedy = f"{install('view')}."
    load_library("equipoise view", "fastapi", remedy)
    if bundle is not None or embed:
        from equipoise.view import bundle as static

        no_server = {"api-only": api_only or None, "token": token}
        flag = "--bundle" if bundle is not None else "--embed"
        refuse_flags(f"with {flag}", {**no_server, "embed": (embed and bundle) or None})
        if bundle is not None:
            out_console.print(f"pages    {static.write_bundle(runs, bundle, run or ())}")
        for page in static.embed(runs, run or ()) if embed else ():
            out_console.print(f"page     {page}")
        return
    refuse_flags("without --bundle or --embed", {"run": run})
    load_library("equipoise view", "uvicorn", remedy)
    from equipoise.view.server import ViewOptions, serve

    options = ViewOptions(
        token=token or "",
        hosts=tuple(allow_host or ()),
        read_only=read_only,
        api_only=api_only,
        trusted=tuple(trust or ()),
    )

    def announce(address: str) -> None:
        out_console.print(f"view     {address}")

    serve(runs, host, port, options, announce, browser=not no_browser)


@app.command()
def steer(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    target: Annotated[str, typer.Option(help="As for balance; or prior, the generator's own mix.")],
    out: Annotated[Path, typer.Option(help="Sampler file to write.")],
    json_file: JsonFile = None,
) -> None:
    """Make a run's sampler draw towards another target, without any new label.

    Prints what its draws will bring, from what the run measured.

    Example: `equipoise steer runs/faces --target uniform --out steered.safetensors`
    """
    from equipoise.core.records import write_record
    from equipoise.runs.folder import RunFolder
    from equipoise.runs.steering import Steering
    from equipoise.samplers.file import save_sampler

    steering = Steering.of(RunFolder(run))
    wanted = steering.target(target)
    course = steering.course(wanted)
    found = course.calibration
    rows = []
    for k, cell in enumerate(wanted.grid.cells):
        stated = course.statements.get(cell)
        rows.append(
            (
                cell,
                percent(wanted.shares[k]),
                percent(found.weights[k]),
                percent(found.expected[k]),
                interval(found.low[k], found.high[k]),
                estimate(stated.faithfulness, percent) if stated else "not stated",
                estimate(stated.calls) if stated else "not stated",
            )
        )
    head = ("cell", "target", "requests", "one-shot share", "95 %", "faithfulness", "calls alone")
    print_table(out_console, head, rows)
    calls = estimate(course.calls)
    out_console.print(f"calls    about {calls} a verified image, many at a time")
    if not course.reachable:
        out_console.print(
            f"out of reach of one-shot draws: {percent(course.nearest)} of the nearest mix lie in "
            "another cell; verified draws reach the target"
        )
    save_sampler(steering.steered(wanted), out)
    if json_file is not None:
        write_record(json_file, course)
    out_console.print(f"sampler  {out}")
