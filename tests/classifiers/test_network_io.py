import numpy as np
import pytest
from scipy.special import expit, log_softmax, softmax

from equipoise.classifiers.network_io import OutputReading, activation_fault
from equipoise.core.attributes import Attribute

LOGITS = np.random.default_rng(0).normal(0, 3, (16, 3))
OUTPUTS = {
    "logits": LOGITS,
    "shares": softmax(LOGITS, axis=1),
    "shares of half precision": softmax(LOGITS, axis=1).astype(np.float16),
    "sigmoids": expit(LOGITS),
    "percentages": 100 * softmax(LOGITS, axis=1),
    "logarithms": log_softmax(LOGITS, axis=1),
}
RIGHT = {
    ("logits", "softmax"), ("logits", "sigmoid"), ("logarithms", "softmax"),
    ("shares", "none"), ("shares of half precision", "none"), ("sigmoids", "none"),
    # Values out of [0, 1] are an issue of the answers, whatever the activation.
    ("logits", "none"), ("percentages", "none"),
}  # fmt: skip


@pytest.mark.parametrize("activation", ["softmax", "sigmoid", "none"])
@pytest.mark.parametrize("output", OUTPUTS)
def test_an_activation_of_what_is_a_probability_already_is_a_fault(
    output: str, activation: str
) -> None:
    wanted = OutputReading(Attribute("a", ("x", "y", "z")), activation=activation, levels=(0, 1, 2))
    found = activation_fault(OUTPUTS[output], wanted)
    assert (found == "") == ((output, activation) in RIGHT), found


def test_a_single_column_is_judged_alone() -> None:
    attribute = Attribute("a", ("x", "y"))
    one = OutputReading(attribute, columns=(1,), activation="sigmoid", levels=(1,))
    assert "probabilities already" in activation_fault(OUTPUTS["sigmoids"], one)
    assert activation_fault(OUTPUTS["logits"], one) == ""
    score = OutputReading(attribute, columns=(1,), activation="none", thresholds=(-1.0,))
    assert activation_fault(OUTPUTS["logarithms"], score) == ""


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_logits_of_a_network_that_is_hardly_trained_are_no_fault(activation: str) -> None:
    wanted = OutputReading(Attribute("a", ("x", "y", "z")), activation=activation, levels=(0, 1, 2))
    assert activation_fault(0.2 + LOGITS / 60, wanted) == ""
    near = softmax(LOGITS / 60, axis=1)
    assert "probabilities already" in activation_fault(near, wanted)
