"""The HTTP API of labels by people: one question, one answer, agreement, corrected shares."""

from __future__ import annotations

import json
import shlex
from typing import Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import FileResponse, Response

from equipoise.core.attributes import Attribute
from equipoise.view import schema
from equipoise.view.state import interval, load, state_of

router = APIRouter(
    dependencies=[Depends(load)],
    responses={422: {"model": schema.Refusal}, 404: {"model": schema.Refusal}},
)


@router.get("/api/tasks/{name:path}/question", tags=["label"])
def question(request: Request, name: str, rater: str = Query(max_length=32)) -> schema.Question:
    """Return what a rater is asked next."""
    return schema.Question(**vars(state_of(request).rating(name).next(rater)))


@router.post("/api/tasks/{name:path}/answers", tags=["label"])
def answer(request: Request, name: str, body: schema.AnswerBody) -> schema.Question:
    """Keep an answer on disk, and return what is asked next."""
    state = state_of(request)
    state.writable()
    found = state.rating(name).answer(body.rater, body.image, body.attribute, body.level)
    return schema.Question(**vars(found))


@router.post("/api/tasks/{name:path}/undo", tags=["label"])
def undo(request: Request, name: str, body: schema.RaterBody) -> schema.Question:
    """Take a rater's last answer back."""
    state = state_of(request)
    state.writable()
    return schema.Question(**vars(state.rating(name).undo(body.rater)))


@router.get(
    "/api/tasks/{name:path}/images/{number}",
    tags=["label"],
    response_class=FileResponse,
    responses=schema.file_of("image/png"),
)
def task_image(request: Request, name: str, number: int) -> FileResponse:
    """Return an image as raters see it."""
    state = state_of(request)
    rating = state.rating(name)
    images = rating.task.images
    if not 0 <= number < len(images):
        raise HTTPException(404, "There is no such image.")
    inside = state.folder.inside(rating.folder / images[number])
    if inside is None or inside.suffix != ".png":
        raise HTTPException(404, "There is no such image.")
    return FileResponse(inside, media_type="image/png")


@router.get("/api/tasks/{name:path}/result", tags=["label"])
def result(request: Request, name: str) -> schema.Result:
    """Return shares corrected by what people have said so far, beside the counted ones."""
    from equipoise.measure.people.judgement import evaluate_annotations, read_ratings

    rating = state_of(request).rating(name)
    tables = [rating.table(rater) for rater in rating.raters()]
    found = evaluate_annotations(rating.task, read_ratings(tables, rating.task))
    words = ["equipoise label import", *map(shlex.quote, map(str, (rating.folder, *tables)))]
    return schema.Result(
        judged=found.corrections[0].judged,
        corrections=[
            schema.Correction(
                status=one.status,
                reason=one.reason,
                shares=[
                    schema.Corrected(
                        name=s.name,
                        counted=interval(s.raw.estimate),
                        corrected=interval(s.estimate),
                    )
                    for s in one.shares
                ],
            )
            for one in found.corrections
        ],
        command=" ".join(words),
    )


@router.get(
    "/api/tasks/{name:path}/label-studio/config",
    tags=["label"],
    response_class=Response,
    responses=schema.file_of("application/octet-stream"),
)
def studio_config(request: Request, name: str) -> Response:
    """Return the labelling interface of a task for Label Studio, as XML."""
    from equipoise.measure.people.label_studio import label_config

    return _saved(label_config(state_of(request).rating(name).task.grid), "label_config.xml")


@router.get(
    "/api/tasks/{name:path}/label-studio",
    tags=["label"],
    response_class=Response,
    responses=schema.file_of("application/octet-stream"),
)
def studio_export(request: Request, name: str) -> Response:
    """Return a task with the answers so far as Label Studio's JSON."""
    from equipoise.measure.people.label_studio import studio_tasks

    rating = state_of(request).rating(name)
    return _saved(json.dumps(studio_tasks(rating.task, rating.answers())), "tasks.json")


@router.post("/api/tasks/{name:path}/label-studio", tags=["label"])
def studio_import(request: Request, name: str, body: list[dict[str, Any]]) -> list[str]:
    """Add the answers in Label Studio's JSON to the raters' tables, and return the raters."""
    from equipoise.measure.people.label_studio import studio_answers

    state = state_of(request)
    state.writable()
    rating = state.rating(name)
    tables = rating.merge(studio_answers(body, rating.task, "the file"))
    return [table.stem for table in tables]


def _saved(text: str, name: str) -> Response:
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(text, media_type="application/octet-stream", headers=headers)


@router.get("/api/tasks/{name:path}", tags=["label"])
def task(request: Request, name: str) -> schema.Task:
    """Return a task with its raters' progress and agreement."""
    rating = state_of(request).rating(name)
    raters = []
    for rater in rating.raters():
        asked = rating.next(rater)
        raters.append(schema.Rater(name=rater, done=asked.done, total=asked.total))
    return schema.Task(
        name=name,
        images=len(rating.task.images),
        attributes=[_asked(attribute) for attribute in rating.task.grid.attributes],
        raters=raters,
        agreement=[schema.Agreement(**vars(one)) for one in rating.agreement()],
    )


def _asked(attribute: Attribute) -> schema.Asked:
    from equipoise.measure.people.scales import scale_of

    scale = scale_of(attribute)
    return schema.Asked(
        name=attribute.name,
        levels=list(attribute.levels),
        scale=scale.words if scale else "",
        colours=list(scale.colours.values()) if scale else [],
    )
