import sys

import pytest

from equipoise.core.errors import InputError
from equipoise.runtimes.tflite import TfliteNetwork


def test_a_machine_without_litert_gets_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(InputError, match=r"smile\.tflite must have ai_edge_litert installed"):
        TfliteNetwork(b"", "smile.tflite")
