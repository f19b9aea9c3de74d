"""The HTTP API of runs: the list, one run, and what a target would bring."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import FileResponse

from equipoise.core.errors import EquipoiseError
from equipoise.runs.status import run_status
from equipoise.view import schema
from equipoise.view.folder import Entry, Folder
from equipoise.view.state import State, interval, load, number, state_of

if TYPE_CHECKING:
    from equipoise.view.samplers import Asked

_PAGE = 100

router = APIRouter(responses={422: {"model": schema.Refusal}, 404: {"model": schema.Refusal}})


def line(folder: Folder, entry: Entry) -> schema.Run:
    """Return the line of the list of an entry."""
    title, words = folder.summary(entry)
    return schema.Run(
        name=entry.name, kind=entry.kind, title=title, words=words, changed=entry.changed
    )


@router.get("/api/runs", tags=["runs"])
def runs(
    request: Request,
    offset: int = Query(0, ge=0),
    limit: int = Query(_PAGE, ge=1, le=_PAGE),
    find: str = Query("", max_length=200),
) -> schema.Runs:
    """List what is in the folder, the newest first."""
    folder = state_of(request).folder
    return listed(folder, offset, limit, find)


def listed(folder: Folder, offset: int = 0, limit: int = _PAGE, find: str = "") -> schema.Runs:
    """Return a part of the list; `find` is looked for in names."""
    words = find.lower().split()
    found = [e for e in folder.entries() if all(word in e.name.lower() for word in words)]
    shown = [line(folder, entry) for entry in found[offset : offset + limit]]
    return schema.Runs(total=len(found), runs=shown)


def progress_of(entry: Entry) -> list[schema.Progress]:
    """Return how far a run is; nothing where it has no completion records."""
    try:
        found = run_status(entry.path)
    except EquipoiseError:
        return []
    return [
        schema.Progress(
            part=one.name,
            rows=one.rows,
            total=one.total,
            seconds_left=number(one.seconds_left),
            finished=one.finished,
        )
        for one in found
    ]


# The longer paths come first, because a name may hold slashes.


@router.get(
    "/api/runs/{name:path}/pictures/{picture}",
    tags=["runs"],
    response_class=FileResponse,
    responses=schema.file_of("image/png"),
)
def picture(request: Request, name: str, picture: str) -> FileResponse:
    """Return a contact sheet."""
    folder = state_of(request).folder
    entry = folder.get(name)
    inside = folder.inside(entry.path / "pictures" / picture)
    if "/" in picture or "\\" in picture or not picture.endswith(".png") or inside is None:
        raise HTTPException(404, "There is no such picture.")
    return FileResponse(inside, media_type="image/png")


@router.post("/api/runs/{name:path}/plan", tags=["plan"], dependencies=[Depends(load)])
def plan(request: Request, name: str, body: schema.PlanBody) -> schema.Plan:
    """Predict what draws towards a target will bring, without any draw."""
    from equipoise.view.samplers import check_target

    state = state_of(request)
    entry = state.folder.get(name, "run")
    steering = state.samplers.steering(entry)
    course = steering.course(steering.target(check_target(body.target)), body.faithful)
    found, mode = course.calibration, steering.mode(body.faithful)
    cells = [
        schema.PlannedCell(
            name=cell,
            target=float(course.target.shares[k]),
            rate=float(found.weights[k]),
            share=schema.Interval(
                value=number(found.expected[k]),
                low=number(found.low[k]),
                high=number(found.high[k]),
            ),
            calls=interval(getattr(course.statements.get(cell), "calls", None)),
            faithfulness=interval(getattr(course.statements.get(cell), "faithfulness", None)),
        )
        for k, cell in enumerate(steering.sampler.grid.cells)
    ]
    command, python = repeat(entry, body.target, body)
    return schema.Plan(
        cells=cells,
        reachable=course.reachable,
        nearest=course.nearest,
        distance=found.distance,
        calls=interval(course.calls),
        mode=mode.faithful if mode else "",
        measured=found.measured,
        command=command,
        python=python,
    )


def repeat(entry: Entry, target: str, body: schema.PlanBody | Asked) -> tuple[str, str]:
    """Return the commands and the Python that steer and draw alike."""
    place = str(entry.path)
    steer = (
        f"equipoise steer {shlex.quote(place)} --target {shlex.quote(target)} "
        "--out steered.safetensors"
    )
    python = [
        "from pathlib import Path",
        "from equipoise import DrawRequest, write_draws",
        "from equipoise.pipeline import open_models",
        "from equipoise.runs.folder import RunFolder",
        "from equipoise.runs.steering import Steering",
        "",
        f"steering = Steering.of(RunFolder(Path({place!r})))",
        "models = open_models(steering.record.settings)",
        f"sampler = steering.steered(steering.target({target!r})).bound(models.generator)",
    ]
    words = ["equipoise sample steered.safetensors", f"--n {body.n} --seed {body.seed}"]
    words += [f"--cell {shlex.quote(body.cell)}"] if body.cell else []
    words += ["--verified"] if body.verified else []
    faithful = body.faithful if body.verified else None
    words += [f"--faithful {shlex.quote(faithful)}"] if faithful else []
    asked = (body.n, body.seed, body.cell, body.verified, faithful)
    python.append(f"write_draws(sampler, models, DrawRequest{asked!r}, Path('images'))")
    return f"{steer}\n{' '.join(words)} --out images", "\n".join(python)


@router.get("/api/runs/{name:path}", tags=["runs"], dependencies=[Depends(load)])
def run(request: Request, name: str) -> schema.RunDetail:
    """Return an entry."""
    state = state_of(request)
    entry = state.folder.get(name)
    return detail(state, entry)


def detail(state: State, entry: Entry) -> schema.RunDetail:
    """Return all that the API says of an entry."""
    head = line(state.folder, entry).model_dump()
    if entry.kind == "working":
        return schema.RunDetail(**head, progress=progress_of(entry))
    if entry.kind != "run":
        return schema.RunDetail(**head)
    steering = state.samplers.steering(entry)
    record, result = steering.record, steering.result.representation
    return schema.RunDetail(
        **head,
        target=record.target.text,
        attributes=[
            schema.Axis(name=a.name, levels=list(a.levels)) for a in record.grid.attributes
        ],
        cells=[
            schema.Cell(
                name=own.name,
                target=float(record.target.shares[k]),
                prior=number(prior.share),
                share=number(own.share),
                low=number(own.joint[0]),
                high=number(own.joint[1]),
            )
            for k, (prior, own) in enumerate(zip(record.prior.cells, result.cells, strict=True))
        ],
        modes=[mode.faithful for mode in steering.sampler.statements],
    )
