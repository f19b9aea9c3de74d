import time
from threading import Event

from equipoise.runtimes.http.limiter import Limiter


def granted(limiter: Limiter, stop: Event) -> bool:
    with limiter.turn(stop) as leave:
        return leave


def test_turns_are_evenly_spaced() -> None:
    limiter, stop = Limiter(100, 1), Event()
    started = time.monotonic()
    assert all(granted(limiter, stop) for _ in range(11))
    assert time.monotonic() - started >= 0.1


def test_no_limit_waits_for_nothing_but_a_pause() -> None:
    limiter, stop = Limiter(0, 1), Event()
    started = time.monotonic()
    assert all(granted(limiter, stop) for _ in range(1000))
    assert time.monotonic() - started < 0.5
    limiter.pause(0.1)
    assert granted(limiter, stop)
    assert time.monotonic() - started >= 0.1


def test_a_stop_ends_the_wait() -> None:
    limiter, stop = Limiter(0, 1), Event()
    limiter.pause(60)
    stop.set()
    assert not granted(limiter, stop)
