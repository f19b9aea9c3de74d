import subprocess
import sys

import equipoise


def test_every_public_name_is_there() -> None:
    for name in equipoise.__all__:
        assert getattr(equipoise, name) is not None


def test_importing_loads_nothing_heavy() -> None:
    heavy = "('torch', 'sklearn', 'numpy')"
    code = f"import sys, equipoise; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_a_missing_name_is_named() -> None:
    try:
        equipoise.nonsense  # noqa: B018
    except AttributeError as error:
        assert "nonsense" in str(error)
