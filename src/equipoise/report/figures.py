"""Matplotlib's figures, whatever backend a notebook asks for.

A notebook hands MPLBACKEND on to the commands that it starts. A backend that is not installed here
would end the import of matplotlib, and figures that are saved need none.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

_asked = None if "matplotlib" in sys.modules else os.environ.pop("MPLBACKEND", None)
try:
    import matplotlib
    from matplotlib.figure import Figure
finally:
    if _asked is not None:
        os.environ["MPLBACKEND"] = _asked
if _asked is not None:
    with suppress(ValueError):
        matplotlib.rcParams["backend"] = _asked

__all__ = ["Figure", "matplotlib"]
