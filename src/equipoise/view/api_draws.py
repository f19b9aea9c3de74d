"""The HTTP API of draws: in the background, image by image, or as one file in one answer."""

from __future__ import annotations

import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from fastapi import APIRouter, BackgroundTasks, Depends, HTTPException, Query, Request
from fastapi.responses import FileResponse

from equipoise.core.attributes import UNKNOWN_NAME
from equipoise.view import schema
from equipoise.view.api_runs import repeat
from equipoise.view.folder import Entry, own
from equipoise.view.state import State, load, number, state_of

if TYPE_CHECKING:
    from equipoise.view.samplers import Asked

router = APIRouter(
    dependencies=[Depends(load)],
    responses={422: {"model": schema.Refusal}, 404: {"model": schema.Refusal}},
)


def _asked(body: schema.DrawBody, target: str) -> Asked:
    from equipoise.view.samplers import Asked, check_target

    fields = body.model_dump(include={"n", "seed", "verified", "faithful", "cell"})
    return Asked(target=check_target(target), **fields)


@router.post("/api/runs/{name:path}/draws", tags=["draw"], status_code=201)
def draw(request: Request, name: str, body: schema.DrawBody) -> schema.DrawName:
    """Begin to draw; the same request goes on where it stopped."""
    from equipoise.view.samplers import BusyError, steered

    state = state_of(request)
    state.writable()
    entry, asked = state.folder.get(name, "run"), _asked(body, body.target)
    steered(state.samplers, entry, asked)  # A wrong request fails here.
    try:
        started = state.drawings.start(entry, asked)
    except BusyError:
        raise HTTPException(429, "Too many draws wait. Try again soon.") from None
    command, python = repeat(entry, body.target, body)
    return schema.DrawName(draw=started, command=command, python=python)


@router.get("/api/runs/{name:path}/draws", tags=["draw"])
def earlier(request: Request, name: str) -> list[schema.EarlierDraw]:
    """List the draws of a run, the newest first."""
    state = state_of(request)
    entry = state.folder.get(name, "run")
    found = []
    for draw, asked, changed in state.drawings.earlier(entry):
        command, python = repeat(entry, asked.target, asked)
        named = {k: v for k, v in vars(asked).items() if k != "cell"}
        found.append(
            schema.EarlierDraw(draw=draw, changed=changed, command=command, python=python, **named)
        )
    return found


@router.get(
    "/api/runs/{name:path}/draws/{draw}/images/{number}",
    tags=["draw"],
    response_class=FileResponse,
    responses=schema.file_of("image/png"),
)
def drawn_image(request: Request, name: str, draw: str, number: int) -> FileResponse:
    """Return a drawn image."""
    state = state_of(request)
    folder = state.drawings.folder(state.folder.get(name, "run"), draw)
    inside = state.folder.inside(folder / "images" / f"{number:09d}.png")
    if number < 0 or inside is None:
        raise HTTPException(404, "There is no such image.")
    return FileResponse(inside, media_type="image/png")


@router.get("/api/runs/{name:path}/draws/{draw}/images/{number}/around", tags=["draw"])
def around(request: Request, name: str, draw: str, number: int) -> schema.Around:
    """Show the nearest labelled codes, and the image's code moved along each attribute.

    Nearest is by angle in the generator's code space, among the labelled codes of the run.
    """
    from equipoise.core.records import read_record
    from equipoise.view.samplers import REQUEST, Asked, code_of

    state = state_of(request)
    entry = state.folder.get(name, "run")
    rows = state.drawings.drawn(entry, draw).rows
    if not 0 <= number < len(rows):
        raise HTTPException(404, "There is no such image.")
    folder, row = state.drawings.folder(entry, draw), rows[number]
    asked = read_record(folder / REQUEST, Asked, "Draw again.")
    with state.slot():
        code = code_of(state.samplers, entry, asked, int(row["index"]), row["requested"])
        found = state.samplers.around(entry)
        near, moved = found.neighbours(code), found.moved(code)
    return schema.Around(
        neighbours=[
            schema.Neighbour(index=n.index, cosine=n.place, answer=n.answer, picture=n.picture)
            for n in near
        ],
        strips=[
            schema.Strip(
                name=strip.name,
                moved=[
                    schema.Moved(move=m.place, answer=m.answer, picture=m.picture) for m in shown
                ],
            )
            for strip, shown in moved
        ],
        missing=found.missing,
    )


@router.get(
    "/api/runs/{name:path}/draws/{draw}/download",
    tags=["draw"],
    response_class=FileResponse,
    responses=schema.file_of("application/octet-stream"),
)
def download(
    request: Request,
    name: str,
    draw: str,
    after: BackgroundTasks,
    format: Literal["folder", "npz", "tar"] = "folder",
) -> FileResponse:
    """Return a draw: its folder as a zip, also of a stopped one, or one file of all its images."""
    from equipoise.core.records import read_record
    from equipoise.view.samplers import REQUEST, Asked

    state = state_of(request)
    entry = state.folder.get(name, "run")
    found = state.drawings.drawn(entry, draw)
    if found.state != "done" and not (
        format == "folder" and found.state == "stopped" and found.rows
    ):
        raise HTTPException(409, "This draw is not done.")
    folder = state.drawings.folder(entry, draw)
    if format == "folder":
        return _made(state, after, f"{draw}.zip", lambda path: _zip(folder, path))
    asked = read_record(folder / REQUEST, Asked, "Draw again.")
    return _written(state, after, entry, asked, f"{draw}.{format}")


@router.post("/api/runs/{name:path}/draws/{draw}/task", tags=["label"], status_code=201)
def make_task(request: Request, name: str, draw: str, body: schema.TaskBody) -> schema.TaskName:
    """Choose images of a draw for people to label, blind, some of each answer."""
    from equipoise.measure.people.task import choose, write_task
    from equipoise.samplers.export.metadata import read_metadata

    state = state_of(request)
    state.writable()
    entry = state.folder.get(name, "run")
    answered = read_metadata(state.drawings.folder(entry, draw))
    chosen = choose(answered, per_answer=body.per_answer, seed=body.seed)
    out = own(entry.path, entry.path / "tasks" / f"{draw}-{body.per_answer}-{body.seed}")
    if not out.exists():
        write_task(answered, chosen, out)
    return schema.TaskName(task=out.relative_to(state.folder.path).as_posix())


@router.get("/api/runs/{name:path}/draws/{draw}", tags=["draw"])
def drawn(request: Request, name: str, draw: str, since: int = Query(0, ge=0)) -> schema.DrawState:
    """Return how far a draw is, and its images from number `since` on."""
    state = state_of(request)
    entry = state.folder.get(name, "run")
    found = state.drawings.drawn(entry, draw)
    ended = found.rows and found.state not in ("waiting", "drawing")
    return schema.DrawState(
        state=found.state,
        error=found.error,
        count=len(found.rows),
        images=[_picture(row, i) for i, row in enumerate(found.rows[since:], since)],
        shares=_shares(state, entry, draw, found.rows) if ended else [],
    )


def _shares(
    state: State, entry: Entry, draw: str, rows: Sequence[Mapping[str, str]]
) -> list[schema.DrawnShare]:
    """Return how many images came out as each cell, beside the target."""
    from equipoise.core.records import read_record
    from equipoise.measure.representation import make_shares
    from equipoise.view.samplers import REQUEST, Asked

    asked = read_record(state.drawings.folder(entry, draw) / REQUEST, Asked, "Draw again.")
    steering = state.samplers.steering(entry)
    target, cells = steering.target(asked.target), steering.sampler.grid.cells
    achieved = Counter(row["achieved"] for row in rows)
    counts = np.array([achieved[cell] for cell in cells])
    found = [
        schema.DrawnShare(
            cell=share.name,
            target=share.target or 0.0,
            count=share.count,
            share=schema.Interval(
                value=number(share.share),
                low=None if asked.verified else number(share.joint[0]),
                high=None if asked.verified else number(share.joint[1]),
            ),
        )
        for share in make_shares(cells, counts, target.shares)
    ]
    if unknown := len(rows) - int(counts.sum()):
        share = schema.Interval(value=unknown / len(rows), low=None, high=None)
        found.append(schema.DrawnShare(cell=UNKNOWN_NAME, target=0.0, count=unknown, share=share))
    return found


def _picture(row: dict[str, str], number: int) -> schema.Picture:
    return schema.Picture(
        number=number,
        seed=int(row["seed"]),
        index=int(row["index"]),
        requested=row["requested"],
        achieved=row["achieved"],
        weight=float(row["weight"]),
        probabilities={
            key.replace(".p.", "="): float(value) for key, value in row.items() if ".p." in key
        },
    )


@router.delete("/api/runs/{name:path}/draws/{draw}", tags=["draw"], status_code=204)
def stop(request: Request, name: str, draw: str) -> None:
    """Stop a draw; what is drawn is kept."""
    state_of(request).drawings.stop(draw)


@router.get("/samplers", tags=["samplers"])
def samplers(request: Request) -> list[str]:
    """List the runs that have a sampler."""
    return [e.name for e in state_of(request).folder.entries() if e.kind == "run"]


@router.post(
    "/samplers/{name:path}/draw",
    tags=["samplers"],
    response_class=FileResponse,
    responses=schema.file_of("application/octet-stream"),
)
def draw_now(
    request: Request, name: str, body: schema.SamplerBody, after: BackgroundTasks
) -> FileResponse:
    """Draw from a sampler, and return all images with their metadata as one npz or tar."""
    state = state_of(request)
    state.writable()
    entry = state.folder.get(name, "run")
    asked = _asked(body, body.target or state.samplers.steering(entry).record.target.text)
    return _written(state, after, entry, asked, f"draws.{body.format}")


def _written(
    state: State, after: BackgroundTasks, entry: Entry, asked: Asked, name: str
) -> FileResponse:
    from equipoise.view.samplers import write_to

    def write(path: Path) -> None:
        write_to(state.samplers, entry, asked, path, path.suffix.removeprefix("."))

    return _made(state, after, name, write)


def _made(
    state: State, after: BackgroundTasks, name: str, write: Callable[[Path], None]
) -> FileResponse:
    """Return a file that is written for this answer, and removed after it."""
    with state.slot():
        place = tempfile.TemporaryDirectory(prefix="equipoise-")
        try:
            path = Path(place.name) / name
            write(path)
        except BaseException:
            place.cleanup()
            raise
    after.add_task(place.cleanup)
    return FileResponse(path, filename=name, media_type="application/octet-stream")


def _zip(folder: Path, path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for file in (folder / "metadata.csv", *sorted((folder / "images").glob("*.png"))):
            archive.write(file, file.relative_to(folder))
