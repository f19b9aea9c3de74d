"""Attributes are looked up in one's own classifiers first."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from equipoise.classifiers import Prediction, by_threshold, open_panel
from equipoise.cli.opening import open_sampler
from equipoise.core.attributes import Attribute
from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.settings import Settings, from_dict
from equipoise.generators.toy import ToyGenerator
from equipoise.pipeline import balance
from equipoise.runs.folder import RunFolder

BRIGHT = f"{__name__}:Bright"


class Bright:
    """Whether the face is brighter than grey; one's own, as a user would write it."""

    name = "bright"
    caveats = ()
    pinned = ()
    attributes = (Attribute("bright", ("no", "yes")),)
    digest = hashlib.sha256(b"bright").hexdigest()

    def predict(self, images: np.ndarray) -> tuple[Prediction, ...]:
        return (by_threshold(images.mean(axis=(1, 2, 3)).astype(np.float32), [self.cut]),)

    cut = 127.5


class Smiles(Bright):
    name = "smiles"
    attributes = (Attribute("smiling", ("no", "yes")),)
    digest = hashlib.sha256(b"smiles").hexdigest()


def settings(*classifiers: str, attributes: tuple[str, ...] = ("smiling", "bright")) -> Settings:
    return Settings(
        generator="toy",
        attributes=attributes,
        classifiers=classifiers,
        method="shift",
        n=400,
        per_cell=100,
        measure_n=100,
        components=1,
    )


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or _module())


def _module() -> object:
    import types

    module = types.ModuleType(__name__)
    vars(module).update(Bright=Bright, Smiles=Smiles)
    return module


def test_ones_own_come_first_and_the_toy_answers_on_the_rest(toy: ToyGenerator) -> None:
    mixed = open_panel(["smiling", "bright"], toy, classifiers=[BRIGHT])
    assert [c.name for c in mixed.classifiers] == ["bright", "toy"]
    assert mixed.grid.names == ("smiling", "bright")
    own = open_panel(["smiling"], toy, classifiers=[f"{__name__}:Smiles"])
    assert [c.name for c in own.classifiers] == ["smiles"]


def test_one_that_is_not_wanted_is_refused(toy: ToyGenerator) -> None:
    with pytest.raises(InputError, match="must predict one of smiling, got bright"):
        open_panel(["smiling"], toy, classifiers=[BRIGHT])
    with pytest.raises(InputError, match=r"must be one of bright, gender, .* got nose"):
        open_panel(["bright", "nose"], classifiers=[BRIGHT])


def test_names_keep_their_commas() -> None:
    uri = "clip:smiling=a face, not smiling|a face, smiling"
    assert from_dict({"classifiers": uri}).classifiers == (uri,)
    assert from_dict(Settings(classifiers=(uri,)).to_dict()).classifiers == (uri,)


def test_a_sampler_reopens_its_classifiers_and_refuses_changed_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = balance(settings(BRIGHT), tmp_path)
    used = {model.name for model in done.record.models if model.role == "classifier"}
    assert used == {"bright", "toy"}
    file = RunFolder(tmp_path).sampler
    sampler, models = open_sampler(file, None)
    assert sampler.panel == models.panel.digest
    monkeypatch.setattr(Bright, "digest", hashlib.sha256(b"another").hexdigest())
    with pytest.raises(FileFormatError, match=r"'bright' .* must be those that the sampler was"):
        open_sampler(file, None)
