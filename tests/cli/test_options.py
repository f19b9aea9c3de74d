"""Options are made from what `Settings` declares."""

import inspect
from typing import Annotated, get_args

import pytest

from equipoise.cli.options import Given, SettingOptions, option, takes_settings
from equipoise.core.settings import Settings


@pytest.mark.parametrize(
    ("name", "flag", "shown"),
    [
        ("n", "--n", "Images to classify, all in all. [10000]"),
        ("classifiers", "--classifier", "docs/classifiers.md)."),
        ("keep_norm", "--keep-norm/--free-norm", "Shift: keep each code's norm."),
        ("workers", "--workers", "Threads. [all cores]"),
        ("batch_size", "--batch-size", "Codes in one call."),
        ("attributes", "--attributes", "[smiling,skin_tone]"),
    ],
)
def test_an_option_shows_its_default(name: str, flag: str, shown: str) -> None:
    made = option(name)
    assert made.default == flag  # Typer takes the first declaration of an annotation from here.
    assert str(made.help).endswith(shown)


def test_a_marked_parameter_becomes_options_and_receives_a_mapping() -> None:
    received = {}

    @takes_settings
    def command(
        *, out: str, first: Annotated[Given, SettingOptions("n", "fraction")], dry: bool = False,
        then: Annotated[Given, SettingOptions("classifiers")],
    ) -> None:  # fmt: skip
        received.update(out=out, first=first, dry=dry, then=then)

    parameters = inspect.signature(command).parameters
    assert list(parameters) == ["out", "n", "fraction", "dry", "classifiers"]
    assert [
        get_args(parameters[name].annotation)[0] for name in ("n", "fraction", "classifiers")
    ] == [
        int | None,
        float | None,
        list[str] | None,
    ]
    command(out="x", n=5, fraction=None, dry=True, classifiers=["hf:one, two"])
    assert received == {
        "out": "x",
        "first": {"n": 5, "fraction": None},
        "dry": True,
        "then": {"classifiers": ["hf:one, two"]},
    }


def test_all_settings_are_options_in_their_order() -> None:
    assert SettingOptions().names == tuple(Settings.__dataclass_fields__)
