import time
from pathlib import Path
from threading import Event

from equipoise.runtimes.http.answer_cache import AnswerCache
from equipoise.runtimes.http.limiter import Limiter
from equipoise.runtimes.http.service import RateLimits


def opened(folder: Path, rate: float = 0, service: str = "s") -> Limiter:
    return Limiter(AnswerCache(folder), service, RateLimits(rate, 1))


class Waits(Event):
    """Keeps how long it was waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(timeout or 0.0)
        return super().wait(timeout)


def granted(limiter: Limiter, stop: Event) -> bool:
    with limiter.turn(stop) as leave:
        return leave


def test_turns_are_evenly_spaced(tmp_path: Path) -> None:
    limiter, stop = opened(tmp_path, 100), Event()
    started = time.monotonic()
    assert all(granted(limiter, stop) for _ in range(11))
    assert time.monotonic() - started >= 0.1


def test_no_limit_waits_for_nothing_but_a_pause(tmp_path: Path) -> None:
    limiter, stop = opened(tmp_path), Waits()
    assert all(granted(limiter, stop) for _ in range(1000))
    assert stop.seconds == []
    started = time.monotonic()
    limiter.pause(0.1)
    assert granted(limiter, stop)
    assert time.monotonic() - started >= 0.1


def test_a_stop_ends_the_wait(tmp_path: Path) -> None:
    limiter, stop = opened(tmp_path), Event()
    limiter.pause(60)
    stop.set()
    assert not granted(limiter, stop)


def test_those_who_open_one_cache_share_turns_and_pauses_of_a_service(tmp_path: Path) -> None:
    one, two, stop = opened(tmp_path, 20), opened(tmp_path, 20), Event()
    other = opened(tmp_path, 20, "another service")
    started = time.monotonic()
    assert all(granted(limiter, stop) for limiter in (one, two, one, other))
    assert time.monotonic() - started >= 0.1
    one.pause(0.2)
    assert granted(two, stop)
    assert time.monotonic() - started >= 0.3
