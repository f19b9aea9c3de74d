"""A module of a user with a classifier that errs, as a file on the path."""


def toy_module(wrong: float) -> str:
    """Return its source: `model` reads smiles of the toy, and misses a share of them."""
    return f"""
from equipoise.classifiers.toy import ToyClassifier
from equipoise.generators.toy import ToyGenerator

def model():
    confusion = {{"smiling": [[1, 0], [{wrong}, {1 - wrong}]]}}
    return ToyClassifier(ToyGenerator(), ["smiling"], confusion=confusion)
"""
