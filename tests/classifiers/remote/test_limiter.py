import time
from threading import Event

from equipoise.classifiers.remote.limiter import Limiter


def test_turns_are_evenly_spaced() -> None:
    limiter, stop = Limiter(100), Event()
    started = time.monotonic()
    assert all(limiter.wait(stop) for _ in range(11))
    assert time.monotonic() - started >= 0.1


def test_no_limit_waits_for_nothing_but_a_pause() -> None:
    limiter, stop = Limiter(0), Event()
    started = time.monotonic()
    assert all(limiter.wait(stop) for _ in range(1000))
    assert time.monotonic() - started < 0.5
    limiter.pause(0.1)
    assert limiter.wait(stop)
    assert time.monotonic() - started >= 0.1


def test_a_stop_ends_the_wait() -> None:
    limiter, stop = Limiter(0), Event()
    limiter.pause(60)
    stop.set()
    assert not limiter.wait(stop)
