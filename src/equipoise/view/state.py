"""What the server has while it runs, and how its errors are answered."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException as HTTPError

from equipoise.core.errors import EquipoiseError, FileFormatError, InputError, StorageError
from equipoise.view import schema
from equipoise.view.folder import Folder

if TYPE_CHECKING:
    from equipoise.core.estimates import Estimate
    from equipoise.view.rating import Rating
    from equipoise.view.samplers import Drawings, Samplers

AT_ONCE = 4
"""Draws, downloads and surroundings that are made for one answer, at once."""

_HEAVY = ("equipoise.audit.pages", "equipoise.view.samplers", "equipoise.view.rating")
"""Modules that all but the list need; they load PyTorch."""

_LOADING = threading.Lock()

_Made = TypeVar("_Made")


def load() -> None:
    """Load what all but the list needs, one thread at a time: imports can block each other."""
    with _LOADING:
        for module in _HEAVY:
            import_module(module)


class State:
    """What the server has: the folder, what may be opened, and draws under way.

    Parts that load PyTorch are made when they are first used.
    """

    def __init__(self, folder: Folder, trusted: tuple[str, ...], read_only: bool) -> None:
        self.folder, self.read_only = folder, read_only
        self._trusted = trusted
        self._lock = threading.RLock()
        self._made: dict[str, Any] = {}
        self._slots = threading.BoundedSemaphore(AT_ONCE)

    def once(self, key: str, make: Callable[[], _Made]) -> _Made:
        """Return what `make` gave at the first call."""
        with self._lock:
            if key not in self._made:
                self._made[key] = make()
            made: _Made = self._made[key]
            return made

    @property
    def samplers(self) -> Samplers:
        """The samplers of the folder's runs."""
        from equipoise.view.samplers import Samplers

        return self.once("samplers", lambda: Samplers(self._trusted))

    @property
    def drawings(self) -> Drawings:
        """Draws in the background."""
        from equipoise.view.samplers import Drawings

        samplers = self.samplers
        return self.once("drawings", lambda: Drawings(samplers))

    def rating(self, name: str) -> Rating:
        """Return a task for people."""
        from equipoise.view.rating import Rating

        entry = self.folder.get(name, "task")
        return self.once(f"{name} {entry.changed}", lambda: Rating(entry.path))

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold one of the few places of work for one answer.

        Raises
        ------
        HTTPException
            When none is free for a minute.
        """
        if not self._slots.acquire(timeout=60):
            raise HTTPException(429, "Too many draws wait. Try again soon.")
        try:
            yield
        finally:
            self._slots.release()

    def writable(self) -> None:
        """Refuse what would write.

        Raises
        ------
        HTTPException
            In read-only mode.
        """
        if self.read_only:
            raise HTTPException(403, "This server is read-only.")

    def close(self) -> None:
        """Stop draws that are under way; what is drawn is kept."""
        if "drawings" in self._made:
            self._made["drawings"].close()


def state_of(request: Request) -> State:
    """Return the state of the server that got a request."""
    found: State = request.app.state.view
    return found


def number(value: float | None) -> float | None:
    """Return a number for JSON, which has no NaN and no infinity."""
    return None if value is None or not math.isfinite(value) else float(value)


def interval(estimate: Estimate | None) -> schema.Interval:
    """Return an estimate for JSON."""
    if estimate is None:
        return schema.Interval(value=None, low=None, high=None)
    return schema.Interval(
        value=number(estimate.value), low=number(estimate.low), high=number(estimate.high)
    )


def add_errors(app: FastAPI) -> None:
    """Let every error be a refusal with its sentence; of what a browser shows, a page."""

    def refusal(request: Request, status: int, words: str) -> Response:
        page = getattr(request.app.state, "refused", None)
        if page and not request.url.path.startswith(("/api/", "/samplers")):
            return HTMLResponse(page(words), status)
        return JSONResponse({"detail": words}, status)

    @app.exception_handler(RequestValidationError)
    def refuse_values(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        found = [f"{one['loc'][-1]}: {one['msg']}" for one in error.errors()]
        return refusal(request, 422, f"{'; '.join(found)}. See /openapi.json.")

    @app.exception_handler(HTTPError)
    def refuse_request(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPError)
        words = "There is no such page." if error.detail == "Not Found" else str(error.detail)
        return refusal(request, error.status_code, words)

    @app.exception_handler(EquipoiseError)
    def refuse(request: Request, error: Exception) -> Response:
        status = 422 if isinstance(error, InputError) else 500
        if isinstance(error, InputError) and error.argument in ("name", "draw"):
            status = 404
        if isinstance(error, FileFormatError):
            status = 409
        if isinstance(error, StorageError):
            status = 507
        return refusal(request, status, str(error))
