import time
from threading import Event

import pytest

from equipoise.core.turns import Turns, share_turns, shared_turns
from equipoise.runtimes.http.answer_cache import AnswerCache
from equipoise.runtimes.http.limiter import Limiter
from equipoise.runtimes.http.service import RateLimits


def test_a_turn_keeps_others_from_one_service() -> None:
    turns = Turns()
    assert turns.turn("a", 60) == 0
    assert 59 < turns.turn("a", 60) <= 60
    assert turns.turn("b", 60) == 0


def test_a_pause_ends_and_is_never_cut_short() -> None:
    turns = Turns()
    turns.pause("a", 60)
    turns.pause("a", 0.01)
    assert 59 < turns.turn("a", 0) <= 60
    turns.pause("b", 0.01)
    time.sleep(0.02)
    assert turns.turn("b", 0) == 0


def test_machines_with_files_of_their_own_keep_one_rate(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("equipoise.core.turns._shared", None)
    share_turns(Turns())
    limits, stop = RateLimits(50, 1), Event()
    machines = [
        Limiter(AnswerCache(tmp_path_factory.mktemp("machine")), "s", limits) for _ in range(3)
    ]
    began = time.monotonic()
    for _ in range(4):
        for machine in machines:
            with machine.turn(stop) as granted:
                assert granted
    assert time.monotonic() - began >= 11 / 50
    machines[0].pause(60)
    keeper = shared_turns()
    assert keeper is not None and keeper.turn("s", 0) > 59, "a pause is one of all machines"
