from pathlib import Path

import pytest

from equipoise.core.errors import InputError
from equipoise.core.settings import Settings, from_dict, make_settings
from equipoise.runs.folder import RunFolder


def test_flags_override_the_file_and_the_file_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text('n = 500\nseed = 3\nattributes = ["gender"]\n')
    settings = make_settings({"seed": 4, "target": None}, path)
    assert (settings.n, settings.seed, settings.attributes) == (500, 4, ("gender",))
    assert settings.target == "uniform"


def test_saved_settings_read_back(tmp_path: Path) -> None:
    settings = Settings(n=123, components=4, fraction=0.25, target="marginals: gender=male:1")
    RunFolder(tmp_path).write_settings(settings)
    assert RunFolder(tmp_path).read_settings() == settings
    assert from_dict(settings.to_dict()) == settings


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"n": 0}, "n must be a whole number of at least 1, got 0"),
        ({"n": -5}, "got -5"),
        ({"n": "many"}, "setting n must be of type int, got many"),
        ({"keep_norm": 1}, "setting keep_norm must be of type bool, got 1"),
        ({"fraction": True}, "setting fraction must be of type"),
        ({"method": "magic"}, "method must be one of tilt, mixture, shift, got magic"),
        ({"colour": "red"}, "setting must be one of .*, got colour"),
        ({"seed": -1}, "seed must be"),
    ],
)
def test_bad_settings_are_named(given: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        make_settings(given)


def test_bad_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("n = = 3")
    with pytest.raises(InputError, match=r"bad\.toml must be readable TOML"):
        make_settings({}, tmp_path / "bad.toml")
    with pytest.raises(InputError, match=r"none\.toml must be readable TOML"):
        make_settings({}, tmp_path / "none.toml")
