"""Figures in the environment that a notebook hands on."""

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(("backend", "kept"), [("no-such-backend", "agg"), ("pdf", "pdf")])
def test_a_notebooks_backend_is_not_needed(backend: str, kept: str) -> None:
    code = (
        "from equipoise.report.figures import Figure, matplotlib; import io, os;"
        "Figure().savefig(io.StringIO(), format='svg');"
        "print(matplotlib.get_backend().lower(), os.environ['MPLBACKEND'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "MPLBACKEND": backend},
    )
    assert done.stdout.split() == [kept, backend], done.stderr
