"""One's own generators, by module:object and by an installed package's entry point."""

from importlib.metadata import EntryPoint

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.generators import Generator, open_generator
from equipoise.generators.networks import modules as own
from tests.builders import networks as writing

HERE = writing.__name__


def test_weights_are_in_the_digest_of_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "moved", writing.Rows(), raising=False)
    same, before = (open_generator(f"{HERE}:{name}").digest for name in ("rows", "moved"))
    assert same == before
    writing.moved.last.bias.data[0] += 1
    assert open_generator(f"{HERE}:moved").digest != before


def test_a_module_takes_its_options_from_a_file(tmp_path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('range = "0..1"\nspace = "w"\n')
    generator = open_generator(f"{HERE}:rows?settings={file}")
    assert (generator.space, "range=0..1" in generator.name) == ("w", True)


@pytest.mark.parametrize(
    ("uri", "device", "batch_size", "said"),
    [
        (f"{HERE}:nothing", "cpu", None, "must name an importable generator"),
        ("collections:OrderedDict", "cpu", None, "must have name, digest, .* got OrderedDict"),
        (f"{HERE}:discs?prior=normal", "cpu", None, "must be left out for a generator"),
        (f"{HERE}:discs", "meta", None, "device must be that of the generator, cpu, got meta"),
        (f"{HERE}:discs", "cpu", 3, "batch_size must be that of the generator, 64, got 3"),
    ],
)
def test_what_does_not_fit_is_named(
    uri: str, device: str, batch_size: int | None, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        open_generator(uri, device=device, batch_size=batch_size)


def test_an_installed_package_offers_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("brightness", f"{HERE}:discs", own.ENTRY_POINTS)

    def listed(*, group: str, name: str) -> list[EntryPoint]:
        return [p for p in [point] if (p.group, p.name) == (group, name)]

    monkeypatch.setattr(own, "entry_points", listed)
    found = open_generator("brightness")
    assert isinstance(found, Generator)
    assert np.array_equal(found.images(np.zeros((1, 3), np.float32)), np.full((1, 3, 4, 4), 128))
    with pytest.raises(InputError, match="got dark"):
        open_generator("dark")
