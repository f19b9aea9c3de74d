from pathlib import Path

import pytest

from equipoise.classifiers import open_classifier
from equipoise.classifiers.skin_tone import SkinTone
from equipoise.core.errors import InputError

READY = SkinTone()


def test_pinned_ones_and_ones_own_are_opened() -> None:
    assert open_classifier("pinned:skin_tone").attributes[0].name == "skin_tone"
    made = open_classifier("equipoise.classifiers.skin_tone:SkinTone")
    assert isinstance(made, SkinTone)


def test_a_remote_one_is_opened_by_its_file() -> None:
    described = Path(__file__).parents[2] / "examples" / "face-api" / "face-api.toml"
    assert open_classifier(str(described)).name == "face-api"


def test_an_instance_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    import equipoise.classifiers.skin_tone as module

    monkeypatch.setattr(module, "ready", READY, raising=False)
    assert open_classifier("equipoise.classifiers.skin_tone:ready") is READY


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        (
            "gender",
            r"must be pinned:ATTRIBUTE, module:object, a \.toml file, .*rekognition, got gender",
        ),
        ("pinned:nose", "attribute must be one of .* got nose"),
        ("no_such_module:x", "must name an importable classifier.*no_such_module"),
        ("equipoise.core.attributes:nothing", "nothing"),
        ("collections:OrderedDict", "got OrderedDict without name, digest"),
    ],
)
def test_what_is_no_classifier_is_named(uri: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        open_classifier(uri)
