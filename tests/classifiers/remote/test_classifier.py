"""A faulty service is survived and counted, and asked about no image twice."""

from __future__ import annotations

import gzip
import itertools
import json
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from equipoise.classifiers.base import FAILED, NO_FACE
from equipoise.classifiers.panel import ClassifierPanel
from equipoise.classifiers.remote import RemoteClassifier, connect
from equipoise.classifiers.remote.cached_service import UsageStats
from equipoise.core.errors import RemoteError
from tests.builders.services import Reply, Service, description, face, images, serving

IMAGES = images(24)


def level_of(body: bytes) -> int:
    """The stand-in's opinion, which depends on the file alone."""
    return sum(body) % 2


def truth(classifier: RemoteClassifier, pictures: np.ndarray) -> list[int]:
    return [level_of(classifier.description.picture.encode(picture)) for picture in pictures]


def opened(service: Service, folder: Path, **changes: Any) -> RemoteClassifier:
    return connect(description(service.port, **changes), folder)


def test_answers_come_in_the_order_of_the_images(tmp_path: Path) -> None:
    def reply(times: int, body: bytes) -> Reply:
        return Reply(body=face(level_of(body)).body, delay=0.02 * (sum(body) % 5))

    with serving(reply) as service:
        classifier = opened(service, tmp_path)
        (reading,) = classifier.predict(IMAGES)
    assert reading.levels.tolist() == truth(classifier, IMAGES)
    assert reading.probabilities.max(axis=1) == pytest.approx(0.9)
    assert np.array_equal(reading.scores > 0.5, reading.levels == 1)
    assert {"female", "male"} == set(classifier.attributes[0].levels)
    level = level_of(classifier.description.picture.encode(IMAGES[0]))
    assert classifier.kept_answer(IMAGES[0]) == face(level).body
    assert classifier.kept_answer(IMAGES[0][:, ::2]) is None


FAULTS: dict[str, tuple[Reply, str]] = {
    "too many": (Reply(429, {}, {"Retry-After": "0.02"}), "rate_limit"),
    "too many, told by a text": (Reply(403, {"error": "QPS_LIMIT"}), "rate_limit"),
    "server": (Reply(500, b"<html>"), "server"),
    "unavailable": (Reply(503, b""), "server"),
    "slow": (Reply(200, {}, delay=0.5), "time_out"),
    "dripping": (Reply(200, b"x" * 40, drip=True), "time_out"),
    "no JSON": (Reply(200, b'{"faces": ['), "broken"),
    "deep": (Reply(200, b"[" * 100_000), "broken"),
    "no gzip": (Reply(200, b"x", {"Content-Encoding": "gzip"}), "broken"),
    "half a gzip": (Reply(200, gzip.compress(b"[]")[:-9], {"Content-Encoding": "gzip"}), "broken"),
    "busy within 200": (Reply(200, {"error": "QPS_LIMIT"}), "rate_limit"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_passing_fault_is_repeated_and_counted(fault: str, tmp_path: Path) -> None:
    bad, kind = FAULTS[fault]
    # Long enough for answers on a busy machine, where it is not what is tried.
    limits = {"time_out": 0.3 if kind == "time_out" else 20}
    with serving(lambda times, body: bad if times == 0 else face(level_of(body))) as service:
        classifier = opened(service, tmp_path, request={"busy": ["QPS_LIMIT"]}, limits=limits)
        (reading,) = classifier.predict(IMAGES[:4])
    assert reading.levels.tolist() == truth(classifier, IMAGES[:4])
    expected = {"asked": 4, "requests": 8, kind: 4}
    assert counts(classifier) == expected


def counts(classifier: RemoteClassifier) -> dict[str, int]:
    found = {**vars(classifier.tally)}
    found.pop("seconds")
    return {name: count for name, count in found.items() if count}


@pytest.mark.parametrize("fault", ["server", "no JSON"])
def test_a_lasting_fault_fails_the_image_alone(fault: str, tmp_path: Path) -> None:
    bad, kind = FAULTS[fault]
    lost = IMAGES[2]

    with serving(lambda times, body: Reply()) as service:
        classifier = opened(service, tmp_path, limits={"retries": 2})
        body_of_lost = classifier.description.picture.encode(lost)
        service.reply = lambda times, body: bad if body == body_of_lost else face(level_of(body))
        (reading,) = classifier.predict(IMAGES[:6])
        assert reading.levels[2] == FAILED
        assert np.isnan(reading.scores[2])
        assert reading.probabilities[2].tolist() == [0.5, 0.5]
        assert (np.delete(reading.levels, 2) >= 0).all()
        assert reading.seconds is not None and np.isnan(reading.seconds[2])
        assert (np.delete(reading.seconds, 2) > 0).all()
        assert counts(classifier) == {"asked": 6, "requests": 8, kind: 2, "failed": 1}
        # A failure is not kept: the image is asked about again, and it alone.
        service.reply = lambda times, body: face(level_of(body))
        (again,) = classifier.predict(IMAGES[:6])
    assert again.levels.tolist() == truth(classifier, IMAGES[:6])
    assert again.seconds is not None
    assert np.flatnonzero(again.seconds > 0).tolist() == [2], "the others were kept"
    assert counts(classifier)["requests"] == 9


@pytest.mark.parametrize(
    "bad",
    [
        Reply(200, {"people": []}),
        Reply(200, {"faces": [{"gender": "male", "p": 90}]}),
        Reply(200, b'{"faces": [{"gender": "male", "p": NaN}]}'),
        Reply(200, b'"an error"'),
        Reply(200, b" " * (2**20 + 1)),
        Reply(200, b"x", {"Content-Encoding": "br"}),
    ],
)
def test_what_another_request_would_not_change_is_asked_once(bad: Reply, tmp_path: Path) -> None:
    with serving(lambda times, body: face(level_of(body))) as service:
        classifier = opened(service, tmp_path)
        classifier.predict(IMAGES[:4])
        service.reply = lambda times, body: bad
        (reading,) = classifier.predict(IMAGES[4:8])
        assert (reading.levels == FAILED).all()
        assert counts(classifier) == {"asked": 8, "requests": 8, "failed": 4}


@pytest.mark.parametrize("folder", ["of one", "of two"])
def test_a_wrong_path_ends_the_run_after_a_few_images(folder: str, tmp_path: Path) -> None:
    wrong = [{"name": "gender", "levels": ["female", "male"], "label": "faces[0].gender.value"}]
    with serving(lambda times, body: face(level_of(body))) as service:
        for _ in range(1 + (folder == "of two")):
            classifier = opened(service, tmp_path, attribute=wrong, no_face={"path": "none"})
            with pytest.raises(RemoteError) as caught:
                classifier.predict(IMAGES)
        assert "faces[0].gender.value is missing or not a label" in str(caught.value)
        assert "the answer has faces[0].gender, faces[0].p" in str(caught.value)
        assert len(service.asked) <= 7 * (1 + (folder == "of two"))
        assert max(Counter(asked.body for asked in service.asked).values()) == 1


def test_kept_answers_that_say_busy_are_asked_again(tmp_path: Path) -> None:
    with serving(lambda times, body: Reply(200, {"error": "QPS_LIMIT"})) as service:
        with pytest.raises(RemoteError, match="the answer has error"):
            opened(service, tmp_path).predict(IMAGES[:3])
        service.reply = lambda times, body: face(level_of(body))
        classifier = opened(service, tmp_path, request={"busy": ["QPS_LIMIT"]})
        (reading,) = classifier.predict(IMAGES[:3])
    assert reading.levels.tolist() == truth(classifier, IMAGES[:3])


@pytest.mark.parametrize(
    ("body", "attribute"),
    [
        ([{"label": "male", "score": 0.8}, {"label": "female", "score": 0.2}],
         {"probabilities": ".*", "key": "label", "value": "score"}),
        ([{"label": "male", "score": 0.8}, {"label": "female", "score": 0.2}],
         {"label": "[0].label", "confidence": "[0].score"}),
        ({"male": 0.8, "female": 0.2}, {"probabilities": "*"}),
        (0.8, {"probability": "."}),
        ({"face no. 1": {"is male": 0.8}}, {"probability": '["face no. 1"]["is male"]'}),
        ([[[{"sex": {"m": 0.8}}]]], {"probability": "[0][0][0].sex.m"}),
    ],
)  # fmt: skip
def test_answers_of_any_shape_are_read(
    body: object, attribute: dict[str, str], tmp_path: Path
) -> None:
    named = {"name": "gender", "levels": ["female", "male"]} | attribute
    none = {"path": "none", "is": "missing"}
    content = json.dumps(body).encode()
    for packed, coding in [
        (content, "identity"), (gzip.compress(content), "gzip"), (zlib.compress(content), "deflate")
    ]:  # fmt: skip
        reply = Reply(200, packed, {"Content-Encoding": coding})
        with serving(lambda times, body, reply=reply: reply) as service:
            changes = {"attribute": [named], "no_face": none | {"is": "equal", "value": 1}}
            classifier = opened(service, tmp_path / coding, **changes)
            (reading,) = classifier.predict(IMAGES[:2])
        assert reading.probabilities[:, 1] == pytest.approx(0.8)


def test_a_packed_answer_is_unpacked_up_to_the_limit(tmp_path: Path) -> None:
    bomb = gzip.compress(bytes(2**26))
    assert len(bomb) < 2**17
    with serving(lambda times, body: Reply(200, bomb, {"Content-Encoding": "gzip"})) as service:
        classifier = opened(service, tmp_path)
        (reading,) = classifier.predict(IMAGES[:1])
    assert reading.levels.tolist() == [FAILED]
    assert counts(classifier) == {"asked": 1, "requests": 1, "failed": 1}


def test_a_refused_image_is_not_repeated(tmp_path: Path) -> None:
    with serving(lambda times, body: Reply(400, {"error": "TOO_SMALL"})) as service:
        classifier = opened(service, tmp_path)
        (reading,) = classifier.predict(IMAGES[:3])
    assert (reading.levels == FAILED).all()
    assert counts(classifier) == {"asked": 3, "requests": 3, "failed": 3}


def test_no_face_is_an_answer_and_is_kept(tmp_path: Path) -> None:
    with serving(lambda times, body: Reply(body={"faces": []})) as service:
        classifier = opened(service, tmp_path)
        for _ in range(2):
            (reading,) = classifier.predict(IMAGES[:5])
            assert (reading.levels == NO_FACE).all()
            assert np.isnan(reading.scores).all()
            assert (reading.probabilities == 0.5).all()
    assert counts(classifier) == {"asked": 5, "requests": 5, "cached": 5, "no_face": 10}


def test_no_face_may_be_told_by_a_status(tmp_path: Path) -> None:
    with serving(lambda times, body: Reply(422, {"code": "NO_FACE"})) as service:
        classifier = opened(
            service,
            tmp_path,
            request={"answers": [422]},
            no_face={"path": "code", "is": "equal", "value": "NO_FACE"},
        )
        (reading,) = classifier.predict(IMAGES[:2])
    assert reading.levels.tolist() == [NO_FACE, NO_FACE]


def test_denied_access_ends_the_run_and_names_the_variable(tmp_path: Path) -> None:
    with serving(lambda times, body: Reply(401, {"error": "bad key"})) as service:
        classifier = opened(service, tmp_path)
        with pytest.raises(RemoteError, match="Check the environment variable TEST_KEY") as caught:
            classifier.predict(IMAGES)
        assert "status 401" in str(caught.value)
        assert len(service.asked) <= 8


def test_a_service_that_dies_and_comes_back_is_survived(tmp_path: Path) -> None:
    asked = threading.Event()

    def reply(times: int, body: bytes) -> Reply:
        asked.set()
        return Reply(body=face(level_of(body)).body, delay=0.02)

    with serving(reply) as service:
        limits = {"retries": 8, "back_off": 0.05, "concurrency": 2}
        classifier = opened(service, tmp_path, limits=limits)

        def outage() -> None:
            asked.wait()
            service.stop()
            time.sleep(0.4)
            service.start()

        outages = threading.Thread(target=outage)
        outages.start()
        (reading,) = classifier.predict(IMAGES)
        outages.join()
    assert reading.levels.tolist() == truth(classifier, IMAGES)
    assert counts(classifier)["connection"] > 0
    assert "failed" not in counts(classifier)


def test_a_service_that_stays_down_ends_the_run_and_answers_are_kept(tmp_path: Path) -> None:
    with serving(lambda times, body: face(level_of(body))) as service:
        changes = {"limits": {"retries": 1, "stop_after": 6}}
        classifier = opened(service, tmp_path, **changes)
        classifier.predict(IMAGES[:10])
        service.stop()
        with pytest.raises(RemoteError, match="at least one of 6 images in a row") as caught:
            classifier.predict(IMAGES)
        assert "connection: ConnectError" in str(caught.value)
        service.start()
        again = opened(service, tmp_path, **changes)
        (reading,) = again.predict(IMAGES)
    assert reading.levels.tolist() == truth(again, IMAGES)
    assert counts(again) == {"asked": 14, "cached": 10, "requests": 14}


def test_batches_of_other_threads_end_with_the_one_that_gives_up(tmp_path: Path) -> None:
    together, number = threading.Barrier(3), itertools.count()

    def down(times: int, body: bytes) -> Reply:
        if next(number) < 3:
            together.wait(30)  # All three batches are under way.
        return Reply(500, {})

    with serving(down) as service:
        limits = {"retries": 0, "stop_after": 6, "concurrency": 1, "rate": 0}
        classifier = opened(service, tmp_path, limits=limits)
        with ThreadPoolExecutor(3) as pool:
            futures = [pool.submit(classifier.predict, IMAGES[i::3]) for i in range(3)]
            errors = [future.exception() for future in futures]
        assert all(isinstance(error, RemoteError) for error in errors), "a batch was returned"
        assert len(service.asked) <= 6 + 2
        # A later call is not ended by it.
        service.reply = lambda times, body: face(level_of(body))
        (reading,) = classifier.predict(IMAGES)
    assert reading.levels.tolist() == truth(classifier, IMAGES)


def test_a_long_wait_ends_the_run(tmp_path: Path) -> None:
    with serving(lambda times, body: Reply(429, {}, {"Retry-After": "86400"})) as service:
        classifier = opened(service, tmp_path)
        with pytest.raises(RemoteError, match="a wait of 86400 s"):
            classifier.predict(IMAGES)


def test_retry_after_holds_all_requests_back(tmp_path: Path) -> None:
    first = threading.Event()

    def reply(times: int, body: bytes) -> Reply:
        if not first.is_set():
            first.set()
            return Reply(429, {}, {"Retry-After": "0.5"})
        return face(0)

    with serving(reply) as service:
        classifier = opened(service, tmp_path, limits={"concurrency": 1})
        classifier.predict(IMAGES[:3])
    times = [asked.at for asked in service.asked]
    assert times[1] - times[0] > 0.45


def test_the_rate_is_kept_over_threads(tmp_path: Path) -> None:
    with serving(lambda times, body: face(0)) as service:
        classifier = opened(service, tmp_path, limits={"rate": 40, "concurrency": 8})
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(classifier.predict, [IMAGES[:8], IMAGES[8:16], IMAGES[16:]]))
    times = sorted(asked.at for asked in service.asked)
    assert len(times) == 24
    assert times[-1] - times[0] > 23 / 40 * 0.9


def test_processes_keep_one_rate_and_pay_for_no_image_twice(tmp_path: Path) -> None:
    """Two processes that begin at the same time with the same images, in opposite order."""
    code = (
        "import sys; from pathlib import Path; "
        "from equipoise.classifiers.remote import connect; "
        "from tests.builders.services import description, images; "
        "c = connect(description(int(sys.argv[1]), limits={'rate': 40}), Path(sys.argv[2])); "
        "print(flush=True); sys.stdin.readline(); found = images(24)[:: int(sys.argv[3])]; "
        "print(*c.predict(found)[0].levels, c.tally.asked, c.tally.cached)"
    )
    with serving(lambda times, body: face(level_of(body))) as service:
        workers = [
            subprocess.Popen(
                [sys.executable, "-c", code, str(service.port), str(tmp_path), step],
                cwd=Path(__file__).parents[3],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for step in ("1", "-1")
        ]
        assert [worker.stdout.readline() for worker in workers if worker.stdout] == ["\n", "\n"]
        found = [worker.communicate("\n")[0].split() for worker in workers]
    times = sorted(asked.at for asked in service.asked)
    assert len(times) == 24
    assert times[-1] - times[0] > 23 / 40 * 0.9
    assert found[0][:24] == found[1][:24][::-1]
    asked, cached = (sum(int(words[place]) for words in found) for place in (24, 25))
    assert (asked, cached) == (24, 24)


def test_requests_under_way_are_bounded(tmp_path: Path) -> None:
    now, most, lock = [0], [0], threading.Lock()

    def reply(times: int, body: bytes) -> Reply:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.01)
        with lock:
            now[0] -= 1
        return face(0)

    with serving(reply) as service:
        classifier = opened(service, tmp_path, limits={"concurrency": 3})
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(classifier.predict, [IMAGES[:8], IMAGES[8:16], IMAGES[16:]]))
    assert 1 < most[0] <= 3


def test_no_image_is_asked_about_twice(tmp_path: Path) -> None:
    """Two adapters with a cache between them, five threads, and images that repeat."""
    with serving(lambda times, body: Reply(body=face(0).body, delay=0.01)) as service:
        one, two = opened(service, tmp_path), opened(service, tmp_path)
        twice = np.concatenate([IMAGES, IMAGES[::-1]])
        with ThreadPoolExecutor(5) as pool:
            list(pool.map(lambda c: c.predict(twice), [one, two, one, two, one]))
    bodies = Counter(asked.body for asked in service.asked)
    assert len(bodies) == 24
    assert set(bodies.values()) == {1}
    tallies: list[UsageStats] = [one.tally, two.tally]
    assert sum(tally.asked for tally in tallies) == 24
    assert sum(tally.asked + tally.cached for tally in tallies) == 5 * 48


def test_a_new_reading_of_kept_answers_asks_nothing(tmp_path: Path) -> None:
    mapped = {"name": "sex", "levels": ["m", "f"], "label": "faces[0].gender"}
    mapped |= {"map": {"male": "m", "female": "f"}}
    with serving(lambda times, body: face(level_of(body))) as service:
        first = opened(service, tmp_path)
        second = opened(service, tmp_path, attribute=[mapped])
        (before,), (after,) = first.predict(IMAGES), second.predict(IMAGES)
        assert len(service.asked) == 24
        third = opened(service, tmp_path, picture={"side": 16})
        third.predict(IMAGES[:2])
        assert len(service.asked) == 26
    assert np.array_equal(before.levels, 1 - after.levels)
    assert len({c.digest for c in (first, second, third)}) == 3


def test_an_answer_that_a_wrong_path_could_not_read_is_not_paid_for_again(tmp_path: Path) -> None:
    wrong = [{"name": "gender", "levels": ["female", "male"], "label": "faces[0].sex"}]
    with serving(lambda times, body: face(level_of(body))) as service:
        typo = opened(service, tmp_path, attribute=wrong, limits={"retries": 0, "stop_after": 3})
        with pytest.raises(RemoteError, match=r"unread: faces\[0\]\.sex is missing"):
            typo.predict(IMAGES)
        paid = len(service.asked)
        opened(service, tmp_path).predict(IMAGES)
        assert len(service.asked) == 24
        assert paid >= 3


def test_a_label_that_is_no_level_fails_its_image_and_is_paid_for_once(tmp_path: Path) -> None:
    odd = Reply(body={"faces": [{"gender": "robot", "p": 0.9}]})
    mapped = {"name": "gender", "levels": ["female", "male"], "label": "faces[0].gender"}
    mapped |= {"map": {"robot": "unknown"}}
    with serving(lambda times, body: face(1) if level_of(body) else odd) as service:
        classifier = opened(service, tmp_path)
        expected = np.where(truth(classifier, IMAGES), 1, FAILED).tolist()
        for _ in range(2):
            (reading,) = classifier.predict(IMAGES)
            assert reading.levels.tolist() == expected
        better = opened(service, tmp_path, attribute=[mapped])
        (reading,) = better.predict(IMAGES)
        assert reading.levels.tolist() == [-1 if level == FAILED else 1 for level in expected]
        assert len(service.asked) == 24


def test_a_map_without_what_a_service_says_ends_the_run(tmp_path: Path) -> None:
    with serving(lambda times, body: Reply(body={"faces": [{"gender": "robot"}]})) as service:
        for _ in range(2):
            classifier = opened(service, tmp_path, limits={"stop_after": 6})
            with pytest.raises(RemoteError, match=r"unmapped: .*'robot', which is mapped"):
                classifier.predict(IMAGES)
        assert len(service.asked) <= 24


def test_an_image_without_an_answer_is_unknown_to_a_panel(tmp_path: Path) -> None:
    refused = Reply(400, {"error": "TOO_SMALL"})
    with serving(lambda times, body: face(1) if level_of(body) else refused) as service:
        classifier = opened(service, tmp_path)
        labels = ClassifierPanel([classifier], ["gender"]).predict(IMAGES)
    assert labels.levels[:, 0].tolist() == np.where(truth(classifier, IMAGES), 1, -1).tolist()


def test_nothing_is_read_from_no_images(tmp_path: Path) -> None:
    classifier = connect(description(), tmp_path)
    (reading,) = classifier.predict(IMAGES[:0])
    assert reading.probabilities.shape == (0, 2)


def test_a_claim_that_ran_out_before_its_turn_is_another_askers(tmp_path: Path) -> None:
    with serving(lambda times, body: Reply(body=face(0).body, delay=0.1)) as service:
        slow, quick = (opened(service, tmp_path) for _ in range(2))
        slow._claim = lambda *_: slow._cache.claim(*_[:2], 0.02)  # type: ignore[method-assign]
        slow._limiter.pause(0.15)
        with ThreadPoolExecutor(2) as pool:
            late = pool.submit(slow.predict, IMAGES[:1])
            time.sleep(0.08)
            early = pool.submit(quick.predict, IMAGES[:1])
            assert late.result()[0].levels == early.result()[0].levels
    assert len(service.asked) == 1
    assert counts(slow) == {"cached": 1}
