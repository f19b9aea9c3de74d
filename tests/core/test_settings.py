import dataclasses
from pathlib import Path
from typing import Any

import pytest

from equipoise.core.errors import InputError
from equipoise.core.settings import Settings, from_dict, make_settings, setting_info
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
        (
            {"method": "magic"},
            "method must be one of tilt, mixture, shift-calibrated, shift, got magic",
        ),
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


def test_every_setting_is_declared_once_and_documented() -> None:
    told = str(Settings.__doc__)
    for field in dataclasses.fields(Settings):
        assert f"    {field.name} : {field.type}\n        {setting_info(field).help}" in told
        assert setting_info(field).remedy.endswith(".")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"per_cell": 1}, "per_cell must be a whole number of at least 2, got 1. Pass --per-cell"),
        ({"distance": 0.0}, "distance must be above 0, got 0.0. Pass --distance 3."),
        ({"distance": float("inf")}, "distance must be above 0"),
        ({"fraction": 0.0}, r"fraction must be in \(0, 1\], got 0.0"),
        ({"fraction": 1.5}, r"fraction must be in \(0, 1\], got 1.5"),
        ({"directed": 0.95}, r"directed must be in \[0, 0.9\], got 0.95"),
        ({"seed": 2**63}, r"seed must be a whole number in \[0, 2\*\*63\)"),
        ({"components": 0}, "components must be a whole number of at least 1, or bic, got 0"),
        ({"components": "aic"}, "components must be a whole number of at least 1, or bic, got aic"),
        ({"workers": 0}, "workers must be a whole number of at least 1, got 0. Leave it out."),
        ({"n": True}, "n must be a whole number"),
        (
            {"beside": ("shift", "magic")},
            "method must be one of tilt, mixture, shift-calibrated, shift, got magic",
        ),
        ({"multilevel": "flat"}, "multilevel must be one of ordered, one-vs-rest, got flat"),
    ],
)
def test_each_rule_is_checked_where_settings_are_made(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Settings(**given)


def test_a_settings_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text("n = 500\r\n", encoding="utf-8-sig")
    assert make_settings({}, path).n == 500


FAITHFUL = r"faithful must be in \[0.5, 0.99\], or exact, or typical, got "


@pytest.mark.parametrize(
    ("given", "kept"),
    [("0.95", 0.95), (0.9, 0.9), ("exact", "exact"), ("typical", "typical"), (0.5, 0.5)],
)
def test_faithfulness_is_a_number_or_a_word(given: float | str, kept: float | str) -> None:
    assert make_settings({"faithful": given}).faithful == kept


@pytest.mark.parametrize(
    "given", [0.3, "0.3", 1.5, "1.5", 1, "other", float("nan"), "nan", "inf", True]
)
def test_another_faithfulness_is_refused_with_the_rule(given: float | str) -> None:
    with pytest.raises(InputError, match=f"{FAITHFUL}.*Pass --faithful 0.9"):
        Settings(faithful=given)  # As a caller of the library gives it.
    with pytest.raises(InputError, match=FAITHFUL if given is not True else "faithful must be"):
        make_settings({"faithful": given})  # As the command line and files do.


def test_images_are_shared_out_between_the_prior_and_draws() -> None:
    assert (Settings(n=1000).directed_n, Settings(n=1000).prior_n) == (600, 400)
    assert Settings(n=1000, directed=0.25, method="shift-calibrated").directed_n == 250
    paper = Settings(n=1000, method="shift")
    assert (paper.directed_n, paper.prior_n) == (0, 1000), "the recipe as published uses no draws"
    assert Settings(n=1000, method="shift", beside=("mixture",)).directed_n == 600


def test_a_text_where_names_belong_is_no_list_of_letters() -> None:
    with pytest.raises(InputError, match=r"attributes must be several names.*\('a', 'b'\)\.$"):
        Settings(attributes="a, b")  # type: ignore[arg-type]
