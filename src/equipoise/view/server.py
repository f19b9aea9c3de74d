"""The server of `equipoise view`: pages and API behind one guard, by default on loopback."""

from __future__ import annotations

import secrets
import socket
import threading
import webbrowser
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException, Query
from fastapi.responses import HTMLResponse, Response

from equipoise import __version__
from equipoise.core.errors import InputError
from equipoise.view import api_draws, api_labels, api_runs
from equipoise.view.folder import Folder
from equipoise.view.guard import Guard, is_loopback
from equipoise.view.pages import Pages
from equipoise.view.state import State, add_errors, load

_CSS, _JS = "text/css", "text/javascript"
_STATIC = {
    "style.css": ("equipoise.report", "", _CSS),
    "view.css": ("equipoise.view", "static", _CSS),
    "view.js": ("equipoise.view", "static", _JS),
    "steer.js": ("equipoise.view", "static", _JS),
    "pairs.js": ("equipoise.view", "static", _JS),
    "label.js": ("equipoise.view", "static", _JS),
    "htmx.min.js": ("equipoise.view", "static", _JS),
}
"""Files that pages load: package, folder, type."""

MOST_COMPARED = 8
_WARM_AFTER = 2.0
"""Seconds from the start until what runs need is loaded."""


@dataclass(frozen=True, kw_only=True)
class ViewOptions:
    """How the server runs.

    Attributes
    ----------
    token : str
        Empty for none.
    hosts : tuple of str
        Names of hosts that are allowed beside addresses and localhost.
    read_only : bool
        Nothing is written: no draws, no labels.
    api_only : bool
        No pages.
    trusted : tuple of str
        Addresses of models that may be opened beside those that come with Equipoise.
    """

    token: str = ""
    hosts: tuple[str, ...] = ()
    read_only: bool = False
    api_only: bool = False
    trusted: tuple[str, ...] = ()


def static_file(name: str) -> bytes:
    """Return a file that pages load."""
    package, folder, _ = _STATIC[name]
    return resources.files(package).joinpath(folder, name).read_bytes()


def make_app(path: Path, options: ViewOptions = ViewOptions()) -> Guard:
    """Return the application over a folder.

    Raises
    ------
    InputError
        When there is no such folder.
    """
    state = State(Folder(path), options.trusted, options.read_only)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        state.close()

    # The pages of FastAPI's own documentation load scripts from another host.
    app = FastAPI(
        title="Equipoise", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan
    )
    app.state.view = state
    add_errors(app)
    # Draws come first: a name may hold slashes, so the path of a run matches theirs too.
    for part in (api_draws, api_labels, api_runs):
        app.include_router(part.router)
    if not options.api_only:
        _add_pages(app, state)
    return Guard(app, options.token, options.hosts)


def _add_pages(app: FastAPI, state: State) -> None:
    folder = state.folder
    pages = Pages(folder, read_only=state.read_only)
    app.state.refused = pages.refused

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    def top(offset: int = Query(0, ge=0), find: str = Query("", max_length=200)) -> str:
        return pages.listed(api_runs.listed(folder, offset, find=find), offset, find)

    heavy: dict[str, Any] = {
        "response_class": HTMLResponse,
        "include_in_schema": False,
        "dependencies": [Depends(load)],
    }

    @app.get("/compare", **heavy)
    def compare(run: list[str] = Query([])) -> str:  # noqa: B008
        if not 1 <= len(run) <= MOST_COMPARED:
            raise InputError("run", f"must be 1 to {MOST_COMPARED} runs", len(run), "Choose some.")
        return pages.compare([folder.get(name, "run") for name in run])

    @app.get("/steer/{name:path}", **heavy)
    def steer(name: str, after: BackgroundTasks) -> str:
        found = folder.get(name, "run")
        if not state.read_only:
            # While the page is read, so that the first picture comes soon.
            after.add_task(state.samplers.prepare, found)
        return pages.steer(found)

    @app.get("/runs/{name:path}", **heavy)
    def entry(name: str) -> str:
        return pages.entry(folder.get(name))

    @app.get("/static/{name}", include_in_schema=False)
    def static(name: str) -> Response:
        if name not in _STATIC:
            raise HTTPException(404)
        cached = {"cache-control": "max-age=300"}
        return Response(static_file(name), media_type=_STATIC[name][2], headers=cached)

    @app.get("/favicon.ico", include_in_schema=False)
    def icon() -> Response:
        return Response(status_code=204)


def serve(
    path: Path,
    host: str,
    port: int,
    options: ViewOptions,
    announce: Callable[[str], None],
    *,
    browser: bool = True,
) -> None:
    """Serve a folder until Ctrl-C.

    Parameters
    ----------
    path : Path
    host : str
        Address to listen at. Any but a loopback address gets a token, where none is given.
    port : int
        0 for any that is free.
    options : ViewOptions
    announce : callable
        Called with the address of the page, its token included, before the first answer.
    browser : bool
        Whether to open the page.

    Raises
    ------
    InputError
        When there is no such folder, or the address cannot be used.
    """
    import uvicorn

    if not options.token and not is_loopback(host):
        options = ViewOptions(**{**vars(options), "token": secrets.token_urlsafe(24)})
    app = make_app(path, options)
    bound = _bind(host, port)
    shown = f"[{host}]" if ":" in host else host
    if host in ("0.0.0.0", "::"):
        shown = "127.0.0.1"
    address = f"http://{shown}:{bound.getsockname()[1]}/"
    if options.token:
        address += f"?token={options.token}"
    announce(address)
    if not options.api_only:
        # After the list, which needs none of it.
        warm = threading.Timer(_WARM_AFTER, load)
        warm.daemon = True
        warm.start()
        if browser:
            threading.Timer(0.2, webbrowser.open, (address,)).start()
    config = uvicorn.Config(
        app,
        log_level="warning",
        server_header=False,
        limit_concurrency=200,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=3,
    )
    uvicorn.Server(config).run(sockets=[bound])


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen()  # Whoever comes before the first answer waits, and is not refused.
    except OSError as error:
        bound.close()
        raise InputError(
            f"address {host}:{port}",
            "must be free, and of this machine",
            error.strerror or str(error),
            "Choose another --port or --host.",
        ) from error
    return bound
