"""Samplers of runs, opened once each, steered, and drawn from in the background.

What is drawn is a folder that `equipoise sample` would write, beside a record of what was asked: it
survives the end of the server, and the same request goes on where it stopped.
"""

from __future__ import annotations

import csv
import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers import PINNED
from equipoise.classifiers.models import ModelAddresses, Models
from equipoise.core.errors import EquipoiseError, FileFormatError, InputError
from equipoise.core.files import storage
from equipoise.core.progress import Execution
from equipoise.core.records import read_record, write_record
from equipoise.core.settings import make_settings
from equipoise.generators import NAMES
from equipoise.runs.folder import RunFolder
from equipoise.runs.steering import Steering
from equipoise.samplers.export import write_draws
from equipoise.samplers.job import DrawRequest
from equipoise.samplers.sampler import Sampler
from equipoise.samplers.shared import code_of as drawn_code
from equipoise.view.around import Surroundings
from equipoise.view.folder import Entry, own

_RUNNING, _WAITING = 4, 32
"""Draws at once, and draws that wait."""

_KEPT = 4
"""Opened samplers that are kept."""

_LISTED = 100
"""Draws of a run that are listed."""

REQUEST = "request.json"
"""Record of what was asked, in the folder of the draws."""

State = Literal["waiting", "drawing", "done", "stopped", "failed"]


_Made = TypeVar("_Made")


class BusyError(Exception):
    """Too many draws wait."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is asked of a run's sampler.

    Attributes
    ----------
    target : str
        As `parse_target` takes it, or "prior"; no file.
    n, seed : int
    verified : bool
    faithful : str or None
        Of verified draws; the sampler's own by default.
    cell : str or None
    """

    target: str
    n: int
    seed: int = 0
    verified: bool = True
    faithful: str | None = None
    cell: str | None = None

    @property
    def request(self) -> DrawRequest:
        """The request of drawing."""
        return DrawRequest(self.n, self.seed, self.cell, self.verified, self.faithful)


def check_target(text: str) -> str:
    """Return a target that names no file: a request may not choose files to read.

    Raises
    ------
    InputError
        When it does.
    """
    kind = text.partition(":")[0].strip()
    if kind not in ("uniform", "prior", "marginals", "cells", "conditional") or (
        text.strip().endswith((".csv", ".json"))
    ):
        raise InputError(
            "target",
            "must be uniform, prior, marginals: ..., cells: ... or conditional: ...",
            text,
            "Write the shares themselves.",
        )
    return text


class _Kept(Generic[_Made]):
    """What was made of the last few entries, once each; who wants another one need not wait."""

    def __init__(self, make: Callable[[Entry], _Made]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._slots: OrderedDict[tuple[str, float], tuple[threading.Lock, list[_Made]]] = (
            OrderedDict()
        )

    def get(self, entry: Entry) -> _Made:
        """Return what is made of an entry."""
        key = (str(entry.path), entry.changed)
        with self._lock:
            lock, made = self._slots.setdefault(key, (threading.Lock(), []))
            self._slots.move_to_end(key)
            while len(self._slots) > _KEPT:
                self._slots.popitem(last=False)
        with lock:
            if not made:
                made.append(self._make(entry))
            return made[0]


def _steering_of(entry: Entry) -> Steering:
    """Return the steering of a run whose sampler is a regular file: a pipe would be waited for."""
    run = RunFolder(entry.path)
    if not run.sampler.is_file():
        raise FileFormatError(f"sampler {run.sampler}", "must be a file", "none", "Run it again.")
    return Steering.of(run)


class Samplers:
    """The samplers of runs.

    Parameters
    ----------
    trusted : sequence of str
        Addresses of generators and classifiers that may be opened beside those that come with
        Equipoise: a run folder names its own, and opening them may run code.
    """

    def __init__(self, trusted: Sequence[str] = ()) -> None:
        self._trusted = frozenset(trusted)
        self._steering = _Kept(_steering_of)
        self._opened = _Kept(self._open)
        self._around = _Kept(lambda entry: Surroundings(RunFolder(entry.path), *self.opened(entry)))

    def steering(self, entry: Entry) -> Steering:
        """Return the steering of a run; nothing of its models is opened."""
        return self._steering.get(entry)

    def opened(self, entry: Entry) -> tuple[Steering, Models]:
        """Return the steering of a run whose sampler can draw, and its models.

        Raises
        ------
        InputError
            When the run names models that do not come with Equipoise, and were not trusted.
        """
        return self._opened.get(entry)

    def prepare(self, entry: Entry) -> None:
        """Open a run that is likely to be drawn from; who draws gets the error, if there is one."""
        with suppress(EquipoiseError):
            self.opened(entry)

    def around(self, entry: Entry) -> Surroundings:
        """Return the labelled codes and directions of a run; raises as `Surroundings` does."""
        return self._around.get(entry)

    def _open(self, entry: Entry) -> tuple[Steering, Models]:
        steering = self.steering(entry)
        settings = make_settings(dict(steering.sampler.settings))
        for address in (settings.generator, *settings.classifiers):
            own = address in NAMES or address.startswith(PINNED)
            if not own and address not in self._trusted:
                raise InputError(
                    f"model of run {entry.name}",
                    "must come with Equipoise, because opening another may run code",
                    address,
                    f"Start with --trust '{address}' where you know it.",
                )
        models = ModelAddresses.of(settings).open()
        bound = steering.sampler.bound(models.generator)
        bound.check_panel(models.panel)
        return Steering(bound, steering.record), models


@dataclass(frozen=True)
class Drawn:
    """How far a draw is.

    Attributes
    ----------
    state : str
    error : str
        Why it failed.
    rows : list of dict
        Metadata of the images that are there.
    """

    state: State
    error: str
    rows: list[dict[str, str]]


class _StopError(Exception):
    """Ends a draw from within its progress."""


class Drawings:
    """Draws in the background, each in a folder of its run.

    Parameters
    ----------
    samplers : Samplers
    """

    def __init__(self, samplers: Samplers) -> None:
        self._samplers = samplers
        self._pool = ThreadPoolExecutor(_RUNNING, "draw")
        self._lock = threading.Lock()
        self._jobs: dict[str, tuple[Future[None], threading.Event]] = {}

    def start(self, entry: Entry, asked: Asked) -> str:
        """Begin a draw, or go on with it, and return its name.

        Raises
        ------
        InputError
            When the request breaks a rule, before anything is drawn.
        BusyError
            When too many draws wait.
        """
        name = name_of(entry, asked)
        with self._lock:
            self._jobs = {k: job for k, job in self._jobs.items() if not job[0].done()}
            if name in self._jobs and not self._jobs[name][1].is_set():
                return name
            if len(self._jobs) >= _RUNNING + _WAITING:
                raise BusyError
            stop = threading.Event()
            folder = own(entry.path, self.folder(entry, name))
            with storage(folder):
                folder.mkdir(parents=True, exist_ok=True)
            write_record(folder / REQUEST, asked)
            self._jobs[name] = (self._pool.submit(self._draw, entry, asked, name, stop), stop)
        return name

    def stop(self, name: str) -> None:
        """Stop a draw; what is drawn is kept."""
        job = self._jobs.get(name)
        if job:
            job[1].set()
            job[0].cancel()

    def close(self) -> None:
        """Stop everything."""
        for name in list(self._jobs):
            self.stop(name)
        self._pool.shutdown(cancel_futures=True)

    def drawn(self, entry: Entry, name: str) -> Drawn:
        """Return how far a draw is, and the rows of its images.

        Raises
        ------
        InputError
            When the run has no such draw.
        """
        folder = self.folder(entry, name)
        if not (folder / REQUEST).is_file():
            raise InputError("draw", "must be one of the run", name, "Draw again.")
        asked = read_record(folder / REQUEST, Asked, "Draw again.")
        job = self._jobs.get(name)
        rows = rows_of(folder)
        state: State = "done" if len(rows) >= asked.n else "stopped"
        error = ""
        if job and not job[0].done():
            state = "stopped" if job[1].is_set() else "drawing" if job[0].running() else "waiting"
        elif job and not job[0].cancelled() and job[0].exception() is not None:
            cause = job[0].exception()
            if not isinstance(cause, _StopError):
                state = "failed"
                error = str(cause) if isinstance(cause, EquipoiseError) else type(cause).__name__
        return Drawn(state, error, rows)

    def earlier(self, entry: Entry) -> list[tuple[str, Asked, float]]:
        """Return the newest draws of a run: name, what was asked, and when, at most a hundred."""
        found = []
        for path in (entry.path / "drawn").glob(f"*/{REQUEST}"):
            with suppress(EquipoiseError, OSError):
                asked = read_record(path, Asked, "Draw again.", limit=2**16)
                self.folder(entry, path.parent.name)
                found.append((path.parent.name, asked, path.stat().st_mtime))
        return sorted(found, key=lambda one: -one[2])[:_LISTED]

    @staticmethod
    def folder(entry: Entry, name: str) -> Path:
        """Return the folder of a draw; its name has sixteen hexadecimal digits.

        Raises
        ------
        InputError
            When the name has another form.
        """
        if len(name) != 16 or not set(name) <= set("0123456789abcdef"):
            raise InputError("draw", "must be one of the run", name, "Draw again.")
        return entry.path / "drawn" / name

    def _draw(self, entry: Entry, asked: Asked, name: str, stop: threading.Event) -> None:
        def progress(stage: str, done: int, total: int) -> None:
            if stop.is_set():
                raise _StopError

        folder = self.folder(entry, name)
        write_to(self._samplers, entry, asked, folder, "folder", Execution(1, progress))


def write_to(
    samplers: Samplers,
    entry: Entry,
    asked: Asked,
    out: Path,
    kind: str,
    execution: Execution = Execution(),
) -> None:
    """Draw from a run's steered sampler to a place, as `equipoise sample` does."""
    sampler, models = steered(samplers, entry, asked)
    write_draws(sampler, models, asked.request, out, kind, execution=execution)


def steered(samplers: Samplers, entry: Entry, asked: Asked) -> tuple[Sampler, Models]:
    """Return the sampler of what is asked, and its models; a wrong request fails."""
    steering, models = samplers.opened(entry)
    sampler = steering.steered(steering.target(asked.target))
    if asked.cell is not None:
        sampler.grid.index(asked.cell)
    if asked.verified:
        sampler.for_verified(asked.faithful)
    return sampler, models


def code_of(
    samplers: Samplers, entry: Entry, asked: Asked, index: int, requested: str
) -> NDArray[np.float32]:
    """Return the code of a drawn image by its index and requested cell, shape (dim,), float32."""
    sampler, _ = steered(samplers, entry, asked)
    if asked.verified:
        sampler = sampler.for_verified(asked.faithful)
    cell = requested if asked.verified else asked.cell
    return drawn_code(sampler, index, asked.seed, cell=cell)


def name_of(entry: Entry, asked: Asked) -> str:
    """Return the name of a draw: equal for equal requests of one run."""
    text = json.dumps([entry.name, entry.changed, asdict(asked)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def rows_of(folder: Path) -> list[dict[str, str]]:
    """Return the whole rows of a folder's metadata, while another thread may write to it."""
    try:
        text = (folder / "metadata.csv").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return []
    return list(csv.DictReader(text[: text.rfind("\n") + 1].splitlines()))
