"""The examples of docs/classifiers.md are read as they stand."""

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from equipoise.classifiers import Classifier, open_classifier
from tests.classifiers.local.conftest import FER, save_fer

TEXT = (Path(__file__).parents[2] / "docs" / "classifiers.md").read_text()


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", TEXT, re.S)
    assert found is not None
    return found[1]


@pytest.mark.real
def test_the_description_is_one(tmp_path: Path) -> None:
    save_fer(tmp_path).write_text(block("toml"))
    assert open_classifier(str(tmp_path / "fer.toml")).attributes[0].levels == ("no", "yes")
    shown, tested = tomllib.loads(block("toml")), tomllib.loads(FER)
    assert shown["attribute"][0] == tested["attribute"][0]
    assert shown["input"] == tested["input"]


def test_fifteen_lines_of_python_are_a_classifier() -> None:
    names: dict[str, object] = {}
    exec(block("python"), names)
    made = names["Bright"]()  # type: ignore[operator]
    assert isinstance(made, Classifier)
    images = np.stack([np.zeros((3, 4, 4)), np.full((3, 4, 4), 255)]).astype(np.uint8)
    assert made.predict(images)[0].levels.tolist() == [0, 1]
