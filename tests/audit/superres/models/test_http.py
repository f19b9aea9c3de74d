import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from equipoise.audit.superres.models import SuperResolutionModel, open_super_resolution_model
from equipoise.core.errors import InputError, RemoteError
from tests.builders.services import SECRET, Reply, serving

LOW = np.random.default_rng(0).integers(0, 256, (7, 3, 8, 8)).astype(np.uint8)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TEST_KEY", SECRET)
    monkeypatch.setenv("EQUIPOISE_CACHE", str(tmp_path / "cache"))


def described(folder: Path, port: int, more: str = "") -> SuperResolutionModel:
    path = folder / "service.toml"
    path.write_text(
        f"""
name = "enlarger"
{more}
[request]
url = "http://127.0.0.1:{port}/enlarge"
upload = "raw"
headers = {{ X-Key = {{ env = "TEST_KEY" }} }}
[limits]
time_out = 2
retries = 3
back_off = 0.01
""",
        encoding="utf-8",
    )
    return open_super_resolution_model(str(path), 2)


def enlarged(body: bytes, factor: int = 2) -> Reply:
    picture = Image.open(io.BytesIO(body))
    file = io.BytesIO()
    picture.resize([factor * side for side in picture.size], Image.Resampling.NEAREST).save(
        file, "PNG"
    )
    return Reply(body=file.getvalue())


def test_pictures_come_back_in_order_through_faults(tmp_path: Path) -> None:
    def reply(times: int, body: bytes) -> Reply:
        faults = [Reply(429), Reply(500), Reply(body=b"no picture")]
        return faults[times] if times < len(faults) else enlarged(body)

    with serving(reply) as service:
        restorer = described(tmp_path, service.port)
        found = restorer.restore(LOW, 0, np.arange(7))
    assert np.array_equal(found, LOW.repeat(2, axis=2).repeat(2, axis=3))
    assert len(service.asked) == 4 * len(LOW)
    assert service.asked[0].headers["X-Key"] == SECRET


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda body: enlarged(body, 3), "an image of 24x24, not 16x16"),
        (lambda body: Reply(403, body=b"no"), "denied: status 403 no"),
        (lambda body: Reply(body=b"GIF89a"), "not a PNG, JPEG or WebP image"),
    ],
)
def test_what_is_no_picture_of_the_right_size_ends_with_its_reason(
    answer: object, said: str, tmp_path: Path
) -> None:
    with (
        serving(lambda times, body: answer(body)) as service,  # type: ignore[operator]
        pytest.raises(RemoteError, match=said) as raised,
    ):
        described(tmp_path, service.port).restore(LOW[:1], 0, np.arange(1))
    assert json.dumps(SECRET)[1:-1] not in str(raised.value)
    assert SECRET not in repr(raised.value)


def test_a_bad_description_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="field attribute"):
        described(tmp_path, 9, "attribute = 3")
