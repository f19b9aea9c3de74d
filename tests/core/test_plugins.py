from typing import Protocol, runtime_checkable

import pytest

from equipoise.core import plugins
from equipoise.core.errors import InputError
from equipoise.core.plugins import imported, install
from equipoise.generators import Prior, StandardNormal


@runtime_checkable
class Called(Protocol):
    def __call__(self) -> int: ...


def unit() -> StandardNormal:
    return StandardNormal(1)


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("equipoise.core.plugins.unit", unit, raising=False)
    monkeypatch.setattr("equipoise.core.plugins.made", unit(), raising=False)


@pytest.mark.parametrize("name", ["unit", "made"])
def test_an_object_and_what_a_function_gives_are_taken(name: str) -> None:
    assert imported(f"equipoise.core.plugins:{name}", "prior", Prior) == StandardNormal(1)


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("no_such_module:x", "must name an importable prior.*no_such_module"),
        ("collections:OrderedDict", "without codes, log_density. See equipoise.generators.base"),
        ("equipoise.generators:StandardNormal", "StandardNormal.__init__"),
    ],
)
def test_what_is_none_is_named(uri: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        imported(uri, "prior", Prior)


def test_what_cannot_be_called_is_named() -> None:
    with pytest.raises(InputError, match="must have __call__, got OrderedDict without __call__"):
        imported("collections:OrderedDict", "function", Called)


@pytest.mark.parametrize(
    ("origin", "command"),
    [
        (None, 'pip install "equipoise[ray]"'),
        ("no JSON", 'pip install "equipoise[ray]"'),
        ("[]", 'pip install "equipoise[ray]"'),
        ('{"url": "file:///x", "dir_info": null}', 'pip install "equipoise[ray] @ file:///x"'),
        (
            '{"url": "https://example.org/e.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}}',
            'pip install "equipoise[ray] @ git+https://example.org/e.git@abc"',
        ),
        (
            '{"url": "file:///a%20b/equipoise", "dir_info": {"editable": true}}',
            'pip install -e "/a b/equipoise[ray]"',
        ),
        (
            '{"url": "file:///x/equipoise-0.1.0.whl", "archive_info": {}}',
            'pip install "equipoise[ray] @ file:///x/equipoise-0.1.0.whl"',
        ),
    ],
)
def test_extras_come_from_where_the_package_came(
    origin: str | None, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Installed:
        def read_text(self, name: str) -> str | None:
            return origin

    monkeypatch.setattr(plugins, "distribution", lambda name: Installed())
    assert install("ray") == f"Run `{command}`"
